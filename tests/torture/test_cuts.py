"""A journal cut at every byte, with NULs or garbage behind, written to next by us or by stock Optuna.

Afterwards: what was whole before the cut is there bit for bit, once; what was acknowledged since is there; stock Optuna reads the
same. A call of several records is whole with its last one: before that, what there is of it is taken back when we write next.
Where stock Optuna wrote onto a torn line, we read everything or name the line, and ``repair`` brings back all of it.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest
from optuna.storages.journal import JournalFileBackend
from torture import journals, views
from torture.share import Clean, Run, Share, Tortured, evenly

from journaltune.base.errors import JournalDamagedError
from journaltune.engine.enqueue import enqueue
from journaltune.journal import file, fold, tail
from journaltune.journal.upkeep.repair import repair
from journaltune.study import open_study

_GARBAGE = ("nothing", "NULs", "garbage")
_WRITERS = ("ours", "stock")


@pytest.mark.torture(runs=20_000, few=75)
def test_a_cut_loses_nothing_that_was_whole(clean: Clean) -> None:
    clean(cuts)


def cuts(share: Share) -> None:
    books = _books(share.seed, share.folder)
    first, second = ([(book, at, way) for at in range(len(book.data) + 1) for way in range(6)] for book in books)
    share.each(_chosen(first, second, share.n), lambda run, way: _Cut(run, *way).run())


def _chosen(first: list[_Way], second: list[_Way], n: int) -> list[_Way]:
    """All cuts of the first journal, if ``n`` allows it, and evenly spaced ones of the second; else such ones of both."""
    if n <= len(first):
        return evenly(first + second, n)
    return first + evenly(second, n - len(first))


@dataclass(frozen=True)
class _Book:
    """A journal before it is cut, what it says up to the end of each of its lines, and where the last whole call ends there."""

    data: bytes
    views: dict[int, views.View]
    settled: dict[int, int]


def _books(seed: int, folder: Path) -> tuple[_Book, _Book]:
    """Two journals. A stock study begins the second one, and blanks that mending a torn line left."""
    first, second = folder / "first.journal", folder / "second.journal"
    journals.make(first, seed)
    journals.append(second, journals.stock_line(0, study_name="stock", directions=[2]), b" " * 20)
    journals.make(second, seed + 1)
    return _book(first), _book(second)


def _book(path: Path) -> _Book:
    data, ends = path.read_bytes(), [0]
    while (end := data.find(b"\n", ends[-1])) >= 0:
        ends.append(end + 1)
    seen = {}
    for end in ends:
        path.write_bytes(data[:end])
        seen[end] = views.ours(path)
        assert not views.differs(path, seen[end]), f"the first {end} bytes, before any cut"
    return _Book(data, seen, {end: _settled(data, end) for end in ends})


def _settled(data: bytes, end: int) -> int:
    """Where the call begins whose last record is still to come at ``end``; ``end`` itself where no call is."""
    line = data[data.rfind(b"\n", 0, max(0, end - 1)) + 1 : end].strip()
    jt = json.loads(line).get("jt", {}) if line else {}
    return end - 1 - len(line) - (jt["at"] - jt["from"]) if "from" in jt else end


_Way = tuple[_Book, int, int]


class _Cut:
    """One cut of one journal, and what is written next."""

    def __init__(self, run: Run, book: _Book, at: int, way: int) -> None:
        garbage, self.writer = _GARBAGE[way % 3], _WRITERS[way // 3]
        run.what = f"journal of {len(book.data)} bytes cut at {at}, {garbage} behind, {self.writer} writes next"
        self.find, self.folder = run.find, run.folder
        self.path = run.folder / "s.journal"
        self.end = book.data.rfind(b"\n", 0, at) + 1  # of what is whole
        self.before = book.views[self.end]
        self.bytes = book.data[:at] + _garbage(garbage, run.dice(at, garbage))
        # A record that lacks its newline only is whole; where others write behind it, repair may save it.
        self.saved = book.views[at + 1] if book.data[at : at + 1] == b"\n" else self.before
        self.torn = bool(self.bytes[self.end :].strip(b" "))  # blanks are what mending leaves
        self.broken = b"\n" in self.bytes[self.end :]  # a line that is no record: nobody may write before repair
        self.kept = book.settled[self.end] if self.writer == "ours" else self.end
        self.settled = book.views[self.kept]
        if not self.broken:  # else a record that repair makes of the broken line may stand behind the call, which stays then
            self.before = self.settled

    def run(self) -> None:
        self.folder.mkdir(exist_ok=True)
        shutil.rmtree(f"{self.path}.d", ignore_errors=True)
        self.path.write_bytes(self.bytes)
        self._stock() if self.writer == "stock" else self._ours()

    def _ours(self) -> None:
        if self.broken:
            self._damaged()
            if not self.before:  # the first record was cut: there is nothing to lose, and repair saves what it can, or refuses
                return
            self._mend()
        if journals.NAME in self.before:
            self._enqueue()
        else:
            journals.create(self.path, 5).close()
            self._compare(views.ours(self.path), {*self.before, journals.NAME}, 0)

    def _enqueue(self) -> None:
        n_trials = len(self.before[journals.NAME]) - 1
        with open_study(self.path, journals.NAME) as study:
            number = enqueue(study, {"x": 0.75}, attrs={"late": "✓"})
        after = views.ours(self.path)
        self._compare(after, {*self.before}, 1)
        n_placeholders = sum(map(_is_placeholder, after[journals.NAME])) - sum(map(_is_placeholder, self.before[journals.NAME]))
        right = (n_trials, n_trials + n_placeholders, len(self.saved[journals.NAME]) - 1)
        if number not in right or "late" not in after[journals.NAME][-1]:
            self._find("lost", f"trial {number} was acknowledged and is not there")

    def _stock(self) -> None:
        name = f"after{len(self.before)}"
        log = {"op_code": 0, "worker_id": "stock-2", "study_name": name, "directions": [2]}
        JournalFileBackend(str(self.path)).append_logs([log])
        if self.torn:
            self._damaged()
            self._mend()
        self._compare(views.ours(self.path), {*self.before, name}, 0)

    def _damaged(self) -> None:
        """The line that is no record is named; its bytes, or the first of them that is not text."""
        try:
            views.ours(self.path)
        except JournalDamagedError as damage:
            line_end = self.path.read_bytes().find(b"\n", self.end)
            if not self.end <= damage.offset <= line_end:
                self._find("wrong", f"damage named at {damage.offset}, it is from {self.end} to {line_end}")
        else:
            self._find("wrong", "read without a word of the line that is no record")

    def _mend(self) -> None:
        if not repair(str(self.path)):
            self._find("wrong", "repair found nothing to mend")

    def _compare(self, after: views.View, studies: set[str], n_new: int) -> None:
        """What was whole is there, once, and bit for bit; stock Optuna sees the same."""
        if self.path.read_bytes()[: self.kept] != self.bytes[: self.kept]:
            self._find("wrong", "bytes of whole records were changed")
        against = [_against(before, after, studies, n_new) for before in (self.before, self.saved, self.settled)]
        for kind, count in zip(("lost", "doubled"), min(against, key=any), strict=True):
            if count:
                self._find(kind, f"{count}: {self.before} became {after}")
        if problem := views.differs(self.path, after):
            self._find("wrong", problem)

    def _find(self, kind: str, text: str) -> None:
        self.find(kind, text, cut=self.bytes)


def _against(before: views.View, after: views.View, studies: set[str], n_new: int) -> tuple[int, int]:
    """How much of ``before`` is lost, and how much is there too often; one trial at most was torn, and has a placeholder."""
    lost = doubled = 0
    for name, trials in before.items():
        there = after.get(name, [])
        placeholders = [trial for trial in there if trial not in trials and _is_placeholder(trial)]
        lost += len(set(trials) - set(there))
        doubled += max(0, len(there) - len(trials) - n_new - len(placeholders[:1]))
    wanted = studies | before.keys()
    return lost + len(wanted - after.keys()), doubled + len(after.keys() - wanted - (set() if before else _REBUILT))


# What repair makes of a study's record that was cut, its name included or not.
_REBUILT = {journals.NAME, "stock", "recovered-0"}


def _is_placeholder(line: str) -> bool:
    """What repair puts in the place of an ask that was torn, so that the numbers after it stay: the trial has failed."""
    trial = json.loads(line)
    if trial.get("state") != "FAIL" or trial["values"] is not None or trial["params"]:
        return False
    damaged = json.loads(trial["user_attrs"]) == {"fail_reason": "damaged"}
    return damaged or (trial["user_attrs"] == trial["system_attrs"] == "{}" and not trial["began"] and not trial["ended"])


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


class TestAFaultIsFound:
    def test_an_append_behind_a_torn_line_that_was_not_mended(self, tortured: Tortured, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tail, "mend_tail", lambda fd, path, **_: False)
        tally = tortured(cuts, 20)
        assert tally.wrong
        assert "writes next" in tally.notes[0]

    def test_mending_that_takes_too_much(self, tortured: Tortured, monkeypatch: pytest.MonkeyPatch) -> None:
        blank = file.blank
        monkeypatch.setattr(file, "blank", lambda path, fd, start, end: blank(path, fd, max(0, start - 200), end))
        assert not tortured(cuts, 20).clean

    def test_damage_that_is_named_elsewhere(self, tortured: Tortured, monkeypatch: pytest.MonkeyPatch) -> None:
        def misled(path: str, offset: int, what: str) -> JournalDamagedError:
            return JournalDamagedError(path, offset + 10_000, what)

        monkeypatch.setattr(fold, "JournalDamagedError", misled)
        assert tortured(cuts, 40).wrong
