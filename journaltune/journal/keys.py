"""Keys of sets of parameters, 64 bits that are equal for equal sets; and an index of finished trials by them.

A key is made of a trial's parameters by name, in the order of their names, as internal values: categories by index, so that 1,
1.0, True and "1" differ where the space has them; a float with a step by its place on the grid, whatever a writer's rounding; and
-0.0 as 0.0. A parameter that a trial does not have is not in its key.
"""

from __future__ import annotations

from _blake2 import blake2b  # hashlib around it takes a millisecond to import
from array import array
from struct import pack

from journaltune.space import Distribution

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from journaltune.journal.state import Finished, LiveTrial, Shape, StudyState

_MINUS_ZERO = pack("d", -0.0)
_SCANS = 2
_DIGITS = ".12g"  # of a value on a grid; which of two neighbouring floats stands for it depends on who wrote it


class ShapeKeys:
    """The keys of trials with the same names and distributions."""

    __slots__ = ("_grids", "_names", "_order")

    def __init__(self, shape: Shape) -> None:
        order = sorted(range(len(shape)), key=lambda place: shape[place][0])
        self._order = None if order == list(range(len(shape))) else order
        known = [Distribution.from_json(shape[place][1]) for place in order]
        self._grids = [(at, each) for at, each in enumerate(known) if each.kind == "float" and each.step is not None]
        names = "".join(f"{len(shape[place][0])}:{shape[place][0]}" for place in order)
        self._names = blake2b(names.encode("utf-8", "surrogatepass"), digest_size=8)

    def canonical(self, params: Sequence[float]) -> array[float]:
        """Internal values in the order of their names, equal for equal parameters, bit for bit."""
        values = array("d", params if self._order is None else [params[place] for place in self._order])
        for at, grid in self._grids:
            values[at] = _on_grid(grid, values[at])
        if _MINUS_ZERO in values.tobytes():
            values = array("d", [value + 0.0 for value in values])
        return values

    def key(self, params: Sequence[float]) -> int:
        """``params``: internal values in the shape's order."""
        digest = self._names.copy()
        digest.update(self.canonical(params))
        return int.from_bytes(digest.digest(), "little")


def _on_grid(grid: Distribution, value: float) -> float:
    if not grid.contains(value):  # another program may write anything
        return value
    return float(format(grid.low + round((value - grid.low) / grid.step) * grid.step, _DIGITS))


class KeyMaker:
    """Keys of trials of any shape, each shape looked at once."""

    __slots__ = ("_by_shape",)

    def __init__(self) -> None:
        self._by_shape: dict[Shape, ShapeKeys] = {}

    def of_shape(self, shape: Shape) -> ShapeKeys:
        keys = self._by_shape.get(shape)
        if keys is None:
            keys = self._by_shape[shape] = ShapeKeys(shape)
        return keys

    def of_params(self, params: Mapping[str, float], distributions: Mapping[str, str]) -> tuple[ShapeKeys, list[float]]:
        """The maker for internal values by name, and these values as it takes them."""
        return self.of_shape(tuple([(name, distributions[name]) for name in params])), list(params.values())

    def key_of(self, params: Mapping[str, float], distributions: Mapping[str, str]) -> int:
        """The key of internal values by name."""
        keys, values = self.of_params(params, distributions)
        return keys.key(values)

    def of_live(self, trial: LiveTrial) -> int:
        return self.key_of(trial.params, trial.distributions)


def parameters_of(state: StudyState, number: int) -> tuple[dict[str, float], dict[str, str]]:
    """A trial's internal values and its distributions by name, whether it has finished or not."""
    live = state.live.get(number)
    if live is not None:
        return dict(live.params), {name: live.distributions[name] for name in live.params}
    shape, params, _ = state.finished.parameters(state.finished.row_of(number))
    return {name: value for (name, _), value in zip(shape, params, strict=True)}, dict(shape)


def extended(finished: Finished, maker: KeyMaker) -> array[Any]:
    """The keys of all finished trials, one for each row; missing ones are added to the column."""
    keys, shapes = finished.column("keys"), finished.column("shapes")
    n_known = len(keys)
    if n_known < len(shapes):
        makers = [maker.of_shape(shape).key for shape in finished.shape_list]
        widths = [len(shape) for shape in finished.shape_list]
        params, start = finished.column("params"), finished.start_of(n_known)
        for shape in shapes[n_known:]:
            end = start + widths[shape]
            keys.append(makers[shape](params[start:end]))
            start = end
    return keys


class Index:
    """Finished trials by their parameters. A look costs time for the trials that finished since the last look only."""

    __slots__ = ("_n_entered", "_n_looks", "_rows", "finished", "maker")

    def __init__(self, finished: Finished) -> None:
        self.finished = finished
        self.maker = KeyMaker()
        self._rows: dict[int, int | list[int]] = {}
        self._n_entered = 0
        self._n_looks = 0

    def rows(self, key: int) -> list[int]:
        """The rows of finished trials with that key, the one that finished last first."""
        keys = extended(self.finished, self.maker)
        self._n_looks += 1
        if self._n_looks <= _SCANS:  # a command looks once: searching bytes is quicker than filling a table
            return list(_places(keys, key))[::-1]
        self._enter(keys)
        rows = self._rows.get(key, [])
        return [rows] if isinstance(rows, int) else rows[::-1]

    def _enter(self, keys: array[Any]) -> None:
        rows = self._rows
        for row in range(self._n_entered, len(keys)):
            before = rows.setdefault(keys[row], row)
            if before != row:
                rows[keys[row]] = [*before, row] if isinstance(before, list) else [before, row]
        self._n_entered = len(keys)

    def equal_rows(self, params: Mapping[str, float], distributions: Mapping[str, str]) -> Iterator[int]:
        """The rows of finished trials with just these internal values, the one that finished last first."""
        keys, values = self.maker.of_params(params, distributions)
        wanted = keys.canonical(values).tobytes()
        for row in self.rows(keys.key(values)):
            shape, params_of_row, _ = self.finished.parameters(row)
            # 64 bits are equal by chance once in many million studies; then the values are not.
            if self.maker.of_shape(shape).canonical(params_of_row).tobytes() == wanted:
                yield row


def _places(keys: array[Any], key: int) -> Iterator[int]:
    data, wanted = keys.tobytes(), keys[:0]
    wanted.append(key)
    place = data.find(wanted.tobytes())
    while place >= 0:
        if place % keys.itemsize == 0:
            yield place // keys.itemsize
        place = data.find(wanted.tobytes(), place + 1)
