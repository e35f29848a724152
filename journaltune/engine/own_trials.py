"""What a runner records of the trials that it owns: reports, next attempts, results.

Each of it only while the trial is still its own. Nothing of it is on disk before ``flush``: a runner that has many trials makes
one fsync do for all that ended at a time.
"""

from __future__ import annotations

from journaltune.base import FAIL, PRUNED, RUNNING, checks
from journaltune.base.frozen import Frozen
from journaltune.base.model import USAGE_ATTR
from journaltune.engine.prune import _is_to_stop
from journaltune.engine.report import _report
from journaltune.engine.resume import assign, holder_of, owned
from journaltune.engine.tell import earlier_request, last_report
from journaltune.journal import records
from journaltune.journal.records import finishing
from journaltune.journal.state import OWNER_ATTR
from journaltune.study import verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from journaltune.journal.state import LiveTrial
    from journaltune.study import OpenStudy

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


@verb
def settle(study: OpenStudy, result: Settled, owner: Mapping[str, Any], request_id: str | None = None) -> bool:
    """Finish a trial; False when it is not this owner's any more. Needs ``flush`` before anybody hears of it.

    True for a ``request_id`` that finished the trial before: the answer to that call was lost.
    """
    with study.turn.lock, study.turn:
        with study.journal.locked():
            if earlier_request(study, "tell", request_id, result.number) is not None:
                return True
            trial = _own(study, result.number, owner)
            if trial is None:
                return False
            *_, effect = study.journal.append(_batch(trial, result, request_id))
        study.n_tells += 1
        if study.n_tells % _RESULTS_PER_SNAPSHOT_CHECK == 0:
            study.journal.save_snapshot_when_due(lived=True)
    return bool(effect)


def _batch(trial: LiveTrial, result: Settled, request_id: str | None) -> list[dict[str, Any]]:
    attrs, state, values, reason = dict(result.attrs), result.state, result.values, result.reason
    if values is not None and not checks.are_results(values, trial.study.directions):
        state, values, reason = FAIL, None, "nan"
    if state == FAIL and reason is not None:
        attrs["fail_reason"] = reason
    if state == PRUNED and values is None:
        values = last_report(trial)
    return [
        records.trial_record(records.SET_TRIAL_SYSTEM_ATTR, trial.trial_id, system_attr={USAGE_ATTR: dict(result.usage)}),
        *finishing(trial.trial_id, state, values, attrs, result.constraints, request_id),
    ]


def n_failures(study: OpenStudy, number: int) -> int:
    """How many attempts at a running trial failed and were made again."""
    trial = study.state().live.get(number)
    noted = [] if trial is None else trial.system_attrs.get(FAILURES_ATTR)
    return len(noted) if isinstance(noted, list) else 0


@verb
def rerun(study: OpenStudy, number: int, attempt: int, owner: Mapping[str, Any], mark: str, reason: str) -> int | None:
    """Begin the attempt at a trial after ``attempt``, which failed: its number; None when the trial is not this owner's any more.

    The same call again changes nothing.
    """
    with study.turn.lock, study.turn, study.journal.locked():
        trial = _own(study, number, owner)
        if trial is None:
            return None
        if holder_of(trial).attempt > attempt:
            return holder_of(trial).attempt
        holder, noted = holder_of(trial), trial.system_attrs.get(FAILURES_ATTR)
        failures = [*(noted if isinstance(noted, list) else []), {"attempt": holder.attempt, "reason": reason}]
        why = f"attempt {holder.attempt} failed ({reason})"
        claim: dict[str, Any] = {"owner": owner, "mark": mark, "attempt": holder.attempt + 1, "deaths": holder.deaths}
        attrs: dict[str, Any] = {FAILURES_ATTR: failures, OWNER_ATTR: {**claim, "at": records.now_iso(), "why": why}}
        batch = [
            records.trial_record(records.SET_TRIAL_SYSTEM_ATTR, trial.trial_id, system_attr={key: value})
            for key, value in attrs.items()
        ]
        *_, effect = study.journal.append(batch)
    return holder.attempt + 1 if effect else None


@verb
def report_all(
    study: OpenStudy, number: int, owner: Mapping[str, Any], reports: Iterable[tuple[int, float]], ended: bool = False
) -> bool:
    """Record intermediate values, each step's first, until the study's pruner says stop: whether it does.

    It is asked after each step, as a trainer asks that waits for the answer: what it says must not depend on how many steps were
    seen at a time. Those after its word are dropped, unless the trainer has ``ended``: then nothing is left to stop. False for a
    trial that is not this owner's any more.
    """
    with study.turn.lock, study.turn, study.journal.locked():
        for step, value in reports:
            if _own(study, number, owner) is None:
                return False
            _report(study, number, step, value, None)
            if _is_to_stop(study, number, ended) and not ended:
                return True
    return False


@verb
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
            if trial is not None and not holder_of(trial).released:
                holder = holder_of(trial)
                deaths = holder.deaths + died
                note: dict[str, Any] = {"owner": holder.owner, "attempt": holder.attempt, "deaths": deaths, "released": True}
                note |= {} if holder.mark is None else {"mark": holder.mark}
                assign(study, number, holder, note, "its client is gone")


@verb
def adopt(study: OpenStudy, marks: Sequence[str], owner: Mapping[str, Any]) -> list[tuple[int, int]]:
    """Take over the running trials whose asks had these marks, for a client that connects again: number and attempt of each.

    Those that somebody else took up meanwhile bear another mark. The attempt stays the same: the trainer is the same, and the end
    of a connection killed nothing.
    """
    taken = []
    with study.turn.lock, study.turn:
        study.journal.sync()
        for trial in owned(study.state()):
            holder = holder_of(trial)
            if holder.mark not in marks:
                continue
            deaths = holder.deaths - (holder.released and holder.deaths > 0)
            note = {"owner": owner, "mark": holder.mark, "attempt": holder.attempt, "deaths": deaths}
            if (holder.owner == owner and not holder.released) or assign(study, trial.number, holder, note, "its client is back"):
                taken.append((trial.number, holder.attempt))
    return taken
