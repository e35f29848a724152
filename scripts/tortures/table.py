"""The table: a line for each part, the notes below."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.table import aligned

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tortures.tally import Tally

TITLES = ("part", "runs", "what was checked", "lost", "doubled", "wrong", "seconds")


@dataclass(frozen=True, slots=True)
class Line:
    """What came of one part; ``checked`` is the first line of its module's docstring."""

    part: str
    checked: str
    tally: Tally
    seconds: float

    def cells(self) -> tuple[str, ...]:
        tally = self.tally
        counts = (f"{count:,}" for count in (tally.lost, tally.doubled, tally.wrong))
        return (self.part, f"{tally.runs:,}", self.checked, *counts, f"{self.seconds:.1f}")

    def notes(self) -> list[str]:
        return [*(f"{count:,} {kind}" for kind, count in self.tally.counts.items()), *self.tally.notes]


def render(lines: Sequence[Line]) -> str:
    """The table as text, then every note with the part that it is from."""
    text = aligned([TITLES, *(line.cells() for line in lines)], to_the_right={1, *range(3, len(TITLES))})
    notes = [f"{line.part}: {note}" for line in lines for note in line.notes()]
    return "\n".join([*text, *(["", *notes] if notes else [])])
