"""report: an intermediate value of a running trial."""

from __future__ import annotations

from math import isnan

from journaltune.base import checks
from journaltune.base.errors import ConflictError, UsageError
from journaltune.engine.tell import earlier_request, running_trial
from journaltune.journal import records
from journaltune.study import verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from journaltune.journal.state import LiveTrial
    from journaltune.study import OpenStudy


@verb
def report(study: OpenStudy, number: int, step: int, value: float, *, request_id: str | None = None) -> bool:
    """Record an intermediate value of a running trial, on disk when this returns. True if it is recorded now or was before.

    As in Optuna the first value of a step counts and later ones are ignored: a trainer that resumed from a checkpoint reports
    some steps again. Each reader of the journal takes another spelling of NaN, so a NaN is recorded for us alone; others see the
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
    """True if an earlier call with this request id recorded the same; ConflictError if it recorded something else."""
    reported = _intermediate_values(study, number)
    if step not in reported or not _equal(reported[step], value):
        raise ConflictError(
            f"request id {request_id!r} was used for another report of trial {number} than {value!r} at step {step}; "
            "take a new one for each report"
        )
    return True


def _intermediate_values(study: OpenStudy, number: int) -> dict[int, float]:
    trial = study.state().live.get(number)
    if trial is not None:
        return trial.intermediate
    from journaltune.study.trials import finished_trial

    return finished_trial(study.state(), number).intermediate_values


def is_first(study: OpenStudy) -> bool:
    """Whether the study has just one intermediate value so far, and no finished trial."""
    state = study.state()
    return not len(state.finished) and sum(len(trial.intermediate) for trial in state.live.values()) == 1


def _equal(one: float, other: float) -> bool:
    return one == other or (isnan(one) and isnan(other))


def _report(study: OpenStudy, number: int, step: int, value: float, request_id: str | None) -> bool:
    trial = running_trial(study, number)
    if trial is None:
        from journaltune.study.trials import finished_trial

        state = finished_trial(study.state(), number).state.name.lower()
        raise ConflictError(f"trial {number} of study {study.name!r} is already {state}; only a running one takes reports")
    if step in trial.intermediate:
        return _equal(trial.intermediate[step], value)
    renewed: list[dict[str, Any]] = []
    if "ttl_s" in trial.holder:
        from journaltune.engine.resume import renewal

        renewed = renewal(trial)
    *_, effect = study.journal.append([*renewed, records.requested(_record(trial, step, value), request_id)])
    return bool(effect)


def _record(trial: LiveTrial, step: int, value: float) -> dict[str, Any]:
    if not isnan(value):
        return records.trial_record(records.SET_TRIAL_INTERMEDIATE, trial.trial_id, step=step, intermediate_value=value)
    record = records.trial_record(records.SET_TRIAL_SYSTEM_ATTR, trial.trial_id, system_attr={records.NAN_STEP_ATTR: step})
    record["jt"] = {"nan_step": step}
    return record
