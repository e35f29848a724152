"""What a runner records of the trials that it owns: reports, next attempts, results.

Each of it only while the trial is still its own. Nothing of it is on disk before ``flush``: a runner that has many trials makes
one fsync do for all that ended at a time.
"""

from __future__ import annotations

from journaltune.base import FAIL, PRUNED, RUNNING, checks
from journaltune.base.frozen import Frozen
from journaltune.base.model import USAGE_ATTR
from journaltune.engine.report import _report
from journaltune.engine.resume import assign, holder_of, owned
from journaltune.engine.tell import last_report
from journaltune.journal import records
from journaltune.journal.records import finishing
from journaltune.journal.state import OWNER_ATTR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from journaltune.journal.state import LiveTrial
    from journaltune.study.open_study import OpenStudy

FAILURES_ATTR = "journaltune:failures"  # system attribute: attempt and reason of each attempt that failed and was made again
_RESULTS_PER_SNAPSHOT_CHECK = 256


class Settled(Frozen):
    """The result of a trial, checked: ``state`` is the code of a final state, a failed trial has no values."""

    number: int
    state: int
    values: list[float] | None
    reason: str | None
    attrs: Mapping[str, Any]
    constraints: Mapping[str, float]
    usage: Mapping[str, Any]


def owns(study: OpenStudy, number: int, owner: Mapping[str, Any]) -> bool:
    """Whether the trial runs, and is this owner's, as far as the journal was read."""
    return _own(study, number, owner) is not None


def _own(study: OpenStudy, number: int, owner: Mapping[str, Any]) -> LiveTrial | None:
    trial = study.state().live.get(number)
    return trial if trial is not None and trial.state == RUNNING and trial.holder.get("owner") == owner else None


def settle(study: OpenStudy, result: Settled, owner: Mapping[str, Any]) -> bool:
    """Finish a trial; False when it is not this owner's any more. Needs ``flush`` before anybody hears of it."""
    with study.turn.lock, study.turn:
        with study.journal.locked():
            trial = _own(study, result.number, owner)
            if trial is None:
                return False
            *_, effect = study.journal.append(_batch(trial, result))
        study.n_tells += 1
        if study.n_tells % _RESULTS_PER_SNAPSHOT_CHECK == 0:
            study.journal.save_snapshot_when_due(lived=True)
    return bool(effect)


def _batch(trial: LiveTrial, result: Settled) -> list[dict[str, Any]]:
    attrs, state, values, reason = dict(result.attrs), result.state, result.values, result.reason
    if values is not None and not checks.are_results(values, trial.study.directions):
        state, values, reason = FAIL, None, "nan"
    if state == FAIL and reason is not None:
        attrs["fail_reason"] = reason
    if state == PRUNED and values is None:
        values = last_report(trial)
    return [
        records.trial_record(records.SET_TRIAL_SYSTEM_ATTR, trial.trial_id, system_attr={USAGE_ATTR: dict(result.usage)}),
        *finishing(trial.trial_id, state, values, attrs, result.constraints),
    ]


def n_failures(study: OpenStudy, number: int) -> int:
    """How many attempts at a running trial failed and were made again."""
    trial = study.state().live.get(number)
    noted = [] if trial is None else trial.system_attrs.get(FAILURES_ATTR)
    return len(noted) if isinstance(noted, list) else 0


def rerun(study: OpenStudy, number: int, owner: Mapping[str, Any], claim: Mapping[str, Any], reason: str) -> int | None:
    """Begin a next attempt at a trial whose last one failed: its number; None when the trial is not this owner's any more."""
    with study.turn.lock, study.turn, study.journal.locked():
        trial = _own(study, number, owner)
        if trial is None:
            return None
        holder, noted = holder_of(trial), trial.system_attrs.get(FAILURES_ATTR)
        failures = [*(noted if isinstance(noted, list) else []), {"attempt": holder.attempt, "reason": reason}]
        why = f"attempt {holder.attempt} failed ({reason})"
        note = {**claim, "attempt": holder.attempt + 1, "deaths": holder.deaths, "at": records.now_iso(), "why": why}
        batch = [
            records.trial_record(records.SET_TRIAL_SYSTEM_ATTR, trial.trial_id, system_attr={key: value})
            for key, value in ((FAILURES_ATTR, failures), (OWNER_ATTR, note))
        ]
        *_, effect = study.journal.append(batch)
    return holder.attempt + 1 if effect else None


def report_all(study: OpenStudy, number: int, owner: Mapping[str, Any], reports: Iterable[tuple[int, float]]) -> bool:
    """Record intermediate values, each step's first; False when the trial is not this owner's any more."""
    with study.turn.lock, study.turn, study.journal.locked():
        for step, value in reports:
            if _own(study, number, owner) is None:
                return False
            _report(study, number, step, value, None)
    return True


def flush(study: OpenStudy) -> None:
    """Make what was recorded so far survive a power cut. InDoubtError when the disk fails."""
    with study.turn.lock, study.turn:
        study.journal.flush()


def give_back(study: OpenStudy, owner: Mapping[str, Any], *, died: bool) -> None:
    """Let the next asks hand out this owner's running trials again. ``died``: it counts as a death, of which a trial may cause
    as many as the study's ``attempts`` allow."""
    with study.turn.lock, study.turn:
        study.journal.sync()
        for number in [trial.number for trial in owned(study.state())]:
            trial = _own(study, number, owner)
            if trial is not None:
                holder = holder_of(trial)
                deaths = holder.deaths + died
                note = {"owner": holder.owner, "attempt": holder.attempt, "deaths": deaths, "released": True}
                assign(study, number, holder, note, "its client is gone")
