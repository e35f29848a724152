"""The order of effects in the log, and what clients saw that only looked."""

from __future__ import annotations

import bisect
from itertools import pairwise
from typing import TYPE_CHECKING

from torture.checker.court import grouped

if TYPE_CHECKING:
    from torture.checker.court import Court
    from torture.checker.logged import Call

_KEYS = {"trials": ("ask", "enqueue"), "finished": ("tell",)}


def in_order(court: Court) -> None:
    """A call that answered before another one began comes before it in the log."""
    ended = sorted((effect.offset, effect.end, effect.text) for effect in court.effects if effect.end is not None)
    began = sorted((effect.first, effect.begin, effect.text) for effect in court.effects)
    earliest, whose = float("inf"), ""
    for offset, begin, text in reversed(began):
        while ended and ended[-1][0] > offset:
            _, end, other = ended.pop()
            if end < earliest:
                earliest, whose = end, other
        if earliest < begin:
            court.find("wrong", f"in the log {text} comes before {whose}, which had answered before it began")


def looks(court: Court) -> None:
    """A reader sees all that was acknowledged before, nothing that nobody had begun, and no less than the time before."""
    seen = [call for call in court.of("look") if call.acknowledged]
    for key, kinds in _KEYS.items():
        ends = sorted(e.end for e in court.effects if e.what in kinds and not e.claim and e.end is not None)
        began, possible = court.began(*kinds), [t for t in court.trials if key == "trials" or t.finishes]
        begins = sorted(began.get(trial.number, 0) for trial in possible)
        for look in seen:
            _bounded(court, look, key, bisect.bisect_left(ends, look.begin), bisect.bisect_left(begins, look.end or 0))
        for own in grouped(seen, lambda call: call.client).values():
            for before, look in pairwise(sorted(own, key=lambda call: call.begin)):
                if look.answer[key] < before.answer[key]:
                    court.find("lost", f"{look}, but the same client had seen {before.answer[key]} {key} before")


def _bounded(court: Court, look: Call, key: str, least: int, most: int) -> None:
    if look.answer[key] < least:
        court.find("lost", f"{look}, but {least} {key} had been acknowledged before")
    if look.answer[key] > most:
        court.find("wrong", f"{look}, but no more than {most} {key} can have been there")
