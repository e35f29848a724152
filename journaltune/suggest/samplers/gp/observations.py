"""What a model learns from: the visible part of a study as rows of unit coordinates."""

from __future__ import annotations

from math import nan

from journaltune.base.constraints import constraints_in
from journaltune.base.frozen import Frozen
from journaltune.space import Distribution, agrees
from journaltune.suggest.samplers.gp.scale import unit_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from journaltune.journal.state import Shape
    from journaltune.suggest.history import History

    Row = list[float]

_FARTHEST = 1.0  # ranges beyond the present bounds, from where a trial tells nothing


class Observations(Frozen):
    """Rows by column, NaN where a trial lacks a parameter, in the order of the trials' numbers.

    ``values`` are minimised. ``constraints`` hold what was told of each, at most 0 where it holds. ``failed`` and ``pending`` are
    rows too.
    """

    numbers: list[int]
    rows: list[Row]
    values: list[float]
    constraints: list[Mapping[str, float]]
    failed: list[Row]
    pending: list[Row]


def observe(history: History, distributions: Mapping[str, Distribution]) -> Observations:
    """Complete and pruned trials with their value, failed and running ones; of one objective."""
    place = _Place(distributions)
    sign = 1.0 if history.directions[0] == 1 else -1.0
    observed = []
    for number, shape, params, values, attrs in [*history.complete(), *history.pruned()]:
        row = place.row(shape, params)
        if row is not None:
            observed.append((number, row, sign * values[0], constraints_in(attrs)))
    observed.sort(key=lambda each: each[0])
    numbers, rows, values, constraints = [list(column) for column in zip(*observed, strict=True)] or [[], [], [], []]
    return Observations(numbers, rows, values, constraints, place.rows(history.failed()), place.rows(history.pending()))


class _Place:
    """Rows of trials, whatever distributions they were made with."""

    def __init__(self, distributions: Mapping[str, Distribution]) -> None:
        self._distributions = distributions
        self._columns: dict[Shape, list[tuple[int, int, Distribution]]] = {}

    def rows(self, trials: Sequence[tuple[int, Shape, Sequence[float]]]) -> list[Row]:
        found = [self.row(shape, params) for _, shape, params in sorted(trials, key=lambda trial: trial[0])]
        return [row for row in found if row is not None]

    def row(self, shape: Shape, params: Sequence[float]) -> Row | None:
        """None for a trial that has no parameter of the space, or one that lies far outside of it."""
        row = [nan] * len(self._distributions)
        for index, column, known in self._of(shape):
            row[column] = unit_of(known, params[index])
            if known.kind != "categorical" and not -_FARTHEST <= row[column] <= 1.0 + _FARTHEST:
                return None
        return None if all(unit != unit for unit in row) else row

    def _of(self, shape: Shape) -> list[tuple[int, int, Distribution]]:
        """Which of a shape's parameters are of the space: where they stand, their column, and its present distribution.

        A parameter whose kind or categories were others than now tells nothing.
        """
        if shape not in self._columns:
            then = {name: (index, Distribution.from_json(text)) for index, (name, text) in enumerate(shape)}
            self._columns[shape] = [
                (then[name][0], column, known)
                for column, (name, known) in enumerate(self._distributions.items())
                if name in then and agrees(known, then[name][1])
            ]
        return self._columns[shape]
