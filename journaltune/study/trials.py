"""A study's trials: as plain data, and how many there are in which state."""

from __future__ import annotations

from journaltune.base import RUNNING, STATE_NAMES, STATES, WAITING, counted, trainer_seed
from journaltune.base.constraints import constraints_in
from journaltune.base.errors import SpaceError, UsageError
from journaltune.journal.state import HAS_EXTRAS, HIDDEN, NO_TIME, OWNER_ATTR, STATE_MASK, to_moment
from journaltune.space import Distribution
from journaltune.study.queue import OPTUNAS

_RECENT, _ENOUGH = 100, 4

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from journaltune.base.model import Trial, TrialState
    from journaltune.journal.state import LiveTrial, StudyState
    from journaltune.study import OpenStudy


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
    make = Maker(state)
    return sorted([*map(make.finished, rows), *map(make.live, live)], key=_number_of)


def _number_of(trial: Trial) -> int:
    return trial.number


def wanted_states(states: Iterable[TrialState | str] | None) -> set[int]:
    """The codes of states given by name, by value, or as words with commas between; of all states for None."""
    if states is None:
        return set(STATES)
    if isinstance(states, str):
        states = states.split(",")
    codes = {STATE_NAMES[code]: code for code in STATES}
    try:
        return {codes[state.strip().lower()] if isinstance(state, str) else int(state) for state in states}
    except KeyError as error:
        raise UsageError(f"states are {', '.join(codes)}, not {error.args[0]!r}") from None


def finished_trial(state: StudyState, number: int) -> Trial:
    """One finished trial. KeyError when it isn't finished."""
    return trials_at(state, [state.finished.row_of(number)], [])[0]


class Maker:
    """Makes plain data of replayed trials. The distributions of a shape are decoded once.

    ``base.model`` is imported here only: an ``ask`` from the shell counts trials, makes none, and would pay for ``enum``.
    """

    __slots__ = ("_config", "_decoders", "_finished", "_shown", "_state", "_trial")

    def __init__(self, state: StudyState) -> None:
        from journaltune.base.model import Trial, TrialState

        self._trial, self._state = Trial, TrialState
        self._finished = state.finished
        self._config = state.config  # None: another program made the study
        self._shown = shown_by(state.config)
        self._decoders: dict[int, tuple[list[tuple[str, Callable[[float], Any]]], dict[str, str]]] = {}

    def finished(self, row: int) -> Trial:
        finished, column = self._finished, self._finished.column
        number, code = column("numbers")[row], column("codes")[row]
        extras = finished.extras.get(number, {}) if code & HAS_EXTRAS else {}
        _, internal, _ = finished.parameters(row)
        decoder, texts = self._decoder(column("shapes")[row])
        return self._trial(
            number,
            self._state(code & STATE_MASK),
            self._shown({name: to_external(value) for (name, to_external), value in zip(decoder, internal, strict=True)}),
            finished.row_values(row),
            copied(extras.get("user_attrs")),
            copied(extras.get("system_attrs")),
            copied(extras.get("intermediate")),
            to_moment(column("began")[row]),
            to_moment(column("ended")[row]),
            self._trainer_seed(number),
            *_ownership((extras.get("system_attrs") or {}).get(OWNER_ATTR)),
            texts,
        )

    def _trainer_seed(self, number: int) -> int | None:
        return None if self._config is None else trainer_seed(self._config, number)

    def _decoder(self, shape_id: int) -> tuple[list[tuple[str, Callable[[float], Any]]], dict[str, str]]:
        """For each parameter its name and the function from internal to external values; and its distribution as JSON."""
        if shape_id not in self._decoders:
            shape = self._finished.shape_list[shape_id]
            self._decoders[shape_id] = [(name, Distribution.from_json(text).decoder) for name, text in shape], dict(shape)
        return self._decoders[shape_id]

    def live(self, trial: LiveTrial) -> Trial:
        texts, enqueued = trial.distributions, copied(trial.system_attrs.get(OPTUNAS) if trial.state == WAITING else None)
        return self._trial(
            trial.number,
            self._state(trial.state),
            self._shown({name: Distribution.from_json(texts[name]).decoder(value) for name, value in trial.params.items()}),
            copied(trial.values),
            copied(trial.user_attrs),
            copied(trial.system_attrs),
            copied(trial.intermediate),
            to_moment(trial.began),
            to_moment(trial.ended),
            self._trainer_seed(trial.number),
            *_ownership(trial.holder),
            texts,
            self._shown(dict(enqueued)) if isinstance(enqueued, dict) else None,  # another program may have written anything
        )


def shown_by(config: Mapping[str, Any] | None) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """From external values by column to the parameters that a study with this configuration shows."""
    stored = None if config is None else config.get("space")
    if not isinstance(stored, dict) or "require" not in stored:
        return _as_they_are
    global _last_shown
    if _last_shown[0] is not stored:
        _last_shown = stored, _shown_by(stored)
    return _last_shown[1]


def _shown_by(stored: Mapping[str, Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    from journaltune.space import Space

    try:
        return Space.from_config(stored).shown
    except SpaceError:  # a newer version's; `open_study` says so where the space is needed
        return _as_they_are


def _as_they_are(params: dict[str, Any]) -> dict[str, Any]:
    return params


# The space that was read last, and what shows its parameters: a loop looks at one trial after the other.
_last_shown: tuple[object, Callable[[dict[str, Any]], dict[str, Any]]] = (None, _as_they_are)


def _ownership(holder: object) -> tuple[int, dict[str, Any] | None]:
    """Attempt and owner, from what a record says of who has the trial."""
    if not isinstance(holder, dict):
        return 1, None
    attempt, owner = holder.get("attempt"), holder.get("owner")
    return attempt if isinstance(attempt, int) else 1, copied(owner) if isinstance(owner, dict) else None


def copied(value: Any) -> Any:
    """A JSON value of the caller's own: changes in it change nothing here."""
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    return [copied(item) for item in value] if isinstance(value, list) else value


def counts(study: OpenStudy) -> dict[str, int]:
    """How many trials are in each state, without those that were withdrawn: keys running, waiting, complete, pruned, fail."""
    return study.look(_counts)


def _counts(state: StudyState) -> dict[str, int]:
    by_state = dict.fromkeys(STATE_NAMES.values(), 0)
    codes = state.finished.column("codes").tobytes()
    for code, count in counted(codes).items():
        by_state[STATE_NAMES[code & STATE_MASK]] += count
    for number in state.withdrawn:
        if number not in state.live:
            by_state[STATE_NAMES[codes[state.finished.row_of(number)] & STATE_MASK]] -= 1
    for trial in state.live.values():
        by_state[STATE_NAMES[trial.state]] += 1
    return by_state


def running_with(study: OpenStudy, mark: str) -> list[int]:
    """The numbers of the running trials whose asks had this mark."""
    return study.look(
        lambda state: [each.number for each in state.live.values() if each.state == RUNNING and each.holder.get("mark") == mark]
    )


def n_counted(state: StudyState) -> int:
    """How many trials count for a budget: not those that wait, nor failures that say nothing about their parameters, nor what was
    withdrawn."""
    codes = counted(state.finished.column("codes").tobytes())
    hidden = sum(count for code, count in codes.items() if code & HIDDEN)
    return state.n_trials - hidden - sum(trial.state == WAITING for trial in state.live.values())


def is_over(study: OpenStudy) -> bool:
    """Whether the study has its budget of trials, and none of them is running; False for a study without a budget."""
    budget = study.setting("trials")
    if budget is None:
        return False
    return study.look(
        lambda state: n_counted(state) >= budget and not any(trial.state == RUNNING for trial in state.live.values())
    )


def median_duration_s(state: StudyState) -> float | None:
    """How long a trial took, of the last hundred that finished with both times; None where there are fewer than four."""
    columns = (state.finished.column(name)[-_RECENT:].tolist() for name in ("began", "ended"))
    took = sorted(ended - began for began, ended in zip(*columns, strict=True) if NO_TIME not in (began, ended))
    return took[len(took) // 2] / 1e6 if len(took) >= _ENOUGH else None


def time_left_s(study: OpenStudy) -> float | None:
    """How long the study takes to reach its budget at the pace of its last hundred trials; None without a budget or a pace."""
    budget = study.setting("trials")
    if budget is None:
        return None

    def looked(state: StudyState) -> float | None:
        ended = sorted(moment for moment in state.finished.column("ended")[-_RECENT:].tolist() if moment != NO_TIME)
        left = budget - n_counted(state) + sum(trial.state == RUNNING for trial in state.live.values())
        if len(ended) < _ENOUGH or left <= 0:
            return None
        return float((ended[-1] - ended[0]) / 1e6 / (len(ended) - 1) * left)

    return study.look(looked)


def result_of(state: StudyState, number: int) -> tuple[int, list[float] | None, dict[str, float]]:
    """State, values and constraints (by name) of a finished trial."""
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
    """The user attributes of a trial that is not finished; empty for a finished one."""
    return study.look(lambda state: dict(copied(state.live[number].user_attrs)) if number in state.live else {})
