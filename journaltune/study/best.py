"""The best trial of a study, or its Pareto front."""

from __future__ import annotations

from itertools import compress
from math import fsum, isnan, sqrt
from operator import itemgetter, mul

from journaltune.base import COMPLETE, MAXIMIZE
from journaltune.base.constraints import constraints_in
from journaltune.base.errors import NotFoundError
from journaltune.journal.keys import KeyMaker, extended
from journaltune.journal.state import HAS_EXTRAS, HAS_VALUES, HIDDEN, STATE_MASK
from journaltune.study.trials import trials_at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array
    from collections.abc import Iterator, Sequence
    from typing import Any

    from journaltune.base.model import Trial
    from journaltune.journal.state import Finished, StudyState
    from journaltune.study import OpenStudy

    Loss = tuple[tuple[float, ...], int, int]  # values to be minimized, the trial's number, its row

# Which codes belong to complete trials: those of which a row holds everything, and those with attributes or irregular values.
# Those that were withdrawn don't count.
_PLAIN = bytes(code & (STATE_MASK | HIDDEN | HAS_VALUES | HAS_EXTRAS) == COMPLETE | HAS_VALUES for code in range(256))
_WITH_EXTRAS = bytes(code & (STATE_MASK | HIDDEN | HAS_EXTRAS) == COMPLETE | HAS_EXTRAS for code in range(256))


def best_trials(study: OpenStudy) -> list[Trial]:
    """The best complete trial, the earliest of equals; for several objectives the Pareto front, by number.

    Trials with a violated constraint (a value above 0) and trials with NaN don't count. NotFoundError when no trial is left; it
    says why.

    With replicates, configurations are compared by the means of their trials: those that have all of their trials, or while
    there is no such configuration, those that have most. A configuration is shown as its first trial, with the means as
    ``values``, and in ``user_attrs`` ``replicates``, the number of its trials, and ``spread``, the sample standard deviation of
    each objective.
    """
    return study.look(lambda state: best_of(state, study.replicates))


def best_of(state: StudyState, replicates: int = 1) -> list[Trial]:
    """See ``best_trials``."""
    signs = signs_of(state.directions)
    groups = _groups(state, signs, replicates) if replicates > 1 else {}
    losses = [_mean_loss(group) for group in groups.values()] if groups else _losses(state, signs)
    if not losses:
        why = why_none(state)
        what = f"no best trial: {why}; `journaltune trials` lists them" if why else "no complete trial yet; tell one first"
        raise NotFoundError(f"study {state.name!r} has {what}")
    chosen = [min(losses)] if len(signs) == 1 else pareto_front(losses)
    trials = trials_at(state, [row for _, _, row in chosen], [])
    return [_with_means(trial, groups[trial.number], signs) for trial in trials] if groups else trials


class Incumbent:
    """The best complete trial of a study with one objective, kept up to date by what is new; the earliest finished of equals.

    ``loss`` is its value, negated where it is maximized, ``number`` its number, and ``n_since`` how many trials finished after
    it, without those that say nothing about their parameters.
    """

    __slots__ = ("_n_seen", "loss", "n_since", "number")

    def __init__(self, _: Finished) -> None:
        self._n_seen, self.n_since, self.number = 0, 0, -1
        self.loss: float | None = None

    def update(self, state: StudyState) -> Incumbent:
        finished, sign = state.finished, signs_of(state.directions)[0]
        codes, numbers = finished.column("codes"), finished.column("numbers")
        for row in range(self._n_seen, len(codes)):
            if codes[row] & HIDDEN:
                continue
            loss = _loss_at(finished, row, sign)
            if loss is not None and (self.loss is None or loss < self.loss):
                self.loss, self.number, self.n_since = loss, numbers[row], 0
            else:
                self.n_since += 1
        self._n_seen = len(codes)
        return self


def _loss_at(finished: Finished, row: int, sign: float) -> float | None:
    """The loss of a complete trial that may be best; None for any other."""
    code, values = finished.column("codes")[row], finished.row_values(row)
    if not _is_complete(code) or values is None or len(values) != 1 or isnan(values[0]):
        return None
    extras = finished.extras[finished.column("numbers")[row]] if code & HAS_EXTRAS else {}
    return sign * values[0] if _is_feasible(extras.get("system_attrs") or {}) else None


def was_best(study: OpenStudy, number: int) -> bool:
    """Whether a finished trial was better than every result before it in the journal; with several objectives, whether no result
    before it was as good in all of them.

    The order of the file decides, and everybody reads the same file: of many processes that tell at once, just those that
    improved the study get True, and a repeated question gets the same answer.
    """
    return study.look(lambda state: _was_best(state, number))


def _was_best(state: StudyState, number: int) -> bool:
    signs = signs_of(state.directions)
    row = state.finished.row_of(number)
    losses = {place: values for values, _, place in _all_losses(state, signs) if place <= row}
    own = losses.pop(row, None)
    return own is not None and not any(all(a <= b for a, b in zip(other, own, strict=True)) for other in losses.values())


def signs_of(directions: Sequence[int | str]) -> list[float]:
    """For each objective, by its direction's number or word, what turns its value into a loss, and back: 1 or -1."""
    return [-1.0 if direction in (MAXIMIZE, "maximize") else 1.0 for direction in directions]


def visible_losses(state: StudyState) -> list[Loss]:
    """The loss of each complete trial that keeps its constraints and has no NaN: values to be minimized, number, row."""
    return _all_losses(state, signs_of(state.directions))


def front_volume(state: StudyState, front: Sequence[Trial]) -> tuple[float, list[float]] | None:
    """The hypervolume of a study's Pareto front, and its reference: the worst value of each objective among the complete trials
    that keep their constraints. None for one objective, more than three, and a front too long for ``hypervolume``."""
    if not 2 <= len(state.directions) <= 3 or not front:
        return None
    from journaltune.study.hypervolume import hypervolume, reference_of  # for few studies

    signs = signs_of(state.directions)
    reference = reference_of(values for values, _, _ in _all_losses(state, signs))
    if reference is None:
        return None
    volume = hypervolume([list(map(mul, signs, trial.values or ())) for trial in front], reference)
    return None if volume is None else (volume, list(map(mul, signs, reference)))


def why_none(state: StudyState) -> str:
    """Why no complete trial of a study is the best, in words; "" while none is complete."""
    finished = state.finished
    complete = [n for n, code in zip(finished.column("numbers"), finished.column("codes"), strict=True) if _is_complete(code)]
    if not complete:
        return ""
    if all(_is_feasible(finished.extras.get(number, {}).get("system_attrs") or {}) for number in complete):
        return f"none of the {len(complete)} complete trials has a value that can be compared"
    each = f"all {len(complete)} complete trials" if len(complete) > 1 else "the one complete trial"
    return f"{each} violated a constraint (a value above 0)"


def _is_complete(code: int) -> bool:
    return code & (STATE_MASK | HIDDEN) == COMPLETE


def _losses(state: StudyState, signs: list[float]) -> list[Loss]:
    """The loss of each feasible complete trial without NaN; with one objective, of those that may be the best."""
    if len(signs) > 1:
        return _all_losses(state, signs)
    finished = state.finished
    codes, numbers = finished.column("codes").tobytes(), finished.column("numbers")
    plain = codes.translate(_PLAIN)
    losses = list(_losses_with_extras(state, signs, codes))
    values = finished.column("values")
    comparable: Sequence[float] = list(compress(values, plain)) if 0 in plain else values
    if isnan(sum(comparable)):  # a NaN among them, or infinities of both signs
        comparable = [value for value in comparable if value == value]
    if comparable:
        best = min(comparable) if signs[0] > 0 else max(comparable)
        losses += [((signs[0] * best,), numbers[row], row) for row in _places(values, best) if plain[row]]
    return losses


def _all_losses(state: StudyState, signs: list[float]) -> list[Loss]:
    """The loss of each feasible complete trial without NaN."""
    finished = state.finished
    codes, numbers = finished.column("codes").tobytes(), finished.column("numbers")
    losses = list(_losses_with_extras(state, signs, codes))
    for row in compress(range(len(codes)), codes.translate(_PLAIN)):
        values = tuple(map(mul, signs, finished.packed_values(row)))
        if not any(map(isnan, values)):
            losses.append((values, numbers[row], row))
    return losses


def _losses_with_extras(state: StudyState, signs: list[float], codes: bytes) -> Iterator[Loss]:
    """The same for trials with attributes or irregular values: constraints are attributes."""
    finished, with_extras = state.finished, codes.translate(_WITH_EXTRAS)
    for row in compress(range(len(codes)), with_extras) if 1 in with_extras else ():
        number, values = finished.column("numbers")[row], finished.row_values(row)
        if values is None or len(values) != len(signs) or any(map(isnan, values)):
            continue
        if _is_feasible(finished.extras[number].get("system_attrs") or {}):
            yield tuple(map(mul, signs, values)), number, row


def _is_feasible(system_attrs: dict[str, Any]) -> bool:
    return all(value <= 0 for value in constraints_in(system_attrs).values())


def _places(values: array[float], wanted: float) -> Iterator[int]:
    place = -1
    try:
        while True:
            place = values.index(wanted, place + 1)
            yield place
    except ValueError:  # no other one
        return


def _groups(state: StudyState, signs: list[float], replicates: int) -> dict[int, list[Loss]]:
    """Losses by configuration, for those with all of their trials, or else with most; a key is the first trial's number."""
    groups: dict[int, list[Loss]] = {}
    keys = extended(state.finished, KeyMaker())
    for loss in sorted(_all_losses(state, signs), key=itemgetter(1)):
        groups.setdefault(keys[loss[2]], []).append(loss)
    enough = min(replicates, max(map(len, groups.values()), default=0))
    return {group[0][1]: group for group in groups.values() if len(group) >= enough}


def _mean_loss(group: list[Loss]) -> Loss:
    return tuple([_mean(column) for column in zip(*[values for values, _, _ in group], strict=True)]), *group[0][1:]


def _mean(values: Sequence[float]) -> float:
    return fsum(values) / len(values)  # the import of ``statistics`` alone takes longer than a whole command may


def deviation(values: Sequence[float], mean: float) -> float | None:
    """The sample standard deviation around their mean; None for a single value."""
    return sqrt(fsum((value - mean) ** 2 for value in values) / (len(values) - 1)) if len(values) > 1 else None


def _with_means(trial: Trial, group: list[Loss], signs: list[float]) -> Trial:
    """The first trial of a configuration, with the means and the spread of all of its trials."""
    means = list(map(mul, signs, _mean_loss(group)[0]))
    columns = zip(*[map(mul, signs, values) for values, _, _ in group], strict=True)
    spread = [deviation(column, mean) for column, mean in zip(columns, means, strict=True)]
    attrs = {**trial.user_attrs, "replicates": len(group), "spread": spread}
    # Its own intermediate values and times would not belong to the means.
    return trial.but(values=means, user_attrs=attrs, intermediate_values={}, datetime_start=None, datetime_complete=None)


def pareto_front(losses: list[Loss]) -> list[Loss]:
    """Losses that no other one dominates. Sorted first, so that a loss can only be dominated by one before it."""
    front: list[Loss] = []
    if losses and len(losses[0][0]) == 2:  # the lowest second value so far decides
        for candidate in sorted(losses):
            if not front or candidate[0][1] < front[-1][0][1] or candidate[0] == front[-1][0]:
                front.append(candidate)
        return front
    for candidate in sorted(losses):
        values = candidate[0]
        if not any(other != values and all(a <= b for a, b in zip(other, values, strict=True)) for other, _, _ in front):
            front.append(candidate)
    return front
