"""What a model learns from: the visible part of a study as rows of unit coordinates."""

from __future__ import annotations

from math import isfinite, log1p, nan

from journaltune.base.constraints import constraints_in
from journaltune.base.frozen import Frozen
from journaltune.space import Distribution, agrees
from journaltune.suggest.samplers.gp.scale import unit_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from journaltune.journal.state import Shape
    from journaltune.suggest.history import History

    Row = list[float]

MOST_EARLIER = 100  # values; a fit costs the cube of all
_FARTHEST = 1.0  # ranges beyond the present bounds, from where a trial tells nothing


class Observations(Frozen):
    """Rows by column, NaN where a trial lacks a parameter, in the order of the trials' numbers.

    ``values`` are minimised. ``constraints`` hold what was told of each, at most 0 where it holds. ``failed`` and ``pending`` are
    rows too; ``passed`` are those of trials that tell nothing, and are not tried again.

    ``progress`` is how far each trial has come, 1 at its end; empty unless trials were stopped early. ``earlier`` are values from
    before: the row's place, how far the trial had come, and the value.
    """

    numbers: list[int]
    rows: list[Row]
    values: list[float]
    constraints: list[Mapping[str, float]]
    failed: list[Row]
    pending: list[Row]
    passed: Sequence[Row] = ()
    progress: Sequence[float] = ()
    earlier: Sequence[tuple[int, float, float]] = ()


def observe(history: History, distributions: Mapping[str, Distribution], courses: bool = True) -> Observations:
    """Complete and pruned trials with their value, failed and running ones; with ``courses``, how far each came."""
    place = _Place(distributions)
    sign = 1.0 if history.directions[0] == 1 else -1.0
    observed = []
    pruned = list(history.pruned())
    for number, shape, params, values, attrs in [*history.complete(), *pruned]:
        row = place.row(shape, params)
        if row is not None:
            observed.append((number, row, sign * values[0], constraints_in(attrs)))
    observed.sort(key=lambda each: each[0])
    numbers, rows, values, constraints = [list(column) for column in zip(*observed, strict=True)] or [[], [], [], []]
    # A trial that brought no value is a failure, else it would be suggested for ever; but not one that was stopped because its
    # parameters had been tried before.
    failed = [*place.rows(history.failed()), *(row for row in place.rows(history.valueless()) if row not in rows)]
    pending, passed = place.rows(history.pending()), place.rows(history.ignored())
    course = _Course(history, numbers, {number for number, *_ in pruned}) if pruned and courses else None
    if course is None or not course.longest:
        return Observations(numbers, rows, values, constraints, failed, pending, passed)
    return Observations(numbers, rows, values, constraints, failed, pending, passed, course.progress(), course.earlier(sign))


class _Course:
    """How trials went on, where some were stopped early: a value after three epochs is not one after eighty.

    How far a trial has come is the logarithm of its step, divided by that of the longest complete trial's last one, or of the
    longest trial's before any is complete. Values from before the end count at the steps at which trials were stopped: as many as
    ``MOST_EARLIER`` allows, those of complete trials first. They tell what a value from the beginning is worth.
    """

    def __init__(self, history: History, numbers: Sequence[int], pruned: Collection[int]) -> None:
        self._numbers, self._pruned = numbers, pruned
        self._courses = [history.course(number) for number in numbers]
        last = [(number, max(course)) for number, course in zip(numbers, self._courses, strict=True) if course]
        whole = [step for number, step in last if number not in pruned]
        self.longest = max(whole or [step for _, step in last], default=0)

    def _at(self, step: float) -> float:
        return min(log1p(max(step, 0.0)) / log1p(self.longest), 1.0)

    def progress(self) -> list[float]:
        """Of a trial without intermediate values, and of a complete one: it got to its end."""
        return [
            self._at(max(course)) if course and number in self._pruned else 1.0
            for number, course in zip(self._numbers, self._courses, strict=True)
        ]

    def earlier(self, sign: float) -> list[tuple[int, float, float]]:
        stopped = {
            max(course) for number, course in zip(self._numbers, self._courses, strict=True) if course and number in self._pruned
        }
        complete_first = sorted(range(len(self._numbers)), key=lambda place: (self._numbers[place] in self._pruned, -place))
        found: list[tuple[int, float, float]] = []
        for place in complete_first:
            course = self._courses[place]
            steps = [step for step in stopped if step in course and step < max(course) and isfinite(course[step])]
            if len(found) + len(steps) > MOST_EARLIER:
                break
            found += [(place, self._at(step), sign * course[step]) for step in sorted(steps)]
        return found


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
