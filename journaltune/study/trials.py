"""Reading a study: its trials as plain data, counts, the best ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from journaltune.base.errors import UsageError
from journaltune.base.model import Trial, TrialState
from journaltune.journal.state import FAIL, HAS_EXTRAS, HIDDEN, NO_TIME, RUNNING, STATE_MASK, WAITING
from journaltune.space import Distribution
from journaltune.study.constraints import constraints_in
from journaltune.study.open_study import OpenStudy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from journaltune.journal.state import LiveTrial, Shape, StudyState
    from journaltune.study.open_study import OpenStudy


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def trials(study: OpenStudy, states: Iterable[TrialState | str] | None = None) -> list[Trial]:
    """Every trial of the study by number, as of now; with ``states``, those in one of them."""
    wanted = wanted_states(states)
    return study.look(lambda state: trials_of(state, wanted))


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
    return study.look(_counts)


def _counts(state: StudyState) -> dict[str, int]:
    found = {"running": 0, "waiting": 0, "complete": 0, "pruned": 0, "fail": 0}
    codes = state.finished.column("codes").tobytes()
    for code in set(codes):
        found[TrialState(code & STATE_MASK).name.lower()] += codes.count(code)
    for trial in state.live.values():
        found[TrialState(trial.state).name.lower()] += 1
    return found


def running_with(study: OpenStudy, mark: str) -> list[int]:
    """The running trials whose asks had this mark."""
    return study.look(
        lambda state: [each.number for each in state.live.values() if each.state == RUNNING and each.jt.get("mark") == mark]
    )


def n_counted(state: StudyState) -> int:
    """How many trials of a study count for a budget: not those that wait, nor failures that say nothing of their parameters."""
    codes = state.finished.column("codes").tobytes()
    hidden = sum(codes.count(code) for code in set(codes) if code & HIDDEN and code & STATE_MASK == FAIL)
    return state.n_trials - hidden - sum(trial.state == WAITING for trial in state.live.values())


def result_of(state: StudyState, number: int) -> tuple[int, list[float] | None, dict[str, float]]:
    """State, values and constraints of a finished trial."""
    finished = state.finished
    row = finished.row_of(number)
    attrs = finished.extras.get(number, {}).get("system_attrs", {})
    return finished.column("codes")[row] & STATE_MASK, finished.row_values(row), constraints_in(attrs)


def is_running(study: OpenStudy, number: int) -> bool:
    """Whether the trial is running now."""
    return study.look(lambda state: number in state.live and state.live[number].state == RUNNING)


def finished(study: OpenStudy, number: int) -> Trial:
    """One finished trial, as of now. KeyError when it isn't finished."""
    return study.look(lambda state: finished_trial(state, number))


def live_user_attrs(study: OpenStudy, number: int) -> dict[str, Any]:
    """The user attributes that a trial has before it is told; none of a finished one."""
    return study.look(lambda state: dict(copied(state.live[number].user_attrs)) if number in state.live else {})
