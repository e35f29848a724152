"""Reading a study: its trials as plain data, counts, the best ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from journaltune.errors import NotFoundError, UsageError
from journaltune.journal.state import NO_TIME, STATE_MASK
from journaltune.model import Trial, TrialState
from journaltune.space import Distribution

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from journaltune.journal.state import LiveTrial, Shape, StudyState
    from journaltune.studies import OpenStudy

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_COMPLETE = int(TrialState.COMPLETE)


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
    codes = state.finished.columns["codes"]
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
        finished = self._finished
        columns, ends = finished.columns, finished.ends()
        number, start = columns["numbers"][row], finished.start_of(row)
        extras = finished.extras.get(number, {})
        internal = columns["params"][start : ends[row]]
        decode = self._decoder(columns["shapes"][row])
        return Trial(
            number,
            TrialState(columns["codes"][row] & STATE_MASK),
            {name: to_external(value) for (name, to_external), value in zip(decode, internal, strict=True)},
            finished.row_values(row),
            extras.get("user_attrs"),
            extras.get("system_attrs"),
            extras.get("intermediate"),
            _moment(columns["began"][row]),
            _moment(columns["ended"][row]),
        )

    def _decoder(self, shape: int) -> list[tuple[str, Callable[[float], Any]]]:
        if shape not in self._decoders:
            self._decoders[shape] = _decoder(self._finished.shape_list[shape])
        return self._decoders[shape]


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
        trial.values,
        dict(trial.user_attrs),
        dict(trial.system_attrs),
        dict(trial.intermediate),
        _moment(trial.began),
        _moment(trial.ended),
    )


def counts(study: OpenStudy) -> dict[str, int]:
    """How many trials are in each state: keys running, waiting, complete, pruned, fail."""
    with study.lock:
        study.journal.sync()
        state = study.state()
        found = {"running": 0, "waiting": 0, "complete": 0, "pruned": 0, "fail": 0}
        codes = state.finished.columns["codes"].tobytes()
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
        rows = _candidates(state)
        if not rows:
            raise NotFoundError(f"study {study.name!r} has no complete trial yet; tell one first")
        signs = [-1.0 if direction == 2 else 1.0 for direction in state.directions]
        losses = [
            (tuple([sign * value for sign, value in zip(signs, values, strict=True)]), number, row)
            for values, number, row in rows
        ]
        chosen = [min(losses)] if len(signs) == 1 else _pareto_front(losses)
        read = _RowReader(state)
        return sorted([read.trial(row) for _, _, row in chosen], key=_by_number)


def _candidates(state: StudyState) -> list[tuple[Sequence[float], int, int]]:
    """Values, number and row of each feasible complete trial without NaN."""
    finished = state.finished
    columns, extras = finished.columns, finished.extras
    infeasible = {number for number, fields in extras.items() if _violates(fields.get("system_attrs") or {})}
    found: list[tuple[Sequence[float], int, int]] = []
    for row, (number, code) in enumerate(zip(columns["numbers"], columns["codes"], strict=True)):
        if code & STATE_MASK == _COMPLETE and number not in infeasible:
            values = finished.row_values(row)
            if values and len(values) == finished.n_objectives and not any(value != value for value in values):
                found.append((values, number, row))
    return found


def _violates(system_attrs: dict[str, Any]) -> bool:
    if not any(key.startswith("constraints") for key in system_attrs):
        return False
    trial = Trial(0, TrialState.COMPLETE, {}, system_attrs=system_attrs)
    return not all(value <= 0 for value in trial.constraints.values())


def _pareto_front(losses: list[tuple[tuple[float, ...], int, int]]) -> list[tuple[tuple[float, ...], int, int]]:
    """Those that no other one dominates. Sorted first, so that a trial can only be dominated by one before it."""
    front: list[tuple[tuple[float, ...], int, int]] = []
    for candidate in sorted(losses):
        loss = candidate[0]
        if not any(kept[0] != loss and all(a <= b for a, b in zip(kept[0], loss, strict=True)) for kept in front):
            front.append(candidate)
    return front
