"""Reading a study: its trials as plain data, counts, the best ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import compress
from math import isnan
from operator import mul

from journaltune.errors import NotFoundError, UsageError
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
    wanted = _wanted(states)
    with study.lock:
        study.journal.sync()
        state = study.state()
        return trials_of(state, wanted)


def trials_of(state: StudyState, wanted: set[int]) -> list[Trial]:
    """The trials of a replayed study that are in the wanted states, by number."""
    read = _RowReader(state)
    codes = state.finished.column("codes")
    found = [read.trial(row) for row in range(len(codes)) if codes[row] & STATE_MASK in wanted]
    found += [_live(trial) for trial in state.live.values() if trial.state in wanted]
    return sorted(found, key=_by_number)


def _by_number(trial: Trial) -> int:
    return trial.number


def _wanted(states: Iterable[TrialState | str] | None) -> set[int]:
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
    return _RowReader(state).trial(state.finished.row_of(number))


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
        internal = column("params")[finished.start_of(row) : finished.ends()[row]]
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
    with study.lock:
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
    """
    with study.lock:
        study.journal.sync()
        state = study.state()
        signs = [-1.0 if direction == 2 else 1.0 for direction in state.directions]
        losses = _losses(state, signs)
        if not losses:
            raise NotFoundError(f"study {study.name!r} has no complete trial yet; tell one first")
        chosen = losses if len(signs) == 1 else _pareto_front(losses)
        read = _RowReader(state)
        return sorted([read.trial(row) for _, _, row in chosen], key=_by_number)


def _losses(state: StudyState, signs: list[float]) -> list[Loss]:
    """Values to be minimized, number and row of each feasible complete trial without NaN; for one objective of the best only."""
    finished = state.finished
    codes, numbers = finished.column("codes").tobytes(), finished.column("numbers")
    plain = codes.translate(_PLAIN)  # 1 where a row is complete, with values, and nothing else is to be looked at
    found = list(_odd_losses(state, signs, codes))
    if len(signs) == 1:
        values = finished.column("values")
        worthy = [value for value in compress(values, plain) if value == value]
        if worthy:
            best = min(worthy) if signs[0] > 0 else max(worthy)
            rows = [row for row in _places(values, best) if plain[row]]
            found += [((signs[0] * best,), numbers[row], row) for row in rows]
        return [min(found)] if found else []
    for row in compress(range(len(codes)), plain):
        loss = tuple(map(mul, signs, finished.packed_values(row)))
        if not any(map(isnan, loss)):
            found.append((loss, numbers[row], row))
    return found


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
