"""The best trial of a study, or its Pareto front."""

from __future__ import annotations

from itertools import compress
from math import fsum, isnan, sqrt
from operator import itemgetter, mul

from journaltune.base.errors import NotFoundError
from journaltune.base.model import Trial, TrialState
from journaltune.journal.keys import KeyMaker, extended
from journaltune.journal.state import COMPLETE, HAS_EXTRAS, HAS_VALUES, STATE_MASK
from journaltune.study.trials import trials_at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from journaltune.journal.state import StudyState
    from journaltune.study.open_study import OpenStudy

    Loss = tuple[tuple[float, ...], int, int]


_PLAIN = bytes(code & STATE_MASK == COMPLETE and code & HAS_VALUES > 0 and not code & HAS_EXTRAS for code in range(256))


_WITH_EXTRAS = bytes(code & STATE_MASK == COMPLETE and code & HAS_EXTRAS > 0 for code in range(256))


def best_trials(study: OpenStudy) -> list[Trial]:
    """The best complete trial, the earliest of equals; for several objectives the Pareto front, by number.

    Trials with a violated constraint (a value above 0) and trials with NaN don't count. NotFoundError when none is left.

    In a study with replicates, configurations are compared by the means of their trials, once they have all of them; while
    none has, those that have most. What stands for one is its first trial, with the means as ``values``, and in ``user_attrs``
    ``replicates``, how many trials there are, and ``spread``, the sample standard deviation of each objective.
    """
    return study.look(lambda state: _best(state, study.replicates))


def _best(state: StudyState, replicates: int) -> list[Trial]:
    signs = [-1.0 if direction == 2 else 1.0 for direction in state.directions]
    groups = _groups(state, signs, replicates) if replicates > 1 else {}
    losses = [_mean_loss(group) for group in groups.values()] if groups else _losses(state, signs)
    if not losses:
        raise NotFoundError(f"study {state.name!r} has no complete trial yet; tell one first")
    chosen = [min(losses)] if len(signs) == 1 else _pareto_front(losses)
    trials = trials_at(state, [row for _, _, row in chosen], [])
    return [_with_means(trial, groups[trial.number], signs) for trial in trials] if groups else trials


def _losses(state: StudyState, signs: list[float]) -> list[Loss]:
    """Values to be minimized, number and row of each feasible complete trial without NaN; for one objective of the best only."""
    if len(signs) > 1:
        return _all_losses(state, signs)
    finished = state.finished
    codes, numbers = finished.column("codes").tobytes(), finished.column("numbers")
    plain = codes.translate(_PLAIN)  # 1 where a row is complete, with values, and nothing else is to be looked at
    found = list(_odd_losses(state, signs, codes))
    values = finished.column("values")
    worthy = [value for value in compress(values, plain) if value == value]
    if worthy:
        best = min(worthy) if signs[0] > 0 else max(worthy)
        found += [((signs[0] * best,), numbers[row], row) for row in _places(values, best) if plain[row]]
    return found


def _all_losses(state: StudyState, signs: list[float]) -> list[Loss]:
    """The same of every one, for any number of objectives."""
    finished = state.finished
    codes, numbers = finished.column("codes").tobytes(), finished.column("numbers")
    found = list(_odd_losses(state, signs, codes))
    for row in compress(range(len(codes)), codes.translate(_PLAIN)):
        loss = tuple(map(mul, signs, finished.packed_values(row)))
        if not any(map(isnan, loss)):
            found.append((loss, numbers[row], row))
    return found


def _groups(state: StudyState, signs: list[float], replicates: int) -> dict[int, list[Loss]]:
    """The trials of each configuration that has all of its trials, or as many as any has, by the number of the first one."""
    groups: dict[int, list[Loss]] = {}
    keys = extended(state.finished, KeyMaker())
    for loss in sorted(_all_losses(state, signs), key=itemgetter(1)):
        groups.setdefault(keys[loss[2]], []).append(loss)
    enough = min(replicates, max(map(len, groups.values()), default=0))
    return {group[0][1]: group for group in groups.values() if len(group) >= enough}


def _mean_loss(group: list[Loss]) -> Loss:
    return tuple([_mean(losses) for losses in zip(*[loss for loss, _, _ in group], strict=True)]), *group[0][1:]


def _mean(values: Sequence[float]) -> float:
    return fsum(values) / len(values)  # of ``statistics`` the import alone takes longer than a whole command may


def _with_means(trial: Trial, group: list[Loss], signs: list[float]) -> Trial:
    """The first trial of a configuration, with what came of all of them."""
    means = list(map(mul, signs, _mean_loss(group)[0]))
    columns = zip(*[map(mul, signs, loss) for loss, _, _ in group], strict=True)
    spread = [
        sqrt(fsum((value - mean) ** 2 for value in column) / (len(group) - 1)) if len(group) > 1 else None
        for column, mean in zip(columns, means, strict=True)
    ]
    attrs = {**trial.user_attrs, "replicates": len(group), "spread": spread}
    return Trial(trial.number, trial.state, trial.params, means, attrs, trial.system_attrs)


def _places(values: Sequence[float], wanted: float) -> Iterator[int]:
    return (place for place, value in enumerate(values) if value == wanted)


def _odd_losses(state: StudyState, signs: list[float], codes: bytes) -> Iterator[Loss]:
    """The same for complete trials with attributes or irregular values: constraints stand there."""
    finished = state.finished
    for row in compress(range(len(codes)), codes.translate(_WITH_EXTRAS)):
        number, values = finished.column("numbers")[row], finished.row_values(row)
        if values is None or len(values) != len(signs) or any(map(isnan, values)):
            continue
        if not _violates(finished.extras[number].get("system_attrs") or {}):
            yield tuple(map(mul, signs, values)), number, row


def _violates(system_attrs: dict[str, Any]) -> bool:
    if not any(key.startswith("constraints") for key in system_attrs):
        return False
    trial = Trial(0, TrialState.COMPLETE, {}, system_attrs=system_attrs)
    return not all(value <= 0 for value in trial.constraints.values())


def _pareto_front(losses: list[Loss]) -> list[Loss]:
    """Those that no other one dominates. Sorted first, so that a trial can only be dominated by one before it."""
    front: list[Loss] = []
    for candidate in sorted(losses):
        loss = candidate[0]
        if not any(kept[0] != loss and all(a <= b for a, b in zip(kept[0], loss, strict=True)) for kept in front):
            front.append(candidate)
    return front
