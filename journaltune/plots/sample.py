"""Which trials a picture shows: all of a small study; of a large one the best ones, and of the others every so many-th."""

from __future__ import annotations

from heapq import nsmallest
from itertools import accumulate
from math import isfinite

from journaltune.base import COMPLETE, FAIL
from journaltune.base.errors import NotFoundError
from journaltune.base.frozen import Frozen
from journaltune.base.jsontext import dumps_unicode
from journaltune.base.model import USAGE_ATTR
from journaltune.journal.state import NO_TIME, STATE_MASK
from journaltune.study.best import best_trials, signs_of, visible_losses
from journaltune.study.trials import trials, trials_at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from journaltune.base.model import Trial
    from journaltune.journal.state import StudyState
    from journaltune.study import OpenStudy

MOST = 5_000
N_BEST = 10
N_RECENT = 500  # a timeline shows the last trials without gaps: of thousands the bars would be too thin to see


class Sample(Frozen):
    """Trials by number, of ``n_trials`` that there are (with replicates: of so many configurations).

    ``best`` are numbers, best first: with several objectives the Pareto front. With replicates a trial stands for its
    configuration: ``values`` are means, and ``spread`` has each objective's sample standard deviation by the trial's number.
    ``withdrawn`` are the numbers of trials whose results count no more.
    """

    trials: list[Trial]
    n_trials: int
    best: list[int]
    spread: dict[int, list[float]]
    withdrawn: frozenset[int]


class Failures(Frozen):
    """The failed trials of one reason: how many, the last of them, and the most that one of them took."""

    reason: str
    count: int
    last_number: int
    longest_s: float | None
    peak_bytes: float | None


def places_shown(losses: Sequence[float | None], most: int, wanted: Collection[int] = ()) -> list[int]:
    """Which of many trials to show, at most about ``most``: those at the places ``wanted``, each that was the best when it came,
    so that a line of the best value is the right one, and of the others every so many-th."""
    if len(losses) <= most:
        return list(range(len(losses)))
    kept, best = set(wanted), float("inf")
    for place, loss in enumerate(losses):
        if loss is not None and loss < best:
            best = loss
            kept.add(place)
    kept = set(sorted(kept)[-most:])
    every = -(-len(losses) // max(most - len(kept), 1))
    return sorted({*kept, *range(0, len(losses), every)})


def loss_of(values: Sequence[float] | None, is_feasible: bool, sign: float) -> float | None:
    """The first objective as something to minimize; None for what can't be the best."""
    return sign * values[0] if values and is_feasible and isfinite(values[0]) else None


def sample(study: OpenStudy, most: int = MOST) -> Sample:
    """The trials of the study that are to be shown."""
    return _of_configurations(study, most) if study.replicates > 1 else _of_trials(study, most)


def _front(study: OpenStudy) -> list[int]:
    if len(study.directions) == 1:
        return []
    try:
        return [trial.number for trial in best_trials(study)]
    except NotFoundError:
        return []


def _of_trials(study: OpenStudy, most: int) -> Sample:
    front = _front(study)

    def chosen(state: StudyState) -> Sample:
        numbers, known = state.finished.column("numbers"), _losses(state)
        rows = sorted(range(len(numbers)), key=numbers.__getitem__)
        losses = [known.get(row) for row in rows]
        best = front or [numbers[rows[place]] for _, place in nsmallest(N_BEST, _known(losses))]
        wanted = {place for place, row in enumerate(rows) if numbers[row] in set(best)} if len(rows) > most else ()
        places = {*places_shown(losses, most, wanted), *range(max(len(rows) - N_RECENT, 0), len(rows))}
        shown = [rows[place] for place in sorted(places)]
        found = trials_at(state, shown, state.live.values())
        return Sample(found, state.n_trials, best, {}, frozenset(state.withdrawn))

    return study.look(chosen)


def _known(losses: Sequence[float | None]) -> list[tuple[float, int]]:
    return [(loss, place) for place, loss in enumerate(losses) if loss is not None]


def _losses(state: StudyState) -> dict[int, float]:
    """By row, the first objective as something to minimize, of those that can be the best."""
    return {row: values[0] for values, _, row in visible_losses(state) if isfinite(values[0])}


def best_so_far(study: OpenStudy) -> list[float]:
    """The best value after each trial that could be the best, by number, of the first objective."""
    (sign, *_) = signs_of(study.directions)

    def looked(state: StudyState) -> list[float]:
        numbers, losses = state.finished.column("numbers"), _losses(state)
        in_order = sorted(losses, key=numbers.__getitem__)
        return [sign * loss for loss in accumulate(map(losses.__getitem__, in_order), min)]

    return study.look(looked)


def _of_configurations(study: OpenStudy, most: int) -> Sample:
    """The same of a study with replicates: the complete trials of a configuration are shown as its first one."""
    groups: dict[str, list[Trial]] = {}
    others, withdrawn = [], study.look(lambda state: frozenset(state.withdrawn))
    for trial in trials(study):
        if trial.state == COMPLETE and trial.values and trial.number not in withdrawn:
            groups.setdefault(dumps_unicode([trial.params, _is_feasible(trial)]), []).append(trial)
        else:
            others.append(trial)
    spread: dict[int, list[float]] = {}
    means = {trial.number: trial for trial in (_mean(group, spread) for group in groups.values())}
    shown = sorted([*means.values(), *others], key=lambda trial: trial.number)
    (sign, *_) = signs_of(study.directions)
    losses = [loss_of(trial.values if trial.number in means else None, _is_feasible(trial), sign) for trial in shown]
    sizes = {group[0].number: len(group) for group in groups.values()}
    enough = min(study.replicates, max(sizes.values(), default=0))
    whole = [(loss, place) for loss, place in _known(losses) if sizes[shown[place].number] >= enough]  # as `best` has it
    best = _front(study) or [shown[place].number for _, place in nsmallest(N_BEST, whole)]
    wanted = {place for place, trial in enumerate(shown) if trial.number in best}
    return Sample([shown[place] for place in places_shown(losses, most, wanted)], len(shown), best, spread, withdrawn)


def _is_feasible(trial: Trial) -> bool:
    return all(value <= 0 for value in trial.constraints.values())


def _mean(group: list[Trial], spread: dict[int, list[float]]) -> Trial:
    from statistics import fmean, stdev

    columns = list(zip(*[trial.values or () for trial in group], strict=True))
    if len(group) == 1 or not all(map(isfinite, (value for column in columns for value in column))):
        return group[0]
    spread[group[0].number] = [stdev(column) for column in columns]
    attrs = {**group[0].user_attrs, "replicates": len(group)}
    return group[0].but(values=[fmean(column) for column in columns], user_attrs=attrs)


def failures(study: OpenStudy) -> list[Failures]:
    """All failed trials of the study by reason, the most frequent one first."""
    return study.look(_failures)


def _failures(state: StudyState) -> list[Failures]:
    finished, found = state.finished, dict[str, list[tuple[int, float | None, float | None]]]()
    for row, (number, code) in enumerate(zip(finished.column("numbers"), finished.column("codes"), strict=True)):
        if code & STATE_MASK == FAIL:
            extras = finished.extras.get(number, {})
            reason = (extras.get("user_attrs") or {}).get("fail_reason")
            usage = (extras.get("system_attrs") or {}).get(USAGE_ATTR)
            peak = usage.get("peak_bytes") if isinstance(usage, dict) else None
            began, ended = finished.column("began")[row], finished.column("ended")[row]
            took_s = None if NO_TIME in (began, ended) else (ended - began) / 1e6
            text = "no reason" if reason is None else str(reason)
            found.setdefault(text, []).append((number, took_s, peak if isinstance(peak, int | float) else None))
    rows = [Failures(reason, len(each), max(each)[0], _most(each, 1), _most(each, 2)) for reason, each in found.items()]
    return sorted(rows, key=lambda row: -row.count)


def _most(rows: list[tuple[int, float | None, float | None]], place: int) -> float | None:
    return max((value for row in rows if isinstance(value := row[place], int | float)), default=None)
