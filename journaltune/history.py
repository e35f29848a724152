"""What a sampler may see of a study: which trials, in which order, and as what.

Complete trials are seen as they are, in the order in which they finished. Pruned ones, failed ones (``failures="worst"``) and
running ones stand in the history as if they had come out worst, so that parallel workers spread out and a crash is not
suggested again. Failures that say nothing about their parameters (``interrupted``, ``owner-died``) are not seen at all.
"""

from __future__ import annotations

from itertools import repeat
from math import inf, isfinite, isnan
from sys import float_info

from journaltune.journal.state import COMPLETE, FAIL, HAS_VALUES, HIDDEN, ODD, PRUNED, STATE_MASK
from journaltune.space import Distribution

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array
    from collections.abc import Iterable, Iterator, Sequence

    from journaltune.journal.state import Shape, StudyState

    Seen = tuple[Shape, Sequence[float]]


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

    def complete(self, skip: int = 0) -> Iterable[tuple[Shape, Sequence[float], Sequence[float]]]:
        """Shape, internal parameters and values of complete trials, from finished trial ``skip`` on.

        Infinite values are the largest doubles, so that a sampler can calculate with them; trials with NaN are left out.
        """
        finished, shape = self._study.finished, self._only_shape(skip)
        if not shape:
            return self._complete_one_by_one(skip)
        params, values = finished.column("params"), finished.column("values")
        told = _rows(values[skip * finished.n_objectives :], finished.n_objectives)
        return zip(repeat(shape), _rows(params[finished.start_of(skip) :], len(shape)), told, strict=False)

    def _only_shape(self, skip: int) -> Shape:
        """The shape of all rows from ``skip`` on, when they are what nearly every study is: nothing failed, every trial with
        the same parameters and finite values. Then C loops do the work. Else an empty one."""
        finished = self._study.finished
        plain = bytes([COMPLETE | HAS_VALUES])
        shapes, values = finished.column("shapes")[skip:], finished.column("values")[skip * finished.n_objectives :]
        if not shapes or finished.column("codes")[skip:].tobytes().strip(plain) or shapes.count(shapes[0]) != len(shapes):
            return ()
        return finished.shape_list[shapes[0]] if all(map(isfinite, values)) else ()

    @staticmethod
    def _inside(shape: Shape, params: Sequence[float]) -> Seen:
        """What of a trial lies inside its own distributions: samplers of either library refuse the rest."""
        bounds = [Distribution.from_json(text) for _, text in shape]
        kept = [i for i, b in enumerate(bounds) if b.kind == "categorical" or b.low <= params[i] <= b.high]
        return tuple([shape[i] for i in kept]), [params[i] for i in kept]

    def _complete_one_by_one(self, skip: int) -> Iterator[tuple[Shape, Sequence[float], Sequence[float]]]:
        finished = self._study.finished
        for row, (_, code, shape, params) in enumerate(finished.rows(skip), skip):
            if code & STATE_MASK == COMPLETE and code & HAS_VALUES:
                told = finished.packed_values(row)
                if not any(map(isnan, told)):
                    yield *(self._inside(shape, params) if code & ODD else (shape, params)), [_finite(value) for value in told]

    def worst(self) -> list[float] | None:
        """The worst value of each objective among the complete trials; None before the first."""
        width = len(self.directions)
        if self._only_shape(0):
            values = self._study.finished.column("values")
            columns: list[Sequence[float]] = [values[index::width] for index in range(width)]
        else:
            columns = list(zip(*[values for _, _, values in self.complete()], strict=True))
        return [max(column) if d == 1 else min(column) for column, d in zip(columns, self.directions, strict=False)] or None

    def stand_ins(self) -> list[Seen]:
        """Shape and internal parameters of the trials that are seen as if they had come out worst."""
        seen: list[Seen] = [self._inside(*row[2:]) if row[1] & ODD else row[2:] for row in self._unlucky_rows()]
        for trial in self._study.live.values():
            if trial.state == 0 and trial.params:
                shape = tuple([(name, trial.distributions[name]) for name in trial.params])
                params = list(trial.params.values())
                seen.append(self._inside(shape, params) if trial.odd else (shape, params))
        return [(shape, params) for shape, params in seen if shape]

    def _unlucky_rows(self) -> Iterator[tuple[int, int, Shape, list[float]]]:
        wanted = (PRUNED, FAIL) if self._failures == "worst" else (PRUNED,)
        codes = self._study.finished.column("codes")
        if any(code & STATE_MASK in wanted for code in set(codes)):
            for row in self._study.finished.rows():
                if row[1] & STATE_MASK in wanted and not row[1] & HIDDEN:
                    yield row

    def n_finished(self) -> int:
        return len(self._study.finished)


def _rows(flat: array[float], width: int) -> Iterator[tuple[float, ...]]:
    return zip(*[iter(flat.tolist())] * width, strict=True)


def _finite(value: float) -> float:
    if isfinite(value):
        return value
    return float_info.max if value == inf else -float_info.max


_MASK = 0xFFFFFFFFFFFFFFFF


def derive_seed(study_seed: int, number: int, purpose: int) -> int:
    """64 bits that depend on all three arguments alone: SplitMix64's output function over each in turn.

    Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
    """
    state = 0
    for part in (study_seed, number, purpose):
        state = (state + part + 0x9E3779B97F4A7C15) & _MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
        state ^= state >> 31
    return state
