"""The checker of histories: clients' logs of what they asked and were answered, held against the journal's bytes.

A call is *acknowledged* when it answered, *refused* when it raised an error that says so, and *in doubt* when its client was
killed before it answered, or was told that it is in doubt. Acknowledged calls took effect once and bit for bit, refused ones
didn't, those in doubt did at most once and whole. A tell is more than one record where it has attributes; of one in doubt the
attributes may stand without the result, and the trial is still running then.

The checker imports nothing of the package that it checks. What it can't see: that an fsync was left out. A killed process leaves
its writes in the kernel; only a power cut takes them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torture.checker.asks import asks, choices
from torture.checker.court import Court
from torture.checker.enqueues import enqueues, requests, studies
from torture.checker.evidence import Evidence
from torture.checker.logged import Call, Finding, read_calls
from torture.checker.order import in_order, looks
from torture.checker.refusals import refusals
from torture.checker.tells import reports, tells

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Call", "Finding", "judge", "read_calls"]


def judge(data: bytes, calls: Iterable[Call], *, study: str = "study", also: frozenset[int] = frozenset()) -> list[Finding]:
    """The calls of one study held against the bytes of its journal. ``also``: exit codes that the machine explains here."""
    evidence = Evidence(data)
    court = Court(evidence, study, list(calls))
    court.findings += [Finding(kind, text) for kind, text in evidence.faults]
    studies(court)
    if court.study is not None:
        # The last two need the effects of all calls, which the others note.
        for rule in (asks, tells, reports, enqueues, requests, in_order, looks, choices):
            rule(court)
    elif any(call.acknowledged and call.what in ("tell", "enqueue", "ask") for call in court.calls):
        court.find("lost", f"study {study!r} is not in the journal, but calls on it were acknowledged")
    refusals(court, also)
    return court.findings
