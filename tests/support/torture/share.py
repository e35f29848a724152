"""What a part of the torture is given, and what comes of it: a share of its runs, a folder, a tally of the findings."""

from __future__ import annotations

import random
import re
import shutil
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

from torture.children import Child

_Way = TypeVar("_Way")
_MAX_NOTES = 200


@dataclass
class Tally:
    """Counts of runs and of findings, and a note of each finding with all that is needed to repeat it.

    ``lost``: something whole or acknowledged that is not there afterwards. ``doubled``: something there twice. ``wrong``: any
    other wrong answer, a wrong exit code, a traceback, a hang. A note without a finding says what could not be checked here.
    ``counts`` says how many runs had a property that is worth counting.
    """

    runs: int = 0
    lost: int = 0
    doubled: int = 0
    wrong: int = 0
    notes: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def clean(self) -> bool:
        return not (self.lost or self.doubled or self.wrong)

    def find(self, kind: str, text: str, count: int = 1) -> None:
        setattr(self, kind, getattr(self, kind) + count)
        self.note(text)

    def note(self, text: str) -> None:
        """Keep a note; each text once, and no more than people read."""
        if text not in self.notes and len(self.notes) < _MAX_NOTES:
            self.notes.append(text)

    def add(self, other: Tally) -> None:
        for kind in ("runs", "lost", "doubled", "wrong"):
            setattr(self, kind, getattr(self, kind) + getattr(other, kind))
        self.counts.update(other.counts)
        for text in other.notes:
            self.note(text)


class Share:
    """Every ``of``-th run of a part that has ``n``, from number ``place`` on. A run must not depend on the share it is in.

    ``until``: what a note has to contain for the rest of the runs to be left out.
    """

    def __init__(
        self, n: int, seed: int, folder: Path, place: int = 0, of: int = 1, findings: Path | None = None, until: str | None = None
    ) -> None:
        self.n, self.seed, self.place, self.of, self._until = n, seed, place, of, until
        self.folder, self.findings = folder, findings or folder / "findings"
        self.tally = Tally()

    @property
    def size(self) -> int:
        return len(range(self.place, self.n, self.of))

    def each(self, ways: Sequence[_Way], body: Callable[[Run, _Way], object]) -> None:
        """Do those runs of the part's ``ways`` that are in this share. What a body raises is a finding."""
        for number in range(self.place, len(ways), self.of):
            if self._until is not None and any(self._until in note for note in self.tally.notes):
                return
            self.run(number, lambda run, way=ways[number]: body(run, way))  # type: ignore[misc]

    def run(self, number: int, body: Callable[[Run], object], runs: int = 1) -> None:
        """Do one run, or one that counts as several."""
        run = Run(self, number)
        self.tally.runs += runs
        try:
            body(run)
        except Exception:
            run.find("wrong", traceback.format_exc())

    def judge(self, part: Part) -> Tally:
        """Do the part in a process of its own, whose limits, faults and working folder it may spoil."""

        def body() -> Tally:
            self.folder.mkdir(parents=True, exist_ok=True)
            part(self)
            return self.tally

        ended = Child(body).end()
        if isinstance(ended.result, Tally):
            return ended.result
        return Tally(wrong=1, notes=[f"the part itself ended with {ended.status}: {ended.error}"])


Part = Callable[[Share], object]
Clean = Callable[[Part], Tally]
Tortured = Callable[[Part, int], Tally]
Finds = Callable[[Part, int, str], bool]


class Run:
    """One run of a part. ``what`` says in notes what is special about it; ``folder`` is kept where something is found."""

    def __init__(self, share: Share, number: int) -> None:
        self.share, self.seed, self.number = share, share.seed, number
        self.folder = share.folder / "run"
        self.what = ""

    def fresh(self, *folders: str) -> Path:
        """Its folder, empty but for these folders in it."""
        shutil.rmtree(self.folder, ignore_errors=True)
        for name in folders or ("",):
            (self.folder / name).mkdir(parents=True)
        return self.folder

    def dice(self, *place: object) -> random.Random:
        """Random numbers that depend on the seed and the place only."""
        return chance(self.seed, *place)

    def count(self, text: str, count: int = 1) -> None:
        self.share.tally.counts[text] += count

    def find(self, kind: str, text: str, **files: bytes) -> None:
        """A finding. The run's folder is kept as it is now, with these files beside it, for whoever looks into it."""
        self.share.tally.find(kind, f"seed {self.seed}, run {self.number} of {self.share.n}, {self.what}: {text}")
        if len(self.share.tally.notes) == _MAX_NOTES:
            return
        place = self.share.findings / re.sub(r"\W+", "-", f"{self.number} {self.what}")[:100]
        shutil.rmtree(place, ignore_errors=True)
        try:
            shutil.copytree(self.folder, place, symlinks=True, ignore=_special_files)
        except (OSError, shutil.Error):
            place.mkdir(parents=True, exist_ok=True)  # what was planted there may not be readable
        for name, data in files.items():
            (place / name).write_bytes(data)


def _special_files(folder: str, names: Iterable[str]) -> list[str]:
    """What would hang or fill the disk if it were copied: FIFOs, devices."""
    paths = ((name, Path(folder) / name) for name in names)
    return [name for name, path in paths if not (path.is_symlink() or path.is_file() or path.is_dir())]


def evenly(ways: Sequence[_Way], n: int) -> list[_Way]:
    """``n`` of the ways, one out of each of ``n`` equal parts; over and over where there are fewer.

    Not always the same place of a part: what comes in turns, such as the writers of a cut, would be chosen once for all.
    """
    if n >= len(ways):
        return [ways[index % len(ways)] for index in range(n)]
    ends = [index * len(ways) // max(1, n) for index in range(n + 1)]
    return [ways[start + index * 7919 % (end - start)] for index, (start, end) in enumerate(pairwise(ends))]


def chance(seed: int, *place: object) -> random.Random:
    return random.Random(":".join(map(str, (seed, *place))))


def plain(tally: Tally) -> dict[str, Any]:
    """A tally as data that pytest-xdist carries from its workers."""
    return {**vars(tally), "counts": dict(tally.counts)}
