"""A study as a sampler may see it: which trials, in which order, with which values.

Complete trials are visible as they are, in the order in which they finished. Pruned ones, failed ones (``failures="worst"``) and
pending ones get the worst values imputed, a constant liar: parallel workers spread out, and a crash is not suggested again.
Failures that say nothing about their parameters (``interrupted``, ``owner-died``) are invisible.

A sampler keeps notes on a suggestion in the system attributes of that suggestion's trial. Its notes on the whole study stand
there too, under ``STUDY_ATTRS``: an ask is one record, and later asks see the notes exactly when they see the trial.
"""

from __future__ import annotations

from itertools import compress, repeat
from math import inf, isfinite, isnan
from operator import gt, itemgetter, neg, or_
from sys import float_info

from journaltune.base import COMPLETE, FAIL, MAXIMIZE, MINIMIZE, PRUNED, RUNNING, counted
from journaltune.journal.state import HAS_EXTRAS, HAS_VALUES, HIDDEN, ODD, STATE_MASK
from journaltune.space import Distribution

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from journaltune.journal.state import Shape, StudyState

    Asked = tuple[int, Shape, Sequence[float]]  # number, shape, internal parameters
    Observed = tuple[int, Shape, Sequence[float], Sequence[float], Mapping[str, Any]]  # ..., values, system attributes

STUDY_ATTRS = "journaltune:study"
_NO_ATTRS: Mapping[str, Any] = {}
_IS_OBSERVED = bytes(code & (STATE_MASK | HIDDEN | HAS_VALUES) == COMPLETE | HAS_VALUES for code in range(256))
_IS_PRUNED = bytes(code & (STATE_MASK | HIDDEN) == PRUNED for code in range(256))
_IS_FAILED = bytes(code & (STATE_MASK | HIDDEN) == FAIL for code in range(256))


class History:
    """A study as a sampler sees it when it is asked.

    ``directions`` holds MINIMIZE or MAXIMIZE for each objective. ``is_bounded``: TPE is to learn from some of many trials.
    ``sees_all``: a model is told of trials that ended without a value, too.
    """

    __slots__ = ("_failures", "_study", "directions", "is_bounded", "sees_all")

    def __init__(self, study: StudyState, failures: str, is_bounded: bool = False, sees_all: bool = True) -> None:
        self._study = study
        self.is_bounded, self.sees_all = is_bounded, sees_all
        self._failures = failures
        self.directions = [MAXIMIZE if direction == MAXIMIZE else MINIMIZE for direction in study.directions]

    def n_finished(self) -> int:
        return len(self._study.finished)

    def n_observed(self) -> int:
        """How many trials finished with an observation: complete and pruned ones."""
        codes = counted(self._study.finished.column("codes").tobytes())
        return sum(count for code, count in codes.items() if code & (STATE_MASK | HIDDEN) in (COMPLETE, PRUNED))

    def complete(self, skip: int = 0) -> Iterable[Observed]:
        """Complete trials, from finished trial ``skip`` on.

        Infinite values are the largest doubles, so that a sampler can calculate with them; trials with NaN are left out.
        """
        finished, shape = self._study.finished, self._only_shape(skip)
        if not shape:
            return self._complete_one_by_one(skip)
        numbers, params, flat = (finished.column(name) for name in ("numbers", "params", "values"))
        values = _rows(flat[skip * finished.n_objectives :], finished.n_objectives)
        attrs = self._attrs(numbers[skip:]) if self._any_extras(skip) else repeat(_NO_ATTRS)
        return zip(
            numbers[skip:], repeat(shape), _rows(params[finished.start_of(skip) :], len(shape)), values, attrs, strict=False
        )

    def _any_extras(self, skip: int) -> bool:
        return any(code & HAS_EXTRAS for code in self._codes(skip))

    def _codes(self, skip: int = 0) -> Iterable[int]:
        """The codes that finished trials from ``skip`` on have, each of them once."""
        return counted(self._study.finished.column("codes")[skip:].tobytes())

    def _attrs(self, numbers: Iterable[int]) -> Iterator[Mapping[str, Any]]:
        extras = self._study.finished.extras
        return (extras[number].get("system_attrs", _NO_ATTRS) if number in extras else _NO_ATTRS for number in numbers)

    def _only_shape(self, skip: int) -> Shape:
        """The shape of all rows from ``skip`` on; empty unless all are complete, have this one shape, and finite values.

        Nearly every study is like that, and C loops read it.
        """
        finished = self._study.finished
        plain = bytes([COMPLETE | HAS_VALUES, COMPLETE | HAS_VALUES | HAS_EXTRAS])
        shapes, values = finished.column("shapes")[skip:], finished.column("values")[skip * finished.n_objectives :]
        if not shapes or finished.column("codes")[skip:].tobytes().strip(plain) or shapes.count(shapes[0]) != len(shapes):
            return ()
        return finished.shape_list[shapes[0]] if all(map(isfinite, values)) else ()

    def _complete_one_by_one(self, skip: int) -> Iterator[Observed]:
        finished = self._study.finished
        extras = finished.extras
        for row, (number, code, shape, params) in enumerate(finished.rows(skip), skip):
            if _IS_OBSERVED[code]:
                values = finished.packed_values(row)
                if not any(map(isnan, values)):
                    attrs = extras[number].get("system_attrs", _NO_ATTRS) if code & HAS_EXTRAS else _NO_ATTRS
                    yield *_asked(number, code, shape, params), [finite(value) for value in values], attrs

    def worst(self) -> list[float] | None:
        """The worst value of each objective among the complete trials; None before the first."""
        finished, width = self._study.finished, len(self.directions)
        observed, values = finished.column("codes").tobytes().translate(_IS_OBSERVED), finished.column("values")
        columns: list[Sequence[float]] = [list(compress(values[index::width], observed)) for index in range(width)]
        if any(any(map(isnan, column)) for column in columns):
            columns = list(zip(*[values for _, _, _, values, _ in self.complete()], strict=True))
        if not columns or not columns[0]:
            return None
        return [finite((max if d == MINIMIZE else min)(column)) for column, d in zip(columns, self.directions, strict=True)]

    def worst_constraints(self) -> dict[str, float]:
        """Each constraint's largest value, by name in order, so that imputed trials violate all of them.

        Without constraints an imputed trial would be feasible, and better than every trial that violated one.
        """
        worst: dict[str, float] = {}
        for _, _, _, _, attrs in self.complete() if self._any_extras(0) else ():
            for name, value in _constraints_in(attrs).items():
                worst[name] = max(value, worst.get(name, -inf))
        return dict(sorted(worst.items()))

    def imputed(self) -> list[Asked]:
        """The trials that get the worst values imputed."""
        asked = [_asked(*row) for row in self._rows_without_result()] + self.pending()
        return [each for each in asked if each[1]]

    def pruned(self) -> Iterator[Observed]:
        """Pruned trials as ``complete`` gives complete ones, with the value of their last step; without one they are left out."""
        finished = self._study.finished
        if PRUNED | HAS_VALUES in {code & (STATE_MASK | HAS_VALUES) for code in self._codes()}:
            for row, (number, code, shape, params) in enumerate(finished.rows()):
                if code & (STATE_MASK | HAS_VALUES | HIDDEN) == PRUNED | HAS_VALUES:
                    values = finished.packed_values(row)
                    if not any(map(isnan, values)):
                        attrs = finished.extras.get(number, {}).get("system_attrs", _NO_ATTRS)
                        yield *_asked(number, code, shape, params), [finite(value) for value in values], attrs

    def course(self, number: int) -> Mapping[float, float]:
        """The intermediate values of a finished trial, by step."""
        course: Mapping[float, float] = self._study.finished.extras.get(number, {}).get("intermediate", {})
        return course

    def failed(self) -> list[Asked]:
        """The failed trials that say something about their parameters."""
        return [_asked(*row) for row in self._rows_without_result() if row[1] & STATE_MASK == FAIL]

    def valueless(self) -> list[Asked]:
        """Complete and pruned trials without a value, or with NaN: no observations, and no failures that anybody told."""
        if not self.sees_all:
            return []
        finished, codes = self._study.finished, self._study.finished.column("codes")
        ended = [at for at, code in enumerate(codes) if code & (STATE_MASK | HIDDEN) in (COMPLETE, PRUNED)]
        without = {at for at in ended if not codes[at] & HAS_VALUES or any(map(isnan, finished.packed_values(at)))}
        return [_asked(*row) for at, row in enumerate(finished.rows()) if at in without] if without else []

    def ignored(self) -> list[Asked]:
        """The failed trials that a sampler is to learn nothing from (``failures="ignore"``); still they need no second try."""
        if self._failures == "worst" or not self.sees_all:
            return []
        return [_asked(*row) for row in self._study.finished.rows() if row[1] & (STATE_MASK | HIDDEN) == FAIL]

    def pending(self) -> list[Asked]:
        """The trials that were asked and have not finished."""
        pending: list[Asked] = []
        for trial in self._study.live.values():
            if trial.state == RUNNING:
                shape = tuple([(name, trial.distributions[name]) for name in trial.params])
                pending.append(_asked(trial.number, trial.odd, shape, list(trial.params.values())))
        return pending

    def finished(self, skip: int = 0) -> Iterator[tuple[int, Asked]]:
        """State and parameters of every trial that finished, in whatever state: for samplers that only avoid repeating.

        Failures that say nothing about their parameters are left out.
        """
        for row in self._study.finished.rows(skip):
            if not row[1] & HIDDEN:
                yield row[1] & STATE_MASK, _asked(*row)

    def masks(self, skip: int) -> tuple[bytes, bytes, bytes]:
        """Which finished trials from ``skip`` on a sampler sees, which are complete, and which are pruned: 1 or 0 for each."""
        codes = self._study.finished.column("codes")[skip:].tobytes()
        observed, pruned = self._without_nan(skip, codes.translate(_IS_OBSERVED)), codes.translate(_IS_PRUNED)
        failed = codes.translate(_IS_FAILED) if self._failures == "worst" else b""
        visible = bytes(map(or_, observed, pruned)) if 1 in pruned else observed
        return bytes(map(or_, visible, failed)) if 1 in failed else visible, observed, pruned

    def _without_nan(self, skip: int, observed: bytes) -> bytes:
        width = len(self.directions)
        values = self._study.finished.column("values")[skip * width :]
        if isfinite(sum(values)):
            return observed
        has_nan = bytes(any(map(isnan, values[start : start + width])) for start in range(0, len(values), width))
        return bytes(map(gt, observed, has_nan))

    def losses(self, skip: int, observed: bytes) -> Sequence[Any]:
        """The values of the ``observed`` trials from ``skip`` on, as if they were minimized; tuples where there are several."""
        width = len(self.directions)
        values = self._study.finished.column("values")[skip * width :]
        columns: list[Iterable[float]] = [
            compress(values[at::width], observed) if d == MINIMIZE else map(neg, compress(values[at::width], observed))
            for at, d in enumerate(self.directions)
        ]
        if width > 1:
            return list(zip(*columns, strict=True))
        return values if self.directions == [MINIMIZE] and 0 not in observed else list(columns[0])

    def constraints(self, skip: int) -> dict[int, dict[str, float]]:
        """The constraints of the complete trials from ``skip`` on that have any, by row."""
        if not self._any_extras(skip):
            return {}
        finished = self._study.finished
        codes, numbers, wanted = finished.column("codes"), finished.column("numbers"), COMPLETE | HAS_VALUES | HAS_EXTRAS
        rows = [row for row in range(skip, len(codes)) if codes[row] & ~ODD == wanted]
        found = (
            (row, _constraints_in(attrs)) for row, attrs in zip(rows, self._attrs([numbers[row] for row in rows]), strict=True)
        )
        return {row: constraints for row, constraints in found if constraints}

    def constraints_of(self, row: int) -> dict[str, float]:
        return _constraints_in(next(self._attrs([self._study.finished.column("numbers")[row]])))

    def have_results(self, rows: Sequence[int]) -> list[bool]:
        """Of each of these finished trials whether it is complete and has values, which may be NaN."""
        codes = self._study.finished.column("codes")
        return [_IS_OBSERVED[codes[row]] == 1 for row in rows]

    def shapes(self, skip: int) -> tuple[list[Shape], Sequence[int]]:
        """All shapes, and which one each finished trial from ``skip`` on has."""
        finished = self._study.finished
        n_all = len(finished.column("codes"))
        one = len(finished.shape_list) == 1
        return finished.shape_list, bytes(n_all - skip) if one else finished.column("shapes")[skip:]

    def any_odd(self, skip: int) -> bool:
        """Whether a finished trial from ``skip`` on has a value outside its own distribution."""
        return any(code & ODD for code in self._codes(skip))

    def asked(self, skip: int) -> Iterator[tuple[Shape, Sequence[float]]]:
        """Shape and parameters of each finished trial from ``skip`` on."""
        return (_asked(*row)[1:] for row in self._study.finished.rows(skip))

    def several(self, rows: Sequence[int]) -> Iterator[tuple[Shape, Sequence[float], list[float]]]:
        """Shape, parameters and values of these finished trials; values mean something where ``have_results`` says so."""
        finished = self._study.finished
        for row, (shape, params, odd) in zip(rows, finished.several(rows), strict=True):
            yield *_asked(row, odd, shape, params)[1:], [finite(value) for value in finished.packed_values(row)]

    def study_attrs(self) -> dict[str, Any]:
        """Samplers' notes on the whole study: its own system attributes, and over them those that asks wrote, the latest last.

        Parents that other programs chose are left out: they name trials by ids, and here trials have numbers.
        """
        notes = {
            key: value
            for key, value in self._study.system_attrs.items()
            if not key.startswith("journaltune:") and ":parent:" not in key
        }
        for _, attrs in sorted(self._written(), key=itemgetter(0)):
            notes.update(attrs)
        return notes

    def n_writes(self) -> int:
        """How many asks wrote notes on the whole study; the next one takes this number as its place in the order."""
        return 1 + max((place for place, _ in self._written()), default=-1)

    def _written(self) -> Iterator[tuple[int, Mapping[str, Any]]]:
        finished = self._study.finished
        if self._any_extras(0):
            for extras in finished.extras.values():
                yield from _notes(extras.get("system_attrs", _NO_ATTRS))
        for trial in self._study.live.values():
            yield from _notes(trial.system_attrs)

    def _rows_without_result(self) -> Iterator[tuple[int, int, Shape, list[float]]]:
        wanted = (PRUNED, FAIL) if self._failures == "worst" else (PRUNED,)
        if any(code & STATE_MASK in wanted for code in self._codes()):
            for row in self._study.finished.rows():
                if row[1] & STATE_MASK in wanted and not row[1] & HIDDEN:
                    yield row


def _constraints_in(attrs: Mapping[str, Any]) -> dict[str, float]:
    if not attrs:
        return {}
    from journaltune.base.constraints import constraints_in  # most studies have none

    return constraints_in(attrs)


def _asked(number: int, code: int, shape: Shape, params: Sequence[float]) -> Asked:
    """The trial, with those parameters only that lie inside their own distributions: either library refuses the rest."""
    if not code & ODD:
        return number, shape, params
    bounds = [Distribution.from_json(text) for _, text in shape]
    inside = [i for i, b in enumerate(bounds) if b.kind == "categorical" or b.low <= params[i] <= b.high]
    return number, tuple([shape[i] for i in inside]), [params[i] for i in inside]


def _notes(attrs: Mapping[str, Any]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    notes = attrs.get(STUDY_ATTRS)
    if isinstance(notes, dict) and isinstance(notes.get("place"), int) and isinstance(notes.get("attrs"), dict):
        yield notes["place"], notes["attrs"]


def _rows(flat: array[float], width: int) -> Iterator[tuple[float, ...]]:
    return zip(*[iter(flat.tolist())] * width, strict=True)


def finite(value: float) -> float:
    """The value, or the largest double for an infinity."""
    if isfinite(value):
        return value
    return float_info.max if value == inf else -float_info.max
