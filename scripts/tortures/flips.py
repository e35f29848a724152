"""Every bit of a journal and of its snapshot flipped, one at a time: found, or without any effect

A flipped bit in a journal is named with an offset in the line that it is in, or changes nothing of what is read. A flipped bit in
a snapshot never changes an answer; beside the flipped journal's own snapshot, what is read is right or the bit is named.

What can't be so, by construction, is counted apart, and each time its exact condition is checked (``_Flips._excuse``):

- a record of others has no checksum: if it still is a record, our next record names the damage before it;
- records of others after our last one are covered by nothing yet;
- without the very last newline the last record is one that was never finished.
"""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from journaltune.base.errors import JournalDamagedError
from journaltune.journal import snapshot
from journaltune.journal.journal import Journal
from tortures import journals, views
from tortures.machinery import evenly, keep, spread
from tortures.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable

TARGET = 98_000
_IN_JOURNAL, _IN_SNAPSHOT, _IN_JOURNAL_BESIDE_SNAPSHOT = "journal", "snapshot", "journal beside its snapshot"


def run(n: int, seed: int, folder: Path, say: Callable[[str], None]) -> Tally:
    whole = _Whole(folder / "whole.journal", seed)
    sizes = {_IN_JOURNAL: whole.journal, _IN_SNAPSHOT: whole.snapshot, _IN_JOURNAL_BESIDE_SNAPSHOT: whole.journal}
    bits = [(place, bit) for place, data in sizes.items() for bit in range(8 * len(data))]
    n = len(bits) if n == TARGET else n  # the whole is every bit, of a journal that records what machine this is
    chosen = evenly(bits, n)
    say(f"a journal of {len(whole.journal)} bytes, a snapshot of {len(whole.snapshot)}: {len(bits):,} bits")

    def work(share: range, own: Path) -> Tally:
        flips = _Flips(whole, own, seed)
        for index in share:
            flips.run(*chosen[index])
        return flips.done()

    return spread(n, work, folder)


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
    def __init__(self, whole: _Whole, folder: Path, seed: int) -> None:
        self._whole, self._folder, self._seed = whole, folder, seed
        self._path = folder / "s.journal"
        self._snapshot = snapshot_of(self._path)
        self._path.write_bytes(whole.journal)
        Journal(str(self._path)).save_snapshot()  # its own: a snapshot is for one file
        self._whole_snapshot = self._snapshot.read_bytes()
        if Journal(str(self._path)).opened_at != len(whole.journal):
            raise AssertionError("a snapshot that is right is not taken")
        self._tally = Tally()
        self._seen: Counter[str] = Counter()

    def done(self) -> Tally:
        for kind, count in self._seen.items():
            self._tally.counts[kind] = count
        return self._tally

    def run(self, place: str, bit: int) -> None:
        whole = self._whole
        journal, beside = whole.journal, None if place == _IN_JOURNAL else self._whole_snapshot
        if place == _IN_SNAPSHOT:
            beside = flipped(self._whole_snapshot, bit % (8 * len(self._whole_snapshot)))
        else:
            journal = flipped(whole.journal, bit)
        self._tally.runs += 1
        try:
            seen = self._read(journal, beside)
            problem = self._judge(place, bit, seen)
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"
        if problem:
            self._tally.wrong += 1
            self._tally.note(f"seed {self._seed}, bit {bit % 8} of byte {bit // 8} of the {place}: {problem}")
            keep(self._folder, f"{place.replace(' ', '-')}-{bit}", self._path)

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

    def _judge(self, place: str, bit: int, seen: JournalDamagedError | list[Any]) -> str:
        """What is wrong with an answer; empty when nothing is."""
        at, damaged = bit // 8, isinstance(seen, JournalDamagedError)
        if not damaged and seen == self._whole.all:
            self._seen["without any effect"] += 1
            return ""
        if place == _IN_SNAPSHOT:
            return f"the answer changed: {seen}"
        line = self._whole.line_of(at)
        start, end = self._whole.ends[line - 1] if line else 0, self._whole.ends[line]
        if isinstance(seen, JournalDamagedError) and start <= seen.offset <= end - 1:
            self._seen["named in its line"] += 1
            return ""
        excuse = self._excuse(at, line, seen)
        if excuse:
            self._seen[excuse] += 1
            return ""
        return f"named at {seen.offset}, not in {start} to {end}" if isinstance(seen, JournalDamagedError) else f"read as {seen}"

    def _excuse(self, at: int, line: int, seen: JournalDamagedError | list[Any]) -> str:
        """What can't be found in its line by construction; each with its exact condition."""
        whole = self._whole
        covered = whole.next_sealed_end(line)
        if isinstance(seen, JournalDamagedError):
            own = covered is not None and seen.offset < covered
            if own and not whole.sealed[line]:
                return "in a record of others, named at our next record"
            return ""
        if at == len(whole.journal) - 1 and seen == whole.without_last:
            return "the very last newline: the record counts as never written"
        if covered is None and not whole.sealed[line]:
            return "in a record of others after our last one: still a record, so nothing tells"
        return ""


def flipped(data: bytes, bit: int) -> bytes:
    at = bit // 8
    return data[:at] + bytes((data[at] ^ 1 << bit % 8,)) + data[at + 1 :]
