"""Whether those that were refused were refused rightly: a package that refuses everything loses and doubles nothing either."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torture.checker.results import is_repeat

if TYPE_CHECKING:
    from torture.checker.court import Court
    from torture.checker.evidence import Trial
    from torture.checker.logged import Call


def refusals(court: Court, also: frozenset[int]) -> None:
    """Each refusal must be right for some moment of its call. ``also``: exit codes that the machine explains here."""
    for call in court.calls:
        if call.refused and call.code not in also and not _is_right(court, call):
            court.find("wrong", f"an answer that can't be right here: {call}")


def _is_right(court: Court, call: Call) -> bool:
    if call.what in ("create", "delete"):
        return call.code == (4 if call.what == "create" else 3) and _studies(court, call)
    if court.study is None:
        return call.code == 3
    if call.what == "ask":
        return call.code == 11 and call.asked.get("max_trials", float("inf")) <= _possible_trials(court, call)
    if call.what in ("tell", "report") and call.code == 3:
        return not 0 <= call.asked["number"] <= _newest_before(court, call)
    if call.what in ("tell", "report") and call.code == 4 and 0 <= call.asked["number"] < len(court.trials):
        trial = court.trials[call.asked["number"]]
        return _waits(court, call, trial) or _finished(court, call, trial)
    return False


def _studies(court: Court, call: Call) -> bool:
    """Whether another one can have created or deleted the study before; one to delete may also never have been there."""
    others = [o for o in court.of(call.what) if o is not call and o.asked["name"] == call.asked["name"] and not o.refused]
    if any(other.begin < (call.end or 0) for other in others):
        return True
    created = [o.end or 0 for o in court.of("create") if o.asked["name"] == call.asked["name"] and o.acknowledged]
    return call.what == "delete" and not any(end < call.begin for end in created)


def _possible_trials(court: Court, call: Call) -> int:
    began = court.began("ask", "enqueue")
    return sum(began.get(trial.number, 0) < (call.end or 0) for trial in court.trials)


def _newest_before(court: Court, call: Call) -> int:
    """The highest number that had been acknowledged before the call began."""
    known = [e.number for e in court.effects if e.what in ("ask", "enqueue") and e.end is not None and e.end < call.begin]
    return max(known, default=-1)


def _waits(court: Court, call: Call, trial: Trial) -> bool:
    """Whether it can have been enqueued, and not asked for yet."""
    claimed = [e.end for e in court.effects if e.what == "ask" and e.number == trial.number and e.end is not None]
    return trial.born_waiting and not any(end < call.begin for end in claimed)


def _finished(court: Court, call: Call, trial: Trial) -> bool:
    """Whether it can have been finished already; for one of our tells, with another result than it brings."""
    finish = trial.finish
    if finish is None or court.began("tell").get(trial.number, 0) >= (call.end or 0):
        return False
    return call.what == "report" or not call.ours or not is_repeat(trial, finish, call)
