"""Where a history is judged: the calls, the evidence, and what is known of each effect that calls had."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from torture.checker.logged import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable

    from torture.checker.evidence import Evidence, Study, Trial
    from torture.checker.logged import Call

_Thing = TypeVar("_Thing")


@dataclass(frozen=True, slots=True)
class Effect:
    """What a call left in the log at ``offset``, its first record at ``first``; several calls where one was repeated.

    The effect came to be after ``begin``, when the first of the calls was made, and before ``end``, when the first of them
    answered; None if no call answered. ``claim``: of an ask that took an enqueued trial.
    """

    what: str
    number: int
    offset: int
    first: int
    begin: int
    end: int | None
    text: str
    claim: bool = False


@dataclass(slots=True)
class Court:
    """One study's calls against its evidence. ``study`` is None if the journal has no such study."""

    evidence: Evidence
    name: str
    calls: list[Call]
    findings: list[Finding] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    study: Study | None = None
    trials: list[Trial] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.study = next(reversed(self.evidence.named(self.name)), None)
        self.trials = self.study.trials if self.study else []

    def find(self, kind: str, text: str) -> None:
        self.findings.append(Finding(kind, text))

    def of(self, what: str) -> list[Call]:
        return [call for call in self.calls if call.what == what]

    def note(self, trial: Trial, calls: list[Call], offset: int, *, first: int | None = None, claim: bool = False) -> None:
        """An effect that any of these calls may have had, which are all of one kind; refused ones had none."""
        called = [call for call in calls if not call.refused]
        if called:
            earliest = min(called, key=lambda call: call.begin)
            end = min((call.end for call in called if call.acknowledged and call.end is not None), default=None)
            place = offset if first is None else first
            self.effects.append(Effect(earliest.what, trial.number, offset, place, earliest.begin, end, str(earliest), claim))

    def asked_as(self, calls: list[Call], request: str | None) -> None:
        """A record has the request id of one of the calls that it may be of. An enqueue makes one up where none is given."""
        asked = {call.asked.get("request_id") for call in calls if not call.refused}
        if request not in asked and not (calls[0].what == "enqueue" and None in asked):
            self.find("wrong", f"{calls[0]}, but the journal has it with request id {request!r}")

    def began(self, *kinds: str, claims: bool = False) -> dict[int, int]:
        """By number of a trial: the earliest moment at which its effect of these kinds can have been there."""
        return {e.number: e.begin for e in self.effects if e.what in kinds and (claims or not e.claim)}


def grouped(things: Iterable[_Thing], key: Callable[[_Thing], Hashable]) -> dict[Any, list[_Thing]]:
    groups: dict[Any, list[_Thing]] = defaultdict(list)
    for thing in things:
        groups[key(thing)].append(thing)
    return groups
