"""Mending a damaged journal in place, so that every reader opens it again.

What no reader can apply is overwritten with spaces of the same length, and a copy of it kept in ``quarantine/``. Nothing is
appended, and the order of the records decides what they mean. So

- records that stand in one line get a newline between them, in the place of the garbage there, of one's checksums, or of a
  letter of its writer's name;
- a record of ours with one flipped bit gets it back, as its checksum tells which;
- records of ours that changed places change them back, and those that were doubled or put in are blanked;
- white space behind a record of ours, which hides its checksums, goes before it;
- where a record was destroyed that created a trial or a study, one that says no more than that takes its place, because all
  ids after it count on it. The trial has failed then, with reason ``damaged``;
- a record of ours that is whole, but says that something before it was changed, only loses its checksums. After a change in
  place that is the next one of ours only; after bytes were taken out it is each one, as each says where it was written. In
  the room of the checksums then stand the records for trials that were taken out.
"""

from __future__ import annotations

import os
from itertools import islice, takewhile

from journaltune.base.errors import JournalDamagedError, NotFoundError
from journaltune.base.frozen import Frozen
from journaltune.journal import file as files
from journaltune.journal import lock, records, snapshot, stock_lock, tail
from journaltune.journal.records import is_as_written, written_at
from journaltune.journal.upkeep import losses, misplaced, salvage
from journaltune.journal.upkeep.check import SnapshotCheck, is_journal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from journaltune.journal.upkeep.salvage import Piece

_CHUNK_BYTES = 8 * 1024 * 1024
_MOST_PASSES = 10
_UNSEALED = "kept, without its checksums"
_MOVED = "kept; the white space behind it stands before it now"
_MANY = {_UNSEALED: "kept, without their checksums", _MOVED: "kept; the white space behind them stands before them now"}


class Mended(Frozen):
    """One thing that was mended: where (None: the snapshot), how many bytes, what it was, what was done, the copy's path."""

    offset: int | None
    size_bytes: int
    what: str
    done: str
    copy: str


def repair(path: str | os.PathLike[str], *, lock_timeout_s: float = 60.0, allow_network_fs: bool = False) -> list[Mended]:
    """Mend the journal at ``path``; nobody writes meanwhile, stock Optuna neither. An empty list: it was whole.

    Copies are on disk before anything is overwritten, so whatever a kill leaves behind can be repaired again.
    NotFoundError for a file that is no journal at all. MachineError when a copy can't be kept or the file can't be written; what
    was mended before stays mended.
    """
    path = os.path.abspath(os.fspath(path))
    fd = files.open_journal(path, allow_network_fs=allow_network_fs)
    lock.open_fds.add(fd)
    try:
        lock.acquire(fd, path, lock_timeout_s)
        if not is_journal(fd):
            raise NotFoundError(f"{path} is no journal: there is no record in it; name one with -f")
        stock_lock.take(path, lock_timeout_s)
        try:
            return _repair(fd, path)
        finally:
            stock_lock.release(path)
    finally:
        lock.abandon(fd)


def _repair(fd: int, path: str) -> list[Mended]:
    mended: list[Mended] = []
    for _ in range(_MOST_PASSES):
        last = _Pass(fd, path)
        last.run()
        mended += last.mended
        if not last.mended:
            break
    else:
        raise JournalDamagedError(path, last.mended[0].offset or 0, "a line that comes out damaged however it is mended")
    if last.snapshot.problem is not None:
        mended.append(_without_snapshot(path, last.snapshot.problem))
    return mended


def _without_snapshot(path: str, problem: str) -> Mended:
    """Delete a snapshot that is wrong; a folder in its place is nothing that can be made again, so it is kept."""
    place, copy = snapshot.path_of(path), ""
    try:
        size = os.lstat(place).st_size
        if os.path.isdir(place) and not os.path.islink(place):
            copy = tail.set_aside(path, place)
        else:
            files.remove(place)
    except OSError as error:
        files.refuse(error, place, "delete")
    return Mended(None, size, f"the snapshot {place}: {problem}", "set aside" if copy else "deleted", copy)


class _Edit:
    """Bytes that are to take the place of as many others, as lines."""

    __slots__ = ("_end", "done", "new", "old", "start", "what")

    def __init__(self, start: int, old: bytes, new: bytes, what: str, done: str) -> None:
        self.start, self.old, self.new, self.what, self.done = start, [old], [new], what, done
        self._end = start + len(old)

    def takes(self, start: int, old: bytes, new: bytes, done: str) -> bool:
        """Take in the next line, if both are records that were kept in the same way."""
        if self.done != done or done not in _MANY or start != self._end + 1:
            return False
        self.old.append(old)
        self.new.append(new)
        self._end = start + len(old)
        return True


class _Pass:
    """One reading of the journal, from which every damaged line comes out as something that can be read."""

    __slots__ = ("_chain", "_edits", "_fd", "_fold", "_path", "_shift", "mended", "snapshot")

    def __init__(self, fd: int, path: str) -> None:
        self._fd, self._path = fd, path
        self._chain = records.Chain()
        self._fold = misplaced.Counting(path, self._chain)
        self._edits: list[_Edit] = []
        self._shift = 0  # how many bytes were taken out, as the last record says that was found whole but out of place
        self.mended: list[Mended] = []
        self.snapshot = SnapshotCheck(fd, path)

    def run(self) -> None:
        fold = self._fold
        self.snapshot.compare_at(fold, self._chain)
        while data := files.read_from(self._fd, fold.offset, _CHUNK_BYTES):
            self._lines(data.split(b"\n")[:-1])
            self._write()
        start, torn = tail.torn_tail(self._fd)
        pieces = salvage.whole_records(torn)
        if pieces and pieces[-1].end < len(torn):
            last = start + len(torn) - 1
            self._edit(
                last, torn[-1:], b"\n", "a line whose end was overwritten", "it has one again"
            )  # the next pass sees to the rest
        elif torn.strip(b" "):
            self._edit(start, torn, b" " * len(torn), "a line without its end", "blanked; nobody was told that it is saved")
        self._write()

    def _lines(self, lines: list[bytes]) -> None:
        place, ahead = 0, losses.Ahead(lines)
        while place < len(lines):
            start, n_taken = self._fold.offset, 1
            try:
                if (self._edits or self.mended) and misplaced.is_copy(self._fold, self._fd, lines[place].lstrip(b" ")):
                    raise JournalDamagedError(self._path, start, "a record that stands in a second place")
                self._fold.line(lines[place])
            except JournalDamagedError as damage:
                n_taken = self._mend(_Following(lines, place, ahead), damage.what)
                self._fold.offset = start + sum(map(len, lines[place : place + n_taken])) + n_taken
            place += n_taken
            if self._fold.offset == self.snapshot.offset:
                self.snapshot.compare_at(self._fold, self._chain)

    def _mend(self, lines: _Following, what: str) -> int:
        """Mend the first of the lines, together with those behind it that may be parts of it; how many that are."""
        line, n_lines = lines.first, 1
        if is_as_written(line.lstrip(b" ")):
            return self._unseal(lines, what)
        if salvage.is_part(line):
            parts = [line, *takewhile(salvage.is_part, lines.after(1))]
            line, n_lines = b"\n".join(parts), len(parts)
        start, size, text = self._fold.offset, len(line), line.lstrip(b" ")
        if records.is_trailed(text):
            text = text.rstrip(records.BLANKS)
            if self._reads(text.rjust(size)):
                self._edit(start, line, text.rjust(size), what, _MOVED)
                return n_lines
        healed = next((made for made in salvage.without_flipped_bit(text) if self._reads(made.rjust(size))), None)
        if healed is not None:
            self._edit(start, line, healed.rjust(size), what, "one bit was wrong; it is right again")
        elif _is_study(text) and self._reads(records.unsealed(text).rjust(size)):
            done = f"{_UNSEALED}, although it was changed: look whether its settings are right"
            self._edit(start, line, records.unsealed(text).rjust(size), what, done)
        else:
            self._rebuild(line, what, lines, n_lines)
        return n_lines

    def _unseal(self, lines: _Following, what: str) -> int:
        """Mend a record that is whole, before which something was changed or taken out; how many lines were changed."""
        line, text = lines.first, lines.first.lstrip(b" ")
        start, said = self._fold.offset, misplaced.number_of_another(self._fold, text)
        shift = written_at(line) - start - len(line) + len(text)
        more_taken_out = shift > max(self._shift, 0)  # than before the last such record
        if n_lines := (self._reorder(lines, what) if more_taken_out else 0) or self._take_out(lines, text, what):
            return n_lines
        self._shift = shift
        if more_taken_out:
            lost = losses.lost(self._fold.state, b"", [], lines.ahead, lines.at)
            if n_lines := self._make_room(lines, lost, what):
                return n_lines
            said = f"; {_no_room(lost)}" if lost.trials or lost.studies else said
        if not self._reads(records.unsealed(line)):
            self._rebuild(line, what, lines, 1)
        else:
            self._edit(start, line, records.unsealed(line), what, _UNSEALED + said)
        return 1

    def _take_out(self, lines: _Following, text: bytes, what: str) -> int:
        """Blank records of ours that don't belong here; how many."""
        n_lines, why = 1, "it stands in another place, too, or its trial was noted already"
        if not misplaced.is_copy(self._fold, self._fd, text):
            n_lines = misplaced.n_put_in(lines.after(0), self._chain.value)
            why = "what comes after it shows that it was put in"
        if n_lines:
            self._blank(b"\n".join(islice(lines.after(0), n_lines)), what, f"blanked; {why}")
        return n_lines

    def _reorder(self, lines: _Following, what: str) -> int:
        """Put records of ours back into the order in which they were written, if nothing else is wrong; how many."""
        start = self._fold.offset
        own = misplaced.in_order(lines.after(0), start)
        if not own or not self._reads(own[0]):
            return 0
        for line in own[1:]:
            if not self._reads(line):
                self._reads(records.unsealed(line))  # as the next pass will
        old = b"\n".join(islice(lines.after(0), len(own)))
        self._edit(start, old, b"\n".join(own), what, f"{len(own)} records put back into their order")
        return len(own)

    def _make_room(self, lines: _Following, lost: losses.Lost, what: str) -> int:
        """Note trials that were taken out before a line, in the room of checksums; how many lines were changed for it."""
        made = lost.records(1 << 30)
        wanted, own, room = sum(map(len, made)) + len(made) + 1, [], 0
        for line in lines.after(0):
            if room >= wanted or not is_as_written(line):
                break
            own.append(line)
            room += records.SEAL_LENGTH - 1
        if not made or room < wanted:
            return 0
        bare = [line[: -records.SEAL_LENGTH] + b"}" for line in own]
        bare[-1] += b" " * (room - wanted + 1)
        start, new = self._fold.offset, b"\n".join([*made, *bare])
        for line in new.split(b"\n"):
            self._fold.line(line)
        done = f"{_counted(lost)} noted that were taken out before it; {len(own)} records kept, without their checksums"
        self._edit(start, b"\n".join(own), new, what, done)
        return len(own)

    def _rebuild(self, line: bytes, what: str, lines: _Following, n_lines: int) -> None:
        """Another line, or several, of the same length, with what can be saved of ``line``: the first ``n_lines`` in one."""
        start, pieces = self._fold.offset, salvage.whole_records(line)
        if len(pieces) == 1 and line.strip(b" ") == pieces[0].text:
            pieces = []  # a record that can't be applied
        begin, end = _largest_gap(line, pieces)
        lost = losses.lost(self._fold.state, line[begin:end], pieces, lines.ahead, lines.at + n_lines)
        room = end - begin - (begin > 0) - (end < len(line))
        made = _placed(lost.records(room), end - (end < len(line)))
        kept, out = self._assemble(line, sorted([*pieces, *made], key=lambda piece: piece.begin))
        n_saved = kept - len(made)
        parts = ["blanked"]
        if n_saved > 0:
            parts.append(f"{n_saved} {'record' if n_saved == 1 else 'records'} in it saved")
        if begin < end and line[begin:end].strip(b"\0 \n"):
            parts.append(f"not saved: {salvage.described(line[begin:end])}")
        if made:
            parts.append(_said(lost))
        elif lost.trials or lost.studies:
            parts.append(_no_room(lost))
        if out is None:
            self._blank(line, what, "; ".join(parts))
            return
        same = len(pieces[-1].text) if kept and pieces and line.endswith(pieces[-1].text) and out.endswith(pieces[-1].text) else 0
        self._edit(start, line[: len(line) - same], out[: len(out) - same], what, "; ".join(parts))

    def _blank(self, line: bytes, what: str, done: str) -> None:
        """The newline goes too: a blank line would stop stock readers, blanks before the next record don't."""
        start, size = self._fold.offset, len(line) + 1
        self._chain.pass_blanks(start, start + size)
        self._edit(start, line + b"\n", b" " * size, what, done)

    def _assemble(self, line: bytes, pieces: list[Piece]) -> tuple[int, bytes | None]:
        """How many of the pieces could be kept, and the bytes that take the line's place; None when none could."""
        out, kept = bytearray(), 0
        start = self._fold.offset
        for place, piece in enumerate(pieces):
            glued = place + 1 < len(pieces) and pieces[place + 1].begin == piece.end
            text = salvage.shortened(piece.text) if glued else piece.text
            # Blanks behind the last one would hide its checksums.
            lead = (len(line) - len(piece.text) if place + 1 == len(pieces) else piece.begin) - len(out)
            if text is None or (kept and lead < 1):
                continue
            self._fold.offset = start + len(out) + (kept > 0)
            for candidate in (text, records.unsealed(text)) if is_as_written(text) else (text,):
                if self._reads(b" " * (lead - (kept > 0)) + candidate):
                    out += (b"\n" if kept else b"") + b" " * (lead - (kept > 0)) + candidate
                    kept += 1
                    break
        return kept, bytes(out.ljust(len(line))) if kept else None

    def _reads(self, line: bytes) -> bool:
        """Apply a line if it is one."""
        try:
            self._fold.line(line)
        except JournalDamagedError:
            return False
        return True

    def _edit(self, start: int, old: bytes, new: bytes, what: str, done: str) -> None:
        if not self._edits or not self._edits[-1].takes(start, old, new, done):
            self._edits.append(_Edit(start, old, new, what, done))

    def _write(self) -> None:
        """Keep copies of all that is to be overwritten, then overwrite it."""
        copies = [self._keep(edit) for edit in self._edits]
        if self._edits:
            self._set_snapshot_aside()
        for edit, copy in zip(self._edits, copies, strict=True):
            new, n_lines = b"\n".join(edit.new), len(edit.new)
            files.overwrite(self._path, self._fd, edit.start, new)
            done = edit.done if n_lines == 1 else f"{n_lines} records {_MANY[edit.done]}"
            self.mended.append(Mended(edit.start, len(new), edit.what, done, copy))
        self._edits = []

    def _keep(self, edit: _Edit) -> str:
        try:
            return tail.quarantine(self._path, edit.start, b"\n".join(edit.old))
        except OSError as error:
            files.refuse(error, files.folder_of(self._path), "keep a copy in")

    def _set_snapshot_aside(self) -> None:
        """Every reader has to answer the same, so none may use it any more; but it may hold what the journal lost."""
        place = snapshot.path_of(self._path)
        try:
            tail.set_aside(self._path, place)
        except FileNotFoundError:
            pass
        except OSError as error:
            files.refuse(error, place, "set aside")


class _Following:
    """The lines from a place on, without a copy of them."""

    __slots__ = ("_lines", "ahead", "at", "first")

    def __init__(self, lines: list[bytes], at: int, ahead: losses.Ahead) -> None:
        self._lines, self.at, self.ahead, self.first = lines, at, ahead, lines[at]

    def after(self, skipped: int) -> Iterator[bytes]:
        for place in range(self.at + skipped, len(self._lines)):
            yield self._lines[place]


def _is_study(text: bytes) -> bool:
    """Whether a record of ours that was changed made a study. Losing that would lose all its trials."""
    return records.is_sealed(text) and text.startswith(b'{"op_code":0,')


def _largest_gap(line: bytes, pieces: list[Piece]) -> tuple[int, int]:
    ends = [0, *(piece.end for piece in pieces)]
    begins = [*(piece.begin for piece in pieces), len(line)]
    return max(zip(ends, begins, strict=True), key=lambda gap: gap[1] - gap[0])


def _placed(made: list[bytes], end: int) -> list[Piece]:
    """Pieces one behind the other, each followed by a newline or the line's end."""
    found = []
    for text in reversed(made):
        found.append(salvage.Piece(end - len(text), end, text))
        end -= len(text) + 1
    return found[::-1]


def _counted(lost: losses.Lost) -> str:
    trials = f"{len(lost.trials)} {'trial' if len(lost.trials) == 1 else 'trials'}"
    return trials if not lost.studies else f"{len(lost.studies)} {'study' if len(lost.studies) == 1 else 'studies'} and {trials}"


def _no_room(lost: losses.Lost) -> str:
    return f"no room to note {_counted(lost)}, so later trials have lower numbers than they had, and may have results of others"


def _said(lost: losses.Lost) -> str:
    said = f"{_counted(lost)} that stood there keep their places, without what is not saved"
    return said + ("; `journaltune create --exist-ok` gives the study a space again" if lost.studies else "")
