"""What a sampler may see of a study: which trials, in which order, and as what.

Complete trials are seen as they are, in the order in which they finished. Pruned ones, failed ones (``failures="worst"``) and
running ones stand in the history as if they had come out worst, so that parallel workers spread out and a crash is not
suggested again. Failures that say nothing about their parameters (``interrupted``, ``owner-died``) are not seen at all.
"""

from __future__ import annotations

from math import inf, isfinite
from sys import float_info

from journaltune.journal.state import COMPLETE, FAIL, HAS_VALUES, HIDDEN, PRUNED, STATE_MASK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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
        codes = self._study.finished.columns["codes"].tobytes()
        return sum(codes.count(code) for code in set(codes) if code & STATE_MASK in (COMPLETE, PRUNED))

    def complete(self, skip: int = 0) -> Iterator[tuple[Shape, Sequence[float], list[float]]]:
        """Shape, internal parameters and values of complete trials, from finished trial ``skip`` on.

        Infinite values are the largest doubles, so that a sampler can calculate with them; trials with NaN are left out.
        """
        finished = self._study.finished
        columns, ends, width = finished.columns, finished.ends(), finished.n_objectives
        codes, shapes, params, values = columns["codes"], columns["shapes"], columns["params"], columns["values"]
        start = ends[skip - 1] if skip else 0
        for row in range(skip, len(codes)):
            end = ends[row]
            if codes[row] & STATE_MASK == COMPLETE and codes[row] & HAS_VALUES:
                told = values[row * width : (row + 1) * width].tolist()
                if not any(value != value for value in told):
                    yield finished.shape_list[shapes[row]], params[start:end], [_finite(value) for value in told]
            start = end

    def stand_ins(self) -> list[Seen]:
        """Shape and internal parameters of the trials that are seen as if they had come out worst."""
        seen: list[Seen] = [(shape, params) for _, code, shape, params in self._unlucky_rows()]
        for trial in self._study.live.values():
            if trial.state == 0 and trial.params:
                shape = tuple([(name, trial.distributions[name]) for name in trial.params])
                seen.append((shape, list(trial.params.values())))
        return seen

    def _unlucky_rows(self) -> Iterator[tuple[int, int, Shape, list[float]]]:
        wanted = (PRUNED, FAIL) if self._failures == "worst" else (PRUNED,)
        codes = self._study.finished.columns["codes"]
        if any(code & STATE_MASK in wanted for code in set(codes)):
            for row in self._study.finished.rows():
                if row[1] & STATE_MASK in wanted and not row[1] & HIDDEN:
                    yield row

    def n_finished(self) -> int:
        return len(self._study.finished)


class Worst:
    """The worst value of each objective among the complete trials shown to it; None before the first."""

    __slots__ = ("_directions", "values")

    def __init__(self, directions: Sequence[int]) -> None:
        self._directions = directions
        self.values: list[float] | None = None

    def show(self, values: Sequence[float]) -> None:
        if self.values is None:
            self.values = list(values)
            return
        for index, (value, direction) in enumerate(zip(values, self._directions, strict=True)):
            if (value > self.values[index]) if direction == 1 else (value < self.values[index]):
                self.values[index] = value


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
