"""Tell and report: what a trainer says of its trial, checked, made definite, and written once."""

from __future__ import annotations

from math import isnan

from journaltune import checks, claims
from journaltune.errors import ConflictError, NotFoundError, UsageError
from journaltune.journal import records
from journaltune.journal.state import COMPLETE, FAIL, PRUNED, WAITING
from journaltune.jsontext import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from journaltune.journal.state import LiveTrial
    from journaltune.model import Trial, TrialState
    from journaltune.studies import OpenStudy

_FINAL_STATES = {"complete": COMPLETE, "pruned": PRUNED, "fail": FAIL}


def tell(
    study: OpenStudy,
    number: int,
    values: float | Sequence[float] | None = None,
    *,
    state: str | TrialState | None = None,
    reason: str | None = None,
    constraints: Mapping[str, float] | None = None,
    attrs: Mapping[str, Any] | None = None,
    request_id: str | None = None,
) -> int:
    """Finish a trial; what this returns for is on disk: the code of its state. The same call again changes nothing.

    ``values``: one float for each objective; NaN among them makes it a failure with reason ``nan``. ``state``: "complete",
    "pruned" or "fail"; without it, complete if there are values. A pruned trial without values takes its last intermediate one.

    Raises NotFoundError for an unknown number, ConflictError when the trial is finished with another result or still waits to
    be asked, UsageError for wrong values, MachineError when nothing could be written.
    """
    number = checks.whole(number, "a trial's number")
    told = _Told(study, number, values, state, reason, checks.constraints(constraints), checks.attrs(attrs))
    journal, request_id = study.journal, checks.request_id(request_id)
    with study.turn.lock, study.turn:
        with journal.locked():
            earlier_request(study, "tell", request_id, number)
            trial = _live_trial(study, number)
            if trial is not None:
                told.complete_from(trial)
                effects = journal.append(
                    claims.finishing(trial.trial_id, told.state, told.values, told.attrs, told.constraints, request_id)
                )
                if not effects[-1]:
                    trial = None
        if trial is None:
            _same_again(study, number, told)
        journal.flush(again=trial is None)
    return told.state


def earlier_request(study: OpenStudy, kind: str, request_id: str | None, number: int | None = None) -> int | None:
    """The trial that a request id was used for already. ConflictError when that is another one than ``number``."""
    known = study.state().requests.get(f"{kind}:{request_id}") if request_id is not None else None
    if known is not None and number is not None and known != number:
        raise ConflictError(f"request id {request_id!r} was used to {kind} trial {known}; take a new one for trial {number}")
    return known


def report(study: OpenStudy, number: int, step: int, value: float, *, request_id: str | None = None) -> bool:
    """Record an intermediate value of a running trial, on disk when this returns; whether it was recorded.

    As in Optuna the first value of a step counts, and later ones for it are ignored: a trainer that resumed from a checkpoint
    reports some steps again. No spelling of NaN in a record suits every reader of the journal, so others see a NaN only as the
    trial's system attribute ``journaltune:nan_step``.

    Raises NotFoundError for an unknown number, ConflictError when the trial is not running, UsageError for a step below 0.
    """
    number, step = checks.whole(number, "a trial's number"), checks.whole(step, "a step")
    value, request_id = checks.number(value, f"the value at step {step}"), checks.request_id(request_id)
    if not 0 <= step < 2**63:
        raise UsageError(f"a step must be 0 or above, not {step}")
    with study.turn.lock, study.turn:
        with study.journal.locked():
            begun = study.journal.offset
            if earlier_request(study, "report", request_id, number) is None:
                recorded = _report(study, number, step, value, request_id)
            else:
                recorded = _reported_before(study, number, step, value, request_id)
        study.journal.flush(again=study.journal.offset == begun)
    return recorded


def _reported_before(study: OpenStudy, number: int, step: int, value: float, request_id: str | None) -> bool:
    """True for what an earlier call with this request id recorded; ConflictError when that was something else."""
    trial = study.state().live.get(number)
    reported = _finished(study, number).intermediate_values if trial is None else trial.intermediate
    if step not in reported or not _equal(reported[step], value):
        raise ConflictError(
            f"request id {request_id!r} was used for another report of trial {number} than {value!r} at step {step}; "
            "take a new one for each report"
        )
    return True


def _equal(one: float, other: float) -> bool:
    return one == other or (isnan(one) and isnan(other))


def _report(study: OpenStudy, number: int, step: int, value: float, request_id: str | None) -> bool:
    trial = _live_trial(study, number)
    if trial is None:
        state = str(_finished(study, number).state.name).lower()
        raise ConflictError(f"trial {number} of study {study.name!r} is already {state}; only a running one takes reports")
    if step in trial.intermediate:
        return _equal(trial.intermediate[step], value)
    if isnan(value):
        record = records.trial_record(records.SET_TRIAL_SYSTEM_ATTR, trial.trial_id, system_attr={records.NAN_STEP_ATTR: step})
        record["jt"] = {"nan_step": step}
    else:
        record = records.trial_record(records.SET_TRIAL_INTERMEDIATE, trial.trial_id, step=step, intermediate_value=value)
    (effect,) = study.journal.append([records.requested(record, request_id)])
    return bool(effect)


def should_prune(study: OpenStudy, number: int) -> bool:
    """Whether a running trial is to be stopped early, as the study's pruner says; a study without one never stops any."""
    return False


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
        name = state if state is None or isinstance(state, str) else str(getattr(state, "name", state)).lower()
        if name is None:
            if self.values is None and reason is None:
                raise UsageError(f"trial {number} takes a value, or --state fail or pruned")
            name = "fail" if self.values is None else "complete"
        self.state = _FINAL_STATES[checks.one_of(name, tuple(_FINAL_STATES), "a trial's final state")]
        if self.values is not None and any(isnan(value) for value in self.values):
            self.state, self.values, reason = FAIL, None, reason or "nan"
        if self.state == FAIL and self.values is not None:
            raise UsageError("a failed trial takes no value; leave it out")
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
    if not 0 <= number < state.n_trials:
        last = f"the last one is {state.n_trials - 1}" if state.n_trials else "nothing was asked yet"
        raise NotFoundError(f"study {study.name!r} has no trial {number}; {last}")
    trial = state.live.get(number)
    if trial is not None and trial.state == WAITING:
        raise ConflictError(f"trial {number} of study {study.name!r} still waits to be asked; ask for it first")
    return trial


def _finished(study: OpenStudy, number: int) -> Trial:
    from journaltune.reading import finished_trial

    return finished_trial(study.state(), number)


def _bits(values: list[float] | None) -> list[str] | None:
    """Numbers with all their bits: 0.0 is another result than -0.0, although they are equal."""
    return None if values is None else [float(value).hex() for value in values]


def _same_again(study: OpenStudy, number: int, told: _Told) -> None:
    """Pass when a finished trial already holds just this result; ConflictError otherwise."""
    trial = _finished(study, number)
    if told.state == PRUNED and told.values is None and trial.intermediate_values:
        told.values = trial.values
    same = (int(trial.state), _bits(trial.values)) == (told.state, _bits(told.values))
    held = trial.user_attrs
    same = same and all(key in held and dumps(held[key]) == dumps(value) for key, value in told.attrs.items())
    constraints = trial.constraints
    same = same and all(
        name in constraints and _bits([constraints[name]]) == _bits([value]) for name, value in told.constraints.items()
    )
    if not same:
        with_what = f" with {', '.join(map(repr, trial.values))}" if trial.values else ""
        reason = trial.user_attrs.get("fail_reason")
        because = f" ({reason})" if reason else ""
        raise ConflictError(
            f"trial {number} of study {study.name!r} is already {trial.state.name.lower()}{with_what}{because}; "
            "tell it again with the same result, or ask for a new one"
        )
