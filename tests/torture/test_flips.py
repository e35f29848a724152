"""Every bit of a journal and of its snapshot flipped, one at a time: found, or without any effect.

A flipped bit in a journal is named with an offset in the line that it is in, or changes nothing of what is read. A flipped bit in
a snapshot never changes an answer; beside the flipped journal's own snapshot, what is read is right or the bit is named.

What can't be so, by construction, is counted apart, and each time its exact condition is checked (``_Flips._excuse``):

- a record of others has no checksum: if it still is a record, our next record names the damage before it;
- records of others after our last one are covered by nothing yet;
- without the very last newline the last record is one that was never finished.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from torture import journals, views
from torture.share import Clean, Finds, Run, Share, evenly

from journaltune.base.errors import JournalDamagedError
from journaltune.journal import snapshot
from journaltune.journal.fold import Fold
from journaltune.journal.journal import Journal

_RUNS = 98_000
_IN_JOURNAL, _IN_SNAPSHOT, _IN_JOURNAL_BESIDE_SNAPSHOT = "journal", "snapshot", "journal beside its snapshot"


@pytest.mark.torture(runs=_RUNS, few=1500)
def test_a_flipped_bit_is_found_or_has_no_effect(clean: Clean) -> None:
    tally = clean(flips)
    assert sum(tally.counts.values()) == tally.runs
    assert tally.counts["named in its line"] > tally.runs / 2


def flips(share: Share) -> None:
    whole = _Whole(share.folder / "whole.journal", share.seed)
    sizes = {_IN_JOURNAL: whole.journal, _IN_SNAPSHOT: whole.snapshot, _IN_JOURNAL_BESIDE_SNAPSHOT: whole.journal}
    bits = [(place, bit) for place, data in sizes.items() for bit in range(8 * len(data))]
    # The whole is every bit, of a journal that records what machine this is.
    share.each(bits if share.n == _RUNS else evenly(bits, share.n), _Flips(whole, share.folder / "run").run)


class _Whole:
    """A journal, its snapshot, what they say, and where the lines are."""

    def __init__(self, path: Path, seed: int) -> None:
        journals.make(path, seed, n_more=2)
        journals.append(path, b"    ")  # a torn line that was mended
        journals.make_tail(path)
        Journal(str(path)).save_snapshot()
        self.journal = path.read_bytes()
        self.snapshot = snapshot_of(path).read_bytes()
        self.all = views.all_of(path)
        lines = self.journal.splitlines(keepends=True)
        self.sealed = [b'"worker_id":"journaltune"' in line for line in lines]
        self.ends = [sum(map(len, lines[: place + 1])) for place in range(len(lines))]
        path.write_bytes(self.journal[: self.ends[-2]])
        shutil.rmtree(f"{path}.d")
        self.without_last = views.all_of(path)

    def line_of(self, at: int) -> int:
        return next(place for place, end in enumerate(self.ends) if at < end)

    def next_sealed_end(self, line: int) -> int | None:
        """Where the next record of ours after a line ends; None when there is none."""
        return next((self.ends[place] for place in range(line + 1, len(self.ends)) if self.sealed[place]), None)


def snapshot_of(path: Path) -> Path:
    return Path(snapshot.path_of(str(path)))


class _Flips:
    def __init__(self, whole: _Whole, folder: Path) -> None:
        folder.mkdir()
        self._whole, self._path = whole, folder / "s.journal"
        self._snapshot = snapshot_of(self._path)
        self._path.write_bytes(whole.journal)
        Journal(str(self._path)).save_snapshot()  # its own: a snapshot is for one file
        self._whole_snapshot = self._snapshot.read_bytes()
        assert Journal(str(self._path)).opened_at == len(whole.journal), "a snapshot that is right is not taken"

    def run(self, run: Run, way: tuple[str, int]) -> None:
        place, bit = way
        run.what = f"bit {bit % 8} of byte {bit // 8} of the {place}"
        journal, beside = self._whole.journal, None if place == _IN_JOURNAL else self._whole_snapshot
        if place == _IN_SNAPSHOT:
            beside = flipped(self._whole_snapshot, bit % (8 * len(self._whole_snapshot)))
        else:
            journal = flipped(journal, bit)
        seen = self._read(journal, beside)
        kind = self._kind(place, bit // 8, seen)
        if kind:
            run.count(kind)
        else:
            run.find("wrong", f"read as {seen!r}")

    def _read(self, journal: bytes, beside: bytes | None) -> JournalDamagedError | list[Any]:
        self._path.write_bytes(journal)
        if beside is None:
            self._snapshot.unlink(missing_ok=True)
        else:
            self._snapshot.write_bytes(beside)
        try:
            return views.all_of(self._path)
        except JournalDamagedError as damage:
            return damage

    def _kind(self, place: str, at: int, seen: JournalDamagedError | list[Any]) -> str:
        """What is right about an answer; empty when it is wrong."""
        if seen == self._whole.all:
            return "without any effect"
        if place == _IN_SNAPSHOT:
            return ""
        line = self._whole.line_of(at)
        start, end = self._whole.ends[line - 1] if line else 0, self._whole.ends[line]
        if isinstance(seen, JournalDamagedError) and start <= seen.offset <= end - 1:
            return "named in its line"
        return self._excuse(at, line, seen)

    def _excuse(self, at: int, line: int, seen: JournalDamagedError | list[Any]) -> str:
        """What can't be found in its line by construction; each with its exact condition."""
        whole = self._whole
        covered = whole.next_sealed_end(line)
        if isinstance(seen, JournalDamagedError):
            own = covered is not None and seen.offset < covered
            return "in a record of others, named at our next record" if own and not whole.sealed[line] else ""
        if at == len(whole.journal) - 1 and seen == whole.without_last:
            return "the very last newline: the record counts as never written"
        if covered is None and not whole.sealed[line]:
            return "in a record of others after our last one: still a record, so nothing tells"
        return ""


def flipped(data: bytes, bit: int) -> bytes:
    at = bit // 8
    return data[:at] + bytes((data[at] ^ 1 << bit % 8,)) + data[at + 1 :]


def test_the_whole_is_every_bit() -> None:
    data = b"ab\n"
    seen = {flipped(data, bit) for bit in range(8 * len(data))}
    assert len(seen) == 24
    assert all(sum((a ^ b).bit_count() for a, b in zip(data, other, strict=True)) == 1 for other in seen)


class TestAFaultIsFound:
    def test_a_journal_whose_checksums_nobody_compares(self, finds: Finds, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Fold, "_check", lambda *_: None)
        assert finds(flips, 400, "of the journal")

    def test_a_snapshot_whose_checksums_nobody_compares(self, finds: Finds, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(snapshot, "crc32", lambda data, value=0: 0)
        assert finds(flips, 400, "of the snapshot")
