"""What a sampler may see of a study: which trials, in which order, and as what.

Complete trials are seen as they are, in the order in which they finished. Pruned ones, failed ones (``failures="worst"``) and
running ones stand in the history as if they had come out worst, so that parallel workers spread out and a crash is not
suggested again. Failures that say nothing about their parameters (``interrupted``, ``owner-died``) are not seen at all.

What a sampler keeps of a suggestion stands in the system attributes of that suggestion's trial. What it keeps of the whole study
stands there too, under ``STUDY_ATTRS``: an ask is one record, and what it wrote belongs to what later asks saw.
"""

from __future__ import annotations

from itertools import compress, repeat
from math import inf, isfinite, isnan
from operator import itemgetter
from sys import float_info

from journaltune.journal.state import COMPLETE, FAIL, HAS_EXTRAS, HAS_VALUES, HIDDEN, ODD, PRUNED, STATE_MASK
from journaltune.space import Distribution
from journaltune.study.constraints import constraints_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from journaltune.journal.state import Shape, StudyState

    Seen = tuple[int, Shape, Sequence[float]]  # number, shape, internal parameters
    Told = tuple[int, Shape, Sequence[float], Sequence[float], Mapping[str, Any]]  # ..., values, system attributes

STUDY_ATTRS = "journaltune:study"
_NOTHING: Mapping[str, Any] = {}
_TOLD = bytes(code & STATE_MASK == COMPLETE and code & HAS_VALUES > 0 for code in range(256))


class History:
    """A study as a sampler sees it, at the moment in which it is asked.

    ``directions`` holds 1 (minimize) or 2 (maximize) for each objective.
    """

    __slots__ = ("_failures", "_study", "directions")

    def __init__(self, study: StudyState, failures: str) -> None:
        self._study = study
        self._failures = failures
        self.directions = [2 if direction == 2 else 1 for direction in study.directions]

    def n_observed(self) -> int:
        """How many trials really finished with something observed: complete and pruned ones."""
        codes = self._study.finished.column("codes").tobytes()
        return sum(codes.count(code) for code in set(codes) if code & STATE_MASK in (COMPLETE, PRUNED))

    def complete(self, skip: int = 0) -> Iterable[Told]:
        """Number, shape, internal parameters, values and system attributes of complete trials, from finished trial ``skip`` on.

        Infinite values are the largest doubles, so that a sampler can calculate with them; trials with NaN are left out.
        """
        finished, shape = self._study.finished, self._only_shape(skip)
        if not shape:
            return self._complete_one_by_one(skip)
        numbers, params, values = (finished.column(name) for name in ("numbers", "params", "values"))
        told = _rows(values[skip * finished.n_objectives :], finished.n_objectives)
        attrs = self._attrs(numbers[skip:]) if self._any_extras(skip) else repeat(_NOTHING)
        return zip(numbers[skip:], repeat(shape), _rows(params[finished.start_of(skip) :], len(shape)), told, attrs, strict=False)

    def _any_extras(self, skip: int) -> bool:
        return any(code & HAS_EXTRAS for code in set(self._study.finished.column("codes")[skip:]))

    def _attrs(self, numbers: Iterable[int]) -> Iterator[Mapping[str, Any]]:
        extras = self._study.finished.extras
        return (extras[number].get("system_attrs", _NOTHING) if number in extras else _NOTHING for number in numbers)

    def _only_shape(self, skip: int) -> Shape:
        """The shape of all rows from ``skip`` on, when they are what nearly every study is: nothing failed, every trial with
        the same parameters and finite values. Then C loops do the work. Else an empty one."""
        finished = self._study.finished
        plain = bytes([COMPLETE | HAS_VALUES, COMPLETE | HAS_VALUES | HAS_EXTRAS])
        shapes, values = finished.column("shapes")[skip:], finished.column("values")[skip * finished.n_objectives :]
        if not shapes or finished.column("codes")[skip:].tobytes().strip(plain) or shapes.count(shapes[0]) != len(shapes):
            return ()
        return finished.shape_list[shapes[0]] if all(map(isfinite, values)) else ()

    @staticmethod
    def _inside(shape: Shape, params: Sequence[float]) -> tuple[Shape, Sequence[float]]:
        """What of a trial lies inside its own distributions: samplers of either library refuse the rest."""
        bounds = [Distribution.from_json(text) for _, text in shape]
        kept = [i for i, b in enumerate(bounds) if b.kind == "categorical" or b.low <= params[i] <= b.high]
        return tuple([shape[i] for i in kept]), [params[i] for i in kept]

    def _complete_one_by_one(self, skip: int) -> Iterator[Told]:
        finished = self._study.finished
        extras = finished.extras if self._any_extras(skip) else {}
        for row, (number, code, shape, params) in enumerate(finished.rows(skip), skip):
            if _TOLD[code]:
                told = finished.packed_values(row)
                if not any(map(isnan, told)):
                    shown = self._inside(shape, params) if code & ODD else (shape, params)
                    attrs = extras[number].get("system_attrs", _NOTHING) if code & HAS_EXTRAS else _NOTHING
                    yield number, *shown, [_finite(value) for value in told], attrs

    def worst(self) -> list[float] | None:
        """The worst value of each objective among the complete trials; None before the first."""
        finished, width = self._study.finished, len(self.directions)
        told, values = finished.column("codes").tobytes().translate(_TOLD), finished.column("values")
        columns: list[Sequence[float]] = [list(compress(values[index::width], told)) for index in range(width)]
        if any(any(map(isnan, column)) for column in columns):
            columns = list(zip(*[values for _, _, _, values, _ in self.complete()], strict=True))
        if not columns or not columns[0]:
            return None
        return [_finite(max(column) if d == 1 else min(column)) for column, d in zip(columns, self.directions, strict=True)]

    def worst_constraints(self) -> dict[str, float]:
        """For each constraint that was told the largest value, as a system attribute: what is as bad as the worst violates all.

        Without them a trial that stands in would be a feasible one, and better than every one that broke a constraint.
        """
        worst: dict[str, float] = {}
        for _, _, _, _, attrs in self.complete() if self._any_extras(0) else ():
            for key, value in constraints_in(attrs).items():
                worst[key] = max(value, worst.get(key, -inf))
        return worst

    def stand_ins(self) -> list[Seen]:
        """Number, shape and internal parameters of the trials that are seen as if they had come out worst."""
        seen = [self._row(*row) for row in self._unlucky_rows()] + self.running()
        return [each for each in seen if each[1]]

    def _row(self, number: int, code: int, shape: Shape, params: Sequence[float]) -> Seen:
        return (number, *self._inside(shape, params)) if code & ODD else (number, shape, params)

    def running(self) -> list[Seen]:
        """Number, shape and internal parameters of the running trials."""
        found: list[Seen] = []
        for trial in self._study.live.values():
            if trial.state == 0:
                shape = tuple([(name, trial.distributions[name]) for name in trial.params])
                found.append(self._row(trial.number, trial.odd, shape, list(trial.params.values())))
        return found

    def finished(self, skip: int = 0) -> Iterator[tuple[int, Seen]]:
        """Every trial that came to an end, however, and what it was: for samplers that only ask what was tried already.

        Failures that say nothing about their parameters are no attempts, so they are left out.
        """
        for row in self._study.finished.rows(skip):
            if not row[1] & HIDDEN:
                yield row[1] & STATE_MASK, self._row(*row)

    def study_attrs(self) -> dict[str, Any]:
        """What samplers keep of the whole study: its own system attributes, and over them what asks wrote, the latest last.

        Trials go by their numbers here, so the parents that other programs chose, whose ids are others, are left out.
        """
        kept = {
            key: value
            for key, value in self._study.system_attrs.items()
            if not key.startswith("journaltune:") and ":parent:" not in key
        }
        for _, attrs in sorted(self._written(), key=itemgetter(0)):
            kept.update(attrs)
        return kept

    def n_writes(self) -> int:
        """How many asks wrote something of the whole study; the next one to do so has this as its place in the order."""
        return 1 + max((place for place, _ in self._written()), default=-1)

    def _written(self) -> Iterator[tuple[int, Mapping[str, Any]]]:
        finished = self._study.finished
        if self._any_extras(0):
            for extras in finished.extras.values():
                yield from _write(extras.get("system_attrs", _NOTHING))
        for trial in self._study.live.values():
            yield from _write(trial.system_attrs)

    def _unlucky_rows(self) -> Iterator[tuple[int, int, Shape, list[float]]]:
        wanted = (PRUNED, FAIL) if self._failures == "worst" else (PRUNED,)
        codes = self._study.finished.column("codes")
        if any(code & STATE_MASK in wanted for code in set(codes)):
            for row in self._study.finished.rows():
                if row[1] & STATE_MASK in wanted and not row[1] & HIDDEN:
                    yield row

    def n_finished(self) -> int:
        return len(self._study.finished)


def _write(attrs: Mapping[str, Any]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    found = attrs.get(STUDY_ATTRS)
    if isinstance(found, dict) and isinstance(found.get("place"), int) and isinstance(found.get("attrs"), dict):
        yield found["place"], found["attrs"]


def _rows(flat: array[float], width: int) -> Iterator[tuple[float, ...]]:
    return zip(*[iter(flat.tolist())] * width, strict=True)


def _finite(value: float) -> float:
    if isfinite(value):
        return value
    return float_info.max if value == inf else -float_info.max
