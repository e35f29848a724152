"""What a part of the torture found."""

from __future__ import annotations

from dataclasses import dataclass, field

_NOTES_KEPT = 200


@dataclass
class Tally:
    """Counts of runs and of findings; each finding is a note with all that is needed to repeat it.

    ``lost``: something whole or acknowledged that is not there afterwards. ``doubled``: something there twice. ``wrong``: any
    other wrong answer, a wrong exit code, a traceback, a hang. A note without a finding says what could not be checked here.
    ``counts`` says of how many runs something holds that is worth telling apart.
    """

    runs: int = 0
    lost: int = 0
    doubled: int = 0
    wrong: int = 0
    notes: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.runs + other.runs,
            self.lost + other.lost,
            self.doubled + other.doubled,
            self.wrong + other.wrong,
            list(dict.fromkeys([*self.notes, *other.notes]))[:_NOTES_KEPT],
            {kind: self.counts.get(kind, 0) + other.counts.get(kind, 0) for kind in {**self.counts, **other.counts}},
        )

    @property
    def clean(self) -> bool:
        return not (self.lost or self.doubled or self.wrong)

    def note(self, text: str) -> None:
        """Keep a note; the first of each text, and no more than people read."""
        if text not in self.notes and len(self.notes) < _NOTES_KEPT:
            self.notes.append(text)
