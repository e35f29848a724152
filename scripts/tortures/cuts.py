"""A journal cut at every byte, with NULs or garbage behind, written to next by us or by stock Optuna.

Afterwards: what was whole before the cut is there bit for bit, once; what was acknowledged since is there; stock Optuna reads the
same. A call of several records is whole with its last one: before that, what there is of it is taken back when we write next.
Where stock Optuna wrote onto a torn line, we read everything or name the line, and ``repair`` brings back all of it.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from optuna.storages.journal import JournalFileBackend

from journaltune.base.errors import JournalDamagedError
from journaltune.engine.enqueue import enqueue
from journaltune.journal.upkeep.repair import repair
from journaltune.study.open_study import open_study
from tortures import journals, views
from tortures.machinery import chance, evenly, keep, spread
from tortures.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from random import Random

    from tortures.views import View

TARGET = 20_000
_GARBAGE = ("nothing", "NULs", "garbage")
_WRITERS = ("ours", "stock")


def run(n: int, seed: int, folder: Path, say: Callable[[str], None]) -> Tally:
    whole = _whole_journals(seed, folder)
    ways = [[(book, at, way) for at in range(len(book.data) + 1) for way in range(6)] for book in whole]
    chosen = _chosen(ways[0], ways[1], n)
    say(f"journals of {' and '.join(str(len(book.data)) for book in whole)} bytes")

    def work(share: range, own: Path) -> Tally:
        tally = Tally()
        for index in share:
            book, at, way = chosen[index]
            tally += _Cut(book, at, _GARBAGE[way % 3], _WRITERS[way // 3], seed, own).run()
        return tally

    return spread(n, work, folder)


def _chosen(first: list[_Way], second: list[_Way], n: int) -> list[_Way]:
    """All cuts of the first journal, if ``n`` allows it, and evenly spaced ones of the second; else such ones of both."""
    if n <= len(first):
        return evenly(first + second, n)
    return first + evenly(second, n - len(first))


@dataclass(frozen=True)
class _Whole:
    """A journal before it is cut, what it says up to the end of each of its lines, and where the last whole call ends there."""

    data: bytes
    views: dict[int, View]
    settled: dict[int, int]


def _whole_journals(seed: int, folder: Path) -> list[_Whole]:
    """Two. A stock study begins the second one, and what mending a torn line left."""
    first, second = folder / "first.journal", folder / "second.journal"
    journals.make(first, seed)
    journals.append(second, journals.stock_line(0, study_name="stock", directions=[2]), b" " * 20)
    journals.make(second, seed + 1)
    return [_whole(first), _whole(second)]


def _whole(path: Path) -> _Whole:
    data, ends = path.read_bytes(), [0]
    while (end := data.find(b"\n", ends[-1])) >= 0:
        ends.append(end + 1)
    seen = {}
    for end in ends:
        path.write_bytes(data[:end])
        seen[end] = views.ours(path)
        if views.stock(path) != seen[end]:
            raise AssertionError(f"{path}: stock Optuna reads the first {end} bytes otherwise than we do, before any cut")
    return _Whole(data, seen, {end: _settled(data, end) for end in ends})


def _settled(data: bytes, end: int) -> int:
    """Where the call begins whose last record is still to come at ``end``; ``end`` itself where none is."""
    line = data[data.rfind(b"\n", 0, max(0, end - 1)) + 1 : end].strip()
    jt = json.loads(line).get("jt", {}) if line else {}
    return end - 1 - len(line) - (jt["at"] - jt["from"]) if "from" in jt else end


_Way = tuple[_Whole, int, int]


class _Cut:
    """One cut of one journal, and what is written next."""

    def __init__(self, whole: _Whole, at: int, garbage: str, writer: str, seed: int, folder: Path) -> None:
        self.what = f"seed {seed}, journal of {len(whole.data)} bytes cut at {at}, {garbage} behind, {writer} writes next"
        self.name = f"{len(whole.data)}-{at}-{garbage}-{writer}"
        self.end = whole.data.rfind(b"\n", 0, at) + 1  # of what is whole
        self.before = whole.views[self.end]
        self.bytes = whole.data[:at] + _garbage(garbage, chance(seed, at, garbage))
        # A record that lacks its newline only is whole; where others write behind it, repair may save it.
        self.saved = whole.views[at + 1] if whole.data[at : at + 1] == b"\n" else self.before
        self.torn = bool(self.bytes[self.end :].strip(b" "))  # blanks are what mending leaves
        self.broken = b"\n" in self.bytes[self.end :]  # a line that is none: nobody may write, repair has to come first
        self.writer = writer
        self.kept = whole.settled[self.end] if writer == "ours" else self.end
        self.settled = whole.views[self.kept]
        if not self.broken:  # else a record that repair makes of the broken line may stand behind the call, which stays then
            self.before = self.settled
        self.folder, self.path = folder, folder / "s.journal"

    def run(self) -> Tally:
        shutil.rmtree(f"{self.path}.d", ignore_errors=True)
        self.path.write_bytes(self.bytes)
        tally = Tally(runs=1)
        try:
            self._ours(tally) if self.writer == "ours" else self._stock(tally)
        except Exception as error:
            tally.wrong += 1
            tally.note(f"{self.what}: {type(error).__name__}: {error}")
        if not tally.clean:
            keep(self.folder, self.name, self.path, cut=self.bytes)
        return tally

    def _ours(self, tally: Tally) -> None:
        if self.broken:
            self._damaged(tally)
            if not self.before:  # the first record was cut: there is nothing to lose, and repair saves what it can, or refuses
                return
            self._mend(tally)
        if journals.NAME in self.before:
            self._enqueue(tally)
        else:
            journals.create(self.path, 5).close()
            self._compare(tally, views.ours(self.path), {*self.before, journals.NAME}, 0)

    def _enqueue(self, tally: Tally) -> None:
        n_trials = len(self.before[journals.NAME]) - 1
        with open_study(self.path, journals.NAME) as study:
            number = enqueue(study, {"x": 0.75}, attrs={"late": "✓"})
        after = views.ours(self.path)
        self._compare(tally, after, {*self.before}, 1)
        n_placeholders = sum(map(_is_placeholder, after[journals.NAME])) - sum(map(_is_placeholder, self.before[journals.NAME]))
        if (
            number not in (n_trials, n_trials + n_placeholders, len(self.saved[journals.NAME]) - 1)
            or '"late"' not in after[journals.NAME][-1]
        ):
            tally.lost += 1
            tally.note(f"{self.what}: trial {number} was acknowledged and is not there")

    def _stock(self, tally: Tally) -> None:
        name = f"after{len(self.before)}"
        log = {"op_code": 0, "worker_id": "stock-2", "study_name": name, "directions": [2]}
        JournalFileBackend(str(self.path)).append_logs([log])
        if self.torn:
            self._damaged(tally)
            self._mend(tally)
        self._compare(tally, views.ours(self.path), {*self.before, name}, 0)

    def _damaged(self, tally: Tally) -> None:
        """The line that is none is named; its bytes, or the first of them that is not text."""
        try:
            views.ours(self.path)
        except JournalDamagedError as damage:
            line_end = self.path.read_bytes().find(b"\n", self.end)
            if not self.end <= damage.offset <= line_end:
                tally.wrong += 1
                tally.note(f"{self.what}: damage named at {damage.offset}, it is from {self.end} to {line_end}")
        else:
            tally.wrong += 1
            tally.note(f"{self.what}: read without a word of the line that is none")

    def _mend(self, tally: Tally) -> None:
        if not repair(str(self.path)):
            tally.wrong += 1
            tally.note(f"{self.what}: repair found nothing to mend")

    @staticmethod
    def _against(before: View, after: View, studies: set[str], n_new: int) -> Tally:
        """What of ``before`` is lost, and what there is too much of; one trial at most was torn, and has a placeholder."""
        tally = Tally()
        for name, trials in before.items():
            found = after.get(name, [])
            placeholders = [trial for trial in found if trial not in trials and _is_placeholder(trial)]
            tally.lost += len(set(trials) - set(found))
            tally.doubled += max(0, len(found) - len(trials) - n_new - len(placeholders[:1]))
        wanted = studies | before.keys()
        tally.lost += len(wanted - after.keys())
        # What repair makes of a study's record that was cut, its name included or not.
        rebuilt = {journals.NAME, "stock", "recovered-0"} if not before else set()
        tally.doubled += len(after.keys() - wanted - rebuilt)
        return tally

    def _compare(self, tally: Tally, after: View, studies: set[str], n_new: int) -> None:
        """What was whole is there, once, and bit for bit; stock Optuna sees the same."""
        if self.path.read_bytes()[: self.kept] != self.bytes[: self.kept]:
            tally.wrong += 1
            tally.note(f"{self.what}: bytes of whole records were changed")
        against = [self._against(before, after, studies, n_new) for before in (self.before, self.saved, self.settled)]
        best = next((found for found in against if found.clean), against[0])
        tally.lost, tally.doubled = tally.lost + best.lost, tally.doubled + best.doubled
        if not tally.clean:
            tally.note(f"{self.what}: {self.before} became {after}")
        if views.stock(self.path) != after:
            tally.wrong += 1
            tally.note(f"{self.what}: stock Optuna reads something else than we do")


def _is_placeholder(trial: str) -> bool:
    """What `repair` puts in the place of an ask that was torn, so that the numbers after it stay: the trial has failed."""
    return '"FAIL", null, {}, {"fail_reason": "damaged"}' in trial or '"FAIL", null, {}, {}, {}, {}, null, null' in trial


def _garbage(kind: str, random: Random) -> bytes:
    """What a crash, or another program, leaves behind a torn line. It never begins with what could end a record well."""
    if kind == "NULs":
        return bytes(random.choice((1, 7, 512, 4096)))
    if kind == "garbage":
        text = random.randbytes(random.randrange(1, 40))
        if random.random() < 0.25:
            text += b"\n" + random.choice((b"", b"\n", b"   \n", b'{"op_code"', b"{}\n", b"\x00\n", b"[" * 3000 + b"\n"))
        return (b"\xff" if text[:1].isspace() or text[:1] == b"}" else b"") + text
    return b""
