"""report: an intermediate value of a running trial."""

from __future__ import annotations

from math import isnan

from journaltune.base import checks
from journaltune.base.errors import ConflictError, UsageError
from journaltune.engine.requests import earlier_request
from journaltune.engine.tell import _finished, _live_trial
from journaltune.journal import records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from journaltune.study.open_study import OpenStudy


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
