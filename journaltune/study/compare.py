"""Several studies side by side: the best result after equally many trials, for one study or for a group with several seeds."""

from __future__ import annotations

from itertools import accumulate
from math import inf, isfinite

from journaltune.base.errors import UsageError
from journaltune.base.frozen import Frozen
from journaltune.journal.state import HIDDEN
from journaltune.study.best import deviation, pareto_front, signs_of, visible_losses
from journaltune.study.hypervolume import hypervolume, reference_of
from journaltune.study.ranks import p_value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from journaltune.journal.state import StudyState
    from journaltune.study import OpenStudy


class Standing(Frozen):
    """A group after some trials of each of its studies; ``None`` trials: after all that each has.

    ``values`` has each study's best result, or None. ``mean`` and ``spread``, the sample standard deviation, are None where
    a value is missing; the spread of one study, too. ``p_value`` is of the rank test against the first group, where a missing
    result is worse than every other; None for the first group, after unequally many trials, and for one study against one.
    """

    trials: int | None
    values: list[float | None]
    mean: float | None
    spread: float | None
    p_value: float | None


class Group(Frozen):
    """Studies that are compared as one; ``trials`` is the number that each has finished."""

    label: str
    studies: list[str]
    trials: list[int]
    standings: list[Standing]


class Comparison(Frozen):
    """``measure`` is "best" or, for several objectives, "hypervolume", which grows up to ``reference``, in the study's signs."""

    measure: str
    direction: str
    reference: list[float] | None
    groups: list[Group]


class _Course(Frozen):
    """How a study went: losses with the number of trials that had finished then, and how many have finished in all."""

    losses: list[tuple[int, tuple[float, ...]]]
    n_trials: int


def compare(groups: Mapping[str, Sequence[OpenStudy]], budgets: Sequence[int] = ()) -> Comparison:
    """The groups after equally many finished trials: after ``budgets``, or after 10, 30, 100, 300 and so on; and always after as
    many as each study has, and after all.

    A finished trial counts whatever its state, unless it was interrupted. Results that violate a constraint don't count, nor does
    NaN. UsageError when the studies have different objectives.
    """
    studies = [study for members in groups.values() for study in members]
    directions = studies[0].directions
    for study in studies:
        if study.directions != directions:
            raise UsageError(
                f"studies {studies[0].name!r} and {study.name!r} can't be compared: one is to {' and '.join(directions)}, "
                f"the other to {' and '.join(study.directions)}"
            )
    courses = {label: [study.look(_course) for study in members] for label, members in groups.items()}
    every = [course for members in courses.values() for course in members]
    reference = reference_of(loss for course in every for _, loss in course.losses) if len(directions) > 1 else None
    columns = [*_budgets([course.n_trials for course in every], budgets), None]
    bests = {
        label: [[_best(course, budget, reference) for course in members] for budget in columns]
        for label, members in courses.items()
    }
    sign = signs_of(directions)[0] if len(directions) == 1 else -1.0
    first = next(iter(groups))
    equal = len({course.n_trials for course in every}) == 1
    return Comparison(
        "best" if len(directions) == 1 else "hypervolume",
        directions[0] if len(directions) == 1 else "maximize",
        None if reference is None else [s * value for s, value in zip(signs_of(directions), reference, strict=True)],
        [
            Group(
                label,
                [study.name for study in groups[label]],
                [course.n_trials for course in courses[label]],
                [
                    _standing(budget, losses, None if label == first or not (budget or equal) else bests[first][place], sign)
                    for place, (budget, losses) in enumerate(zip(columns, bests[label], strict=True))
                ],
            )
            for label in groups
        ],
    )


def _course(state: StudyState) -> _Course:
    codes = state.finished.column("codes").tobytes()
    n_before = list(accumulate((not code & HIDDEN for code in codes), initial=0))
    losses = sorted((row, values) for values, _, row in visible_losses(state))
    return _Course([(n_before[row + 1], values) for row, values in losses], n_before[-1])


def _budgets(n_trials: Sequence[int], wanted: Sequence[int]) -> list[int]:
    """The numbers of trials after which all studies can be compared, and the largest such number."""
    least = min(n_trials)
    usual = [step * 10**power for power in range(1, 8) for step in (1, 3)]
    return sorted({budget for budget in (wanted or usual) if budget <= least} | ({least} if least else set()))


def _best(course: _Course, budget: int | None, reference: Sequence[float] | None) -> float:
    """The smallest loss within the budget, or the hypervolume as a loss; inf where there is no result yet."""
    within = [loss for n_trials, loss in course.losses if budget is None or n_trials <= budget]
    if not within:
        return inf
    if len(within[0]) == 1:
        return min(loss[0] for loss in within)
    front = [loss for loss, _, _ in pareto_front([(loss, 0, 0) for loss in within])]
    volume = hypervolume(front, reference) if reference is not None else None
    return inf if volume is None else -volume


def _standing(budget: int | None, losses: Sequence[float], first: Sequence[float] | None, sign: float) -> Standing:
    values = [sign * loss if isfinite(loss) else None for loss in losses]
    known = [value for value in values if value is not None]
    mean = sum(known) / len(known) if len(known) == len(values) else None
    spread = None if mean is None else deviation(known, mean)
    tested = first is not None and len(first) + len(losses) > 2
    return Standing(budget, values, mean, spread, p_value(first or [], losses) if tested else None)
