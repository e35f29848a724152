"""Ask, tell, enqueue: lock, sync, decide, append, read back. What the command line and the Python face both call."""

from __future__ import annotations

from math import isnan

from journaltune import checks
from journaltune.errors import ConflictError, ExhaustedError, NotFoundError, SpaceError, UsageError
from journaltune.history import History, derive_seed
from journaltune.journal import records
from journaltune.journal.state import HIDDEN, STATE_MASK
from journaltune.model import Suggestion, TrialState
from journaltune.studies import OpenStudy, create_study, delete_study, list_studies, open_study

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from journaltune.journal.state import LiveTrial, StudyState
    from journaltune.space import Space

__all__ = ["OpenStudy", "ask", "create_study", "delete_study", "enqueue", "list_studies", "open_study", "tell", "trainer_seed"]

RUNNING, COMPLETE, PRUNED, FAIL, WAITING = (
    int(TrialState[name]) for name in ("RUNNING", "COMPLETE", "PRUNED", "FAIL", "WAITING")
)
SAMPLING, TRAINER = 0, 1  # what a derived seed is for
_TRIES_WITHOUT_LOCK = 3


def ask(
    study: OpenStudy, *, owner_pid: int | None = None, ttl_s: float | None = None, max_trials: int | None = None
) -> Suggestion:
    """The next trial to run: an enqueued one if there is any, else one that the sampler suggests.

    Asks of one study are serialised, so each sees every earlier one; tells go on meanwhile. The trial is in the journal when
    this returns, but only the ``tell`` makes it survive a power cut, which takes its trainer too.

    Raises ExhaustedError when the study has ``max_trials`` trials already, SpaceError when it has no search space.
    """
    claim: dict[str, Any] = {}
    if owner_pid is not None:
        from journaltune.owners import describe

        claim["owner"] = describe(owner_pid)
    if ttl_s is not None:
        claim["ttl_s"] = ttl_s
    with study.lock:
        study.journal.sync()
        space, study_id = _space_of(study), study.state().study_id
        with study.journal.asks(study_id):
            return _ask(study, space, claim, max_trials)


def _space_of(study: OpenStudy) -> Space:
    if study.space is None:
        raise SpaceError(
            f"study {study.name!r} has no search space; give it one with "
            f"`journaltune create --exist-ok --study {study.name} --param 'NAME: SPEC'`"
        )
    return study.space


def _ask(study: OpenStudy, space: Space, claim: dict[str, Any], max_trials: int | None) -> Suggestion:
    tries = 0
    while True:
        study.journal.sync()
        _check_budget(study.state(), max_trials)
        waiting = _first_waiting(study.state())
        if waiting is not None:
            found = _ask_waiting(study, space, waiting, claim)
        elif tries < _TRIES_WITHOUT_LOCK:
            found = _ask_new(study, space, claim)
        else:
            # Somebody creates trials faster than the sampler suggests; make them wait for once.
            with study.journal.locked():
                found = _ask_new(study, space, claim)
        if found is not None:
            return found
        tries += 1


def _check_budget(state: StudyState, max_trials: int | None) -> None:
    if max_trials is None:
        return
    hidden = 0
    if state.n_trials >= max_trials:
        codes = state.finished.columns["codes"].tobytes()
        hidden = sum(codes.count(code) for code in set(codes) if code & HIDDEN and code & STATE_MASK == FAIL)
    waiting = sum(trial.state == WAITING for trial in state.live.values())
    if state.n_trials - hidden - waiting >= max_trials:
        raise ExhaustedError(f"study {state.name!r} has its {max_trials} trials; raise --trials to go on")


def _first_waiting(state: StudyState) -> LiveTrial | None:
    return next((trial for trial in state.live.values() if trial.state == WAITING), None)


def _suggest(study: OpenStudy, space: Space, number: int) -> dict[str, float]:
    history = History(study.state(), study.failures)
    seed = derive_seed(study.seed, number, SAMPLING)
    return study.sampler_object().suggest(history, space.distributions, number, seed)


def _ask_new(study: OpenStudy, space: Space, claim: dict[str, Any]) -> Suggestion | None:
    """Suggest and create; None when another trial took the number that the suggestion was made for."""
    journal, number, saw = study.journal, study.state().n_trials, study.journal.offset
    internal = _suggest(study, space, number)
    with journal.locked():
        state = study.state()
        if state.n_trials != number or _first_waiting(state) is not None:
            return None
        record = records.create_trial(state.study_id, study.stored_distributions, internal, RUNNING)
        record["jt"] = {"n": number, "saw": saw, **claim}
        (trial,) = journal.append([record])
    if not trial:
        raise NotFoundError(f"study {study.name!r} was deleted")
    return _suggestion(study, space, trial.number, internal)


def _suggestion(study: OpenStudy, space: Space, number: int, internal: Mapping[str, float]) -> Suggestion:
    return Suggestion(number, space.decode(internal), trainer_seed(study, number))


def trainer_seed(study: OpenStudy, number: int) -> int:
    """32 bits for the trainer's own random generators, from the study's seed and the trial's number."""
    return derive_seed(study.seed, number, TRAINER) & 0xFFFFFFFF


def _ask_waiting(study: OpenStudy, space: Space, waiting: LiveTrial, claim: dict[str, Any]) -> Suggestion | None:
    """Claim an enqueued trial; None when another process was faster, or when its parameters turned out to be impossible."""
    journal, number, saw = study.journal, waiting.number, study.journal.offset
    fixed = {k: v for k, v in waiting.system_attrs.get("fixed_params", {}).items() if k in space.distributions}
    try:
        internal = {**space.encode(fixed, partial=True), **{k: v for k, v in waiting.params.items() if k in space.distributions}}
    except SpaceError:
        _fail_infeasible(study, waiting)
        return None
    if len(internal) < len(space.distributions):
        internal = {**_suggest(study, space, number), **internal}
    internal = {name: internal[name] for name in space.distributions}
    with journal.locked():
        trial = study.state().live.get(number)
        if trial is None or trial.state != WAITING:
            return None
        start = records.trial_record(
            records.SET_TRIAL_STATE_VALUES, trial.trial_id, state=RUNNING, values=None, datetime_start=records.now_iso()
        )
        (claimed,) = journal.append([{**start, "jt": {"n": number, "saw": saw, **claim}}])
        if not claimed:
            return None
        missing = [name for name in internal if name not in trial.params]
        if missing:
            journal.append([_set_param(study, trial, name, internal[name]) for name in missing])
    return _suggestion(study, space, number, internal)


def _set_param(study: OpenStudy, trial: LiveTrial, name: str, value: float) -> dict[str, Any]:
    return records.trial_record(
        records.SET_TRIAL_PARAM,
        trial.trial_id,
        param_name=name,
        param_value_internal=value,
        distribution=study.stored_distributions[name],
    )


def _fail_infeasible(study: OpenStudy, waiting: LiveTrial) -> None:
    with study.journal.locked():
        study.journal.append(_finishing(waiting.trial_id, FAIL, None, {"fail_reason": "infeasible"}, {}))
    study.journal.flush()


def tell(
    study: OpenStudy,
    number: int,
    values: float | Sequence[float] | None = None,
    *,
    state: str | TrialState | None = None,
    reason: str | None = None,
    constraints: Mapping[str, float] | None = None,
    attrs: Mapping[str, Any] | None = None,
) -> TrialState:
    """Finish a trial; what this returns for is on disk. The same call again changes nothing.

    ``values``: one float for each objective; NaN among them makes it a failure with reason ``nan``. ``state``: "complete",
    "pruned" or "fail"; without it, complete if there are values. A pruned trial without values takes its last intermediate one.

    Raises NotFoundError for an unknown number, ConflictError when the trial is finished with another result or still waits to
    be asked, UsageError for wrong values, MachineError when nothing could be written.
    """
    told = _Told(study, number, values, state, reason, checks.constraints(constraints), checks.attrs(attrs))
    journal = study.journal
    with study.lock:
        with journal.locked():
            trial = _live_trial(study, number)
            if trial is not None:
                told.complete_from(trial)
                effects = journal.append(_finishing(trial.trial_id, told.state, told.values, told.attrs, told.constraints))
                if not effects[-1]:
                    trial = None
        if trial is None:
            _same_again(study, number, told)
        journal.flush()
    return TrialState(told.state)


class _Told:
    """A result, checked and made definite."""

    __slots__ = ("attrs", "constraints", "state", "values")

    def __init__(
        self,
        study: OpenStudy,
        number: int,
        values: float | Sequence[float] | None,
        state: str | TrialState | None,
        reason: str | None,
        constraints: dict[str, float],
        attrs: dict[str, Any],
    ) -> None:
        self.values = checks.values(values, len(study.directions), number)
        self.constraints = constraints
        self.attrs = attrs
        name = state.name.lower() if isinstance(state, TrialState) else state
        if name is None:
            if self.values is None and reason is None:
                raise UsageError(f"trial {number} takes a value, or --state fail or pruned")
            name = "fail" if self.values is None else "complete"
        self.state = int(TrialState[checks.one_of(name, ("complete", "pruned", "fail"), "a trial's final state").upper()])
        if self.values is not None and any(isnan(value) for value in self.values):
            self.state, self.values, reason = FAIL, None, reason or "nan"
        if self.state == COMPLETE and self.values is None:
            raise UsageError(f"trial {number} can't be complete without a value")
        if reason is not None:
            if self.state != FAIL:
                raise UsageError("only a failed trial has a reason; say --state fail too")
            self.attrs = {**attrs, "fail_reason": checks.text(reason, "a reason")}

    def complete_from(self, trial: LiveTrial) -> None:
        if self.state == PRUNED and self.values is None and trial.intermediate:
            last = trial.intermediate[max(trial.intermediate)]
            if not isnan(last) and len(trial.study.directions) == 1:
                self.values = [last]


def _live_trial(study: OpenStudy, number: int) -> LiveTrial | None:
    """The trial if it is running; None if it is finished."""
    state = study.state()
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < state.n_trials:
        last = f"the last one is {state.n_trials - 1}" if state.n_trials else "nothing was asked yet"
        raise NotFoundError(f"study {study.name!r} has no trial {number}; {last}")
    trial = state.live.get(number)
    if trial is not None and trial.state == WAITING:
        raise ConflictError(f"trial {number} of study {study.name!r} still waits to be asked; ask for it first")
    return trial


def _finishing(
    trial_id: int, state: int, values: list[float] | None, attrs: Mapping[str, Any], constraints: Mapping[str, float]
) -> list[dict[str, Any]]:
    """Attributes first: no reader changes a finished trial."""
    batch = [records.trial_record(records.SET_TRIAL_USER_ATTR, trial_id, user_attr={key: value}) for key, value in attrs.items()]
    for name, value in constraints.items():
        batch.append(records.trial_record(records.SET_TRIAL_SYSTEM_ATTR, trial_id, system_attr={f"constraints:{name}": value}))
    return [*batch, records.finish_trial(trial_id, state, values)]


def _same_again(study: OpenStudy, number: int, told: _Told) -> None:
    """Pass when a finished trial already holds just this result; ConflictError otherwise."""
    from journaltune.reading import finished_trial

    trial = finished_trial(study.state(), number)
    if told.state == PRUNED and told.values is None and trial.intermediate_values:
        told.values = trial.values
    same = (int(trial.state), trial.values) == (told.state, told.values)
    same = same and all(key in trial.user_attrs and trial.user_attrs[key] == value for key, value in told.attrs.items())
    same = same and all(trial.constraints.get(name) == value for name, value in told.constraints.items())
    if not same:
        with_what = f" with {', '.join(map(repr, trial.values))}" if trial.values else ""
        reason = trial.user_attrs.get("fail_reason")
        because = f" ({reason})" if reason else ""
        raise ConflictError(
            f"trial {number} of study {study.name!r} is already {trial.state.name.lower()}{with_what}{because}; "
            "tell it again with the same result, or ask for a new one"
        )


def enqueue(
    study: OpenStudy, params: Mapping[str, Any], *, skip_if_exists: bool = False, attrs: Mapping[str, Any] | None = None
) -> int | None:
    """Queue parameters for the next ask; those left out are suggested then. The new trial's number, None when skipped."""
    user_attrs = checks.attrs(attrs)
    with study.lock:
        study.journal.sync()
        space = _space_of(study)
        internal = space.encode(params, partial=True)
        fixed = space.decode(internal)
        with study.journal.locked():
            if skip_if_exists and _exists(study, fixed):
                return None
            record = records.create_trial(study.state().study_id, {}, {}, WAITING)
            record["system_attrs"] = {"fixed_params": fixed}
            record["user_attrs"] = user_attrs
            (trial,) = study.journal.append([record])
        study.journal.flush()
    if not trial:
        raise NotFoundError(f"study {study.name!r} was deleted")
    return int(trial.number)


def _exists(study: OpenStudy, fixed: Mapping[str, Any]) -> bool:
    from journaltune.reading import trials

    return any((trial.params or trial.system_attrs.get("fixed_params", {})) == fixed for trial in trials(study))
