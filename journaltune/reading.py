"""Reading a study: its trials as plain data, counts, the best ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import compress
from math import fsum, isnan, sqrt
from operator import itemgetter, mul

from journaltune.errors import NotFoundError, UsageError
from journaltune.journal.keys import KeyMaker, extended
from journaltune.journal.state import COMPLETE, HAS_EXTRAS, HAS_VALUES, NO_TIME, STATE_MASK
from journaltune.model import Trial, TrialState
from journaltune.space import Distribution

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

    from journaltune.journal.state import LiveTrial, Shape, StudyState
    from journaltune.studies import OpenStudy

    Loss = tuple[tuple[float, ...], int, int]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PLAIN = bytes(code & STATE_MASK == COMPLETE and code & HAS_VALUES > 0 and not code & HAS_EXTRAS for code in range(256))
_WITH_EXTRAS = bytes(code & STATE_MASK == COMPLETE and code & HAS_EXTRAS > 0 for code in range(256))


def trials(study: OpenStudy, states: Iterable[TrialState | str] | None = None) -> list[Trial]:
    """Every trial of the study by number, as of now; with ``states``, those in one of them."""
    wanted = wanted_states(states)
    with study.turn.lock, study.turn:
        study.journal.sync()
        state = study.state()
        return trials_of(state, wanted)


def trials_of(state: StudyState, wanted: set[int]) -> list[Trial]:
    """The trials of a replayed study that are in the wanted states, by number."""
    codes = state.finished.column("codes")
    rows = [row for row in range(len(codes)) if codes[row] & STATE_MASK in wanted]
    return trials_at(state, rows, [trial for trial in state.live.values() if trial.state in wanted])


def trials_at(state: StudyState, rows: Iterable[int], live: Iterable[LiveTrial]) -> list[Trial]:
    """Some finished and some unfinished trials, by number."""
    read = _RowReader(state)
    return sorted([*map(read.trial, rows), *map(_live, live)], key=_by_number)


def _by_number(trial: Trial) -> int:
    return trial.number


def wanted_states(states: Iterable[TrialState | str] | None) -> set[int]:
    """The codes of states given by name, by value, or as words with commas between; of all states for None."""
    if states is None:
        return set(map(int, TrialState))
    if isinstance(states, str):
        states = states.split(",")
    try:
        return {int(TrialState[state.strip().upper()]) if isinstance(state, str) else int(state) for state in states}
    except KeyError as error:
        names = ", ".join(state.name.lower() for state in TrialState)
        raise UsageError(f"states are {names}, not {str(error.args[0]).lower()!r}") from None


def finished_trial(state: StudyState, number: int) -> Trial:
    """One finished trial. KeyError when it isn't finished."""
    return trials_at(state, [state.finished.row_of(number)], [])[0]


class _RowReader:
    """Turns rows of packed columns into trials; distributions are decoded once for each shape."""

    __slots__ = ("_decoders", "_finished")

    def __init__(self, state: StudyState) -> None:
        self._finished = state.finished
        self._decoders: dict[int, list[tuple[str, Callable[[float], Any]]]] = {}

    def trial(self, row: int) -> Trial:
        finished, column = self._finished, self._finished.column
        number, code = column("numbers")[row], column("codes")[row]
        extras = finished.extras.get(number, {}) if code & HAS_EXTRAS else {}
        _, internal, _ = finished.parameters(row)
        decode = self._decoder(column("shapes")[row])
        return Trial(
            number,
            TrialState(code & STATE_MASK),
            {name: to_external(value) for (name, to_external), value in zip(decode, internal, strict=True)},
            finished.row_values(row),
            copied(extras.get("user_attrs")),
            copied(extras.get("system_attrs")),
            copied(extras.get("intermediate")),
            _moment(column("began")[row]),
            _moment(column("ended")[row]),
        )

    def _decoder(self, shape: int) -> list[tuple[str, Callable[[float], Any]]]:
        if shape not in self._decoders:
            self._decoders[shape] = _decoder(self._finished.shape_list[shape])
        return self._decoders[shape]


def copied(value: Any) -> Any:
    """A JSON value of the caller's own: what he changes in it changes nothing here."""
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    return [copied(item) for item in value] if isinstance(value, list) else value


def _decoder(shape: Shape) -> list[tuple[str, Callable[[float], Any]]]:
    return [(name, Distribution.from_json(text).to_external) for name, text in shape]


def _moment(microseconds: int) -> datetime | None:
    return None if microseconds == NO_TIME else _EPOCH + timedelta(microseconds=microseconds)


def _live(trial: LiveTrial) -> Trial:
    params = {name: Distribution.from_json(trial.distributions[name]).to_external(value) for name, value in trial.params.items()}
    return Trial(
        trial.number,
        TrialState(trial.state),
        params,
        copied(trial.values),
        copied(trial.user_attrs),
        copied(trial.system_attrs),
        copied(trial.intermediate),
        _moment(trial.began),
        _moment(trial.ended),
    )


def counts(study: OpenStudy) -> dict[str, int]:
    """How many trials are in each state: keys running, waiting, complete, pruned, fail."""
    with study.turn.lock, study.turn:
        study.journal.sync()
        state = study.state()
        found = {"running": 0, "waiting": 0, "complete": 0, "pruned": 0, "fail": 0}
        codes = state.finished.column("codes").tobytes()
        for code in set(codes):
            found[TrialState(code & STATE_MASK).name.lower()] += codes.count(code)
        for trial in state.live.values():
            found[TrialState(trial.state).name.lower()] += 1
    return found


def best_trials(study: OpenStudy) -> list[Trial]:
    """The best complete trial, the earliest of equals; for several objectives the Pareto front, by number.

    Trials with a violated constraint (a value above 0) and trials with NaN don't count. NotFoundError when none is left.

    In a study with replicates, configurations are compared by the means of their trials, once they have all of them; while
    none has, those that have most. What stands for one is its first trial, with the means as ``values``, and in ``user_attrs``
    ``replicates``, how many trials there are, and ``spread``, the sample standard deviation of each objective.
    """
    with study.turn.lock, study.turn:
        study.journal.sync()
        state = study.state()
        signs = [-1.0 if direction == 2 else 1.0 for direction in state.directions]
        groups = _groups(state, signs, study.replicates) if study.replicates > 1 else {}
        losses = [_mean_loss(group) for group in groups.values()] if groups else _losses(state, signs)
        if not losses:
            raise NotFoundError(f"study {study.name!r} has no complete trial yet; tell one first")
        chosen = [min(losses)] if len(signs) == 1 else _pareto_front(losses)
        found = trials_at(state, [row for _, _, row in chosen], [])
        return [_with_means(trial, groups[trial.number], signs) for trial in found] if groups else found


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
