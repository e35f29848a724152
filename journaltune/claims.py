"""Enqueued trials: claiming the first one that waits, with its fixed parameters and suggestions for the rest."""

from __future__ import annotations

from struct import error as StructError
from struct import unpack

from journaltune.errors import SpaceError
from journaltune.journal import records
from journaltune.journal.state import FAIL, RUNNING, WAITING
from journaltune.jsontext import dumps
from journaltune.samplers import Suggested
from journaltune.space import Distribution
from journaltune.suggesting import Choice, suggest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from journaltune.journal.state import Finished, LiveTrial, StudyState
    from journaltune.space import Space
    from journaltune.studies import OpenStudy

_RUSTUNA_PREFIX = "fixed_params:"
_NOT_PARAMS = (ValueError, IndexError, TypeError, AttributeError, StructError)  # whatever another program left there


class Queue:
    """What was ever enqueued in a study, by its parameters. A look costs what was created since the last one."""

    __slots__ = ("_n_entered", "_texts", "_unsaid")

    def __init__(self, _: Finished) -> None:
        self._texts: set[str] = set()
        self._n_entered = 0
        self._unsaid: list[int] = []  # Rustuna's waiting trials: it says what they wait with one by one

    def holds(self, state: StudyState, fixed: Mapping[str, Any]) -> bool:
        """Whether a trial was enqueued with just these external values."""
        new = [*self._unsaid, *range(self._n_entered, state.n_trials)]
        self._n_entered, self._unsaid = state.n_trials, []
        for number in new:
            attrs = attrs_of(state, number)
            text = _text(attrs)
            if text is not None:
                self._texts.add(text)
            if number in state.live and state.live[number].state == WAITING and "fixed_params" not in attrs:
                self._unsaid.append(number)
        return _text({"fixed_params": fixed}) in self._texts


def attrs_of(state: StudyState, number: int) -> dict[str, Any]:
    """The system attributes of a trial, whether it has finished or not."""
    live = state.live.get(number)
    found: dict[str, Any] = state.finished.extras.get(number, {}).get("system_attrs", {}) if live is None else live.system_attrs
    return found


def same_params(attrs: Mapping[str, Any], fixed: Mapping[str, Any]) -> bool:
    """Whether a trial with these system attributes was enqueued with just these external values; also where they don't say."""
    return "fixed_params" not in attrs or _text(attrs) == _text({"fixed_params": fixed})


def _text(attrs: Mapping[str, Any]) -> str | None:
    """What tells enqueued parameters apart; None where none were, or what another program left there is none."""
    if not any(key.startswith("fixed_params") for key in attrs):
        return None
    try:
        return dumps(sorted(fixed_params(attrs).items()))
    except _NOT_PARAMS:
        return None


def waiting(state: StudyState) -> Iterator[LiveTrial]:
    """The enqueued trials, lowest number first."""
    return (trial for trial in state.live.values() if trial.state == WAITING)


def fixed_params(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that a trial was enqueued with, from its system attributes as Optuna or Rustuna writes them."""
    fixed: dict[str, Any] = dict(attrs.get("fixed_params") or {})
    for key, text in attrs.items():
        if key.startswith(_RUSTUNA_PREFIX):
            fixed[key.removeprefix(_RUSTUNA_PREFIX)] = _from_rustuna(text)
    return fixed


def _from_rustuna(text: str) -> Any:
    """A value as Rustuna 0.2 tags it: ``f:0x<bits>``, ``i:1``, ``s:text``, ``true``, ``false``, ``None``."""
    kind, colon, rest = text.partition(":")
    if not colon:
        return {"true": True, "false": False}.get(text)
    if kind == "f":
        return unpack(">d", bytes.fromhex(rest.removeprefix("0x")))[0]
    return int(rest) if kind == "i" else rest


def decide(study: OpenStudy, trial: LiveTrial, space: Space) -> Choice | None:
    """What an enqueued trial is to try. None when it can't run now: its parameters are impossible, and it is failed; or
    another trial with them is running, and the study's policy does not allow two.

    In a study with a lag that one doesn't count: what it comes to will never be known to this trial, which would wait for ever.
    """
    try:
        fixed = fixed_internal(trial, space)
    except SpaceError:
        _fail_infeasible(study, trial.number)
        return None
    choice = completed(study, trial.number, fixed, space)
    return None if choice.twin is not None and choice.twin.state == RUNNING else choice


def completed(study: OpenStudy, number: int, fixed: dict[str, float], space: Space) -> Choice:
    """What a trial was enqueued with, and suggestions for the rest; its twin, where the study's policy looks for one.

    The rest is drawn again while it makes the trial somebody's twin. Whoever enqueues what failed before wants it tried again.
    """
    found = _completed(study, number, fixed, space, 0)
    if study.duplicates == "allow":
        return Choice(found.internal, found.attrs)
    from journaltune.duplicates import DRAWS, Seen

    seen, draw = Seen(study, study.seen(number)), 0
    twin = seen.twin(found.internal)
    while twin is not None and len(fixed) < len(space.distributions) and draw < DRAWS:
        draw += 1
        found = _completed(study, number, fixed, space, draw)
        twin = seen.twin(found.internal)
    if twin is not None and (twin.state == FAIL or (twin.state == RUNNING and study.lag is not None)):
        twin = None
    return Choice(found.internal, found.attrs, twin)


def _completed(study: OpenStudy, number: int, fixed: dict[str, float], space: Space, draw: int) -> Suggested:
    """A sampler that counts its trials is asked even where nothing is left to suggest, so that this one counts too."""
    found = Suggested(fixed, {})
    if len(fixed) < len(space.distributions) or study.sampler_object().marks_enqueued:
        found = suggest(study, space, number, draw)
    internal = {**found.internal, **fixed}
    return Suggested({name: internal[name] for name in space.distributions}, found.attrs)


def claim(study: OpenStudy, number: int, choice: Choice, space: Space, jt: Mapping[str, Any]) -> bool:
    """Make an enqueued trial a running one, or with a twin a finished one. False when another process was faster, or the space
    changed meanwhile."""
    journal = study.journal
    # Alone: where stock Optuna claims the trial between our reading and our writing, it keeps it, and gets our parameters too.
    with journal.locked(alone=True):
        trial = study.state().live.get(number)
        if trial is None or trial.state != WAITING or study.space is not space:
            return False
        # Parameters first: no reader sets those of a finished trial.
        internal = choice.internal
        batch = [_set_param(study, trial, name, internal[name]) for name in internal if name not in trial.params]
        batch += [_set_attr(trial, key, value) for key, value in choice.attrs.items()]
        *batch, last = [*batch, *_start(study, trial, choice)]
        effects = journal.append([*study.environment_records(), *batch, {**last, "jt": jt}])
    return bool(effects[-1])


def _start(study: OpenStudy, trial: LiveTrial, choice: Choice) -> list[dict[str, Any]]:
    """The records that make a waiting trial a running one, or finish it at once."""
    if choice.twin is not None:
        from journaltune.duplicates import result_of

        state, values, constraints = result_of(study.state(), choice.twin)
        return finishing(trial.trial_id, state, values, choice.user_attrs, constraints)
    start = {"state": RUNNING, "values": None, "datetime_start": records.now_iso()}
    return [records.trial_record(records.SET_TRIAL_STATE_VALUES, trial.trial_id, **start)]


def fixed_internal(waiting: LiveTrial, space: Space) -> dict[str, float]:
    """The parameters that a trial waits with. SpaceError for those that can't be, or are no parameters at all."""
    try:
        given = fixed_params(waiting.system_attrs)
        for name, value in waiting.params.items():
            given[name] = Distribution.from_json(waiting.distributions[name]).to_external(value)
        return space.encode({name: value for name, value in given.items() if name in space.distributions}, partial=True)
    except _NOT_PARAMS as error:
        what = "was enqueued by another program with what are no parameters; the ask that comes to it fails it"
        raise SpaceError(f"trial {waiting.number} {what}") from error


def _set_param(study: OpenStudy, trial: LiveTrial, name: str, value: float) -> dict[str, Any]:
    return records.trial_record(
        records.SET_TRIAL_PARAM,
        trial.trial_id,
        param_name=name,
        param_value_internal=value,
        distribution=study.stored_distributions[name],
    )


def _set_attr(trial: LiveTrial, key: str, value: Any) -> dict[str, Any]:
    return records.trial_record(records.SET_TRIAL_SYSTEM_ATTR, trial.trial_id, system_attr={key: value})


def _fail_infeasible(study: OpenStudy, number: int) -> None:
    with study.journal.locked(alone=True):
        trial = study.state().live.get(number)
        if trial is not None and trial.state == WAITING:
            study.journal.append(finishing(trial.trial_id, FAIL, None, {"fail_reason": "infeasible"}, {}))
    study.journal.flush()


def finishing(
    trial_id: int,
    state: int,
    values: list[float] | None,
    attrs: Mapping[str, Any],
    constraints: Mapping[str, float],
    request_id: str | None = None,
) -> list[dict[str, Any]]:
    """The records that finish a trial. Attributes first: no reader changes a finished trial."""
    batch = [records.trial_record(records.SET_TRIAL_USER_ATTR, trial_id, user_attr={key: value}) for key, value in attrs.items()]
    for name, value in constraints.items():
        batch.append(records.trial_record(records.SET_TRIAL_SYSTEM_ATTR, trial_id, system_attr={f"constraints:{name}": value}))
    return [*batch, records.requested(records.finish_trial(trial_id, state, values), request_id)]
