"""Mending a damaged journal in place, so that every reader opens it again.

Disks lose, overwrite and flip bytes, and converters of line ends put white space behind records. Bytes that no reader can apply
are overwritten with as many spaces, and copied to ``quarantine/`` before. Nothing is appended, and the order of the records
decides what they mean. So

- records that stand in one line get a newline between them, in the place of the garbage there, of one's checksums, or of a
  letter of its writer's name;
- a record of ours with one flipped bit gets it back, as its checksum tells which;
- white space behind a record of ours, which hides its checksums, goes before it;
- where a record was destroyed that created a trial or a study, one that says no more than that takes its place, because all
  ids after it count on it. The trial has failed then, with reason ``damaged``;
- a record of ours that is whole, but says that earlier bytes were changed, only loses its checksums. After a change in place
  that happens to our next record; after bytes were taken out to all later ones, as each says where it was written. In the room
  of these checksums stand records for the trials that were taken out.

Records that were moved, doubled or put in by hand are not mended: nobody can tell which trials their results belong to.
"""

from __future__ import annotations

import os
from itertools import takewhile

from journaltune.base.errors import JournalDamagedError, NotFoundError
from journaltune.base.frozen import Frozen
from journaltune.journal import file as files
from journaltune.journal import lock, records, snapshot, stock_lock, tail
from journaltune.journal.fold import Fold
from journaltune.journal.records import is_as_written, written_at
from journaltune.journal.state import JournalState
from journaltune.journal.upkeep import salvage
from journaltune.journal.upkeep.check import SnapshotCheck, is_journal
from journaltune.journal.upkeep.losses import Ahead, Lost

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from journaltune.journal.upkeep.salvage import Piece

_MOST_PASSES = 10
_UNSEALED = "kept, without its checksums"
_MOVED = "kept; the white space behind it stands before it now"
_MANY = {_UNSEALED: "kept, without their checksums", _MOVED: "kept; the white space behind them stands before them now"}


class Mended(Frozen):
    """One thing that was mended: where (None: the snapshot), how many bytes, what was wrong, what was done, the copy's path."""

    offset: int | None
    size_bytes: int
    what: str
    done: str
    copy: str


def repair(path: str | os.PathLike[str], *, lock_timeout_s: float = 60.0, allow_network_fs: bool = False) -> list[Mended]:
    """Mend the journal at ``path``; nobody writes meanwhile, stock Optuna neither. An empty list: it was whole.

    Copies are on disk before any byte is overwritten, so a kill leaves nothing behind that can't be repaired again.

    Raises NotFoundError for a file that is no journal at all, JournalDamagedError for records that were moved, doubled or put in
    (nothing was changed then), MachineError when a copy can't be kept or the file can't be written; what was mended before stays
    mended.
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
    except OSError as error:  # EIO, ENOLCK
        files.refuse(error, path, "read")
    finally:
        lock.abandon(fd)


def _repair(fd: int, path: str) -> list[Mended]:
    mended: list[Mended] = []
    for _ in range(_MOST_PASSES):
        last = _Mending(fd, path)
        last.run()
        mended += last.mended
        if not last.mended:
            break
    else:
        what = "a line that comes out damaged however it is mended"
        raise JournalDamagedError(path, last.mended[0].offset or 0, what, "take a copy of the file from before")
    if last.snapshot.problem is not None:
        mended.append(_without_snapshot(path, last.snapshot.problem))
    return mended


def _without_snapshot(path: str, problem: str) -> Mended:
    """Delete a snapshot that is wrong. A folder in its place is set aside: nobody can make its files again."""
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
        """Take in the next line, if both are records that stay in the same way."""
        if self.done != done or done not in _MANY or start != self._end + 1:
            return False
        self.old.append(old)
        self.new.append(new)
        self._end = start + len(old)
        return True


class _Mending:
    """One reading of the journal, which finds for every damaged line other bytes that can be read.

    Nothing is written before the last line was read: it may be one that was moved, and then nothing is mended.
    """

    __slots__ = ("_ahead", "_chain", "_edits", "_fd", "_fold", "_lines", "_path", "_shift", "mended", "snapshot")

    def __init__(self, fd: int, path: str) -> None:
        self._fd, self._path = fd, path
        self._chain = records.Chain()
        self._fold = Fold(path, records.RecordReader(), JournalState(), self._chain, thorough=True)
        self._edits: list[_Edit] = []
        self._shift = 0  # bytes that were taken out, as the last record says that is whole but doesn't stand in its place
        self.mended: list[Mended] = []
        self.snapshot = SnapshotCheck(fd, path)

    def run(self) -> None:
        self.snapshot.compare_at(self._fold, self._chain)
        for data in files.chunks(self._fd, os.fstat(self._fd).st_size):
            self._lines = data.split(b"\n")[:-1]
            self._ahead = Ahead(self._lines)
            self._read_lines()
        start, torn = tail.torn_tail(self._fd)
        pieces = salvage.whole_records(torn)
        for piece in pieces:
            self._refuse_misplaced(piece.text, start + piece.begin)
        if pieces and pieces[-1].end < len(torn):  # the next pass sees to the rest of the line
            self._edit(start + len(torn) - 1, torn[-1:], b"\n", "a line whose end was overwritten", "it has one again")
        elif torn.strip(b" "):
            self._edit(start, torn, b" " * len(torn), "a line without its end", "blanked; nobody was told that it is saved")
        self._write()

    def _read_lines(self) -> None:
        fold, place = self._fold, 0
        while place < len(self._lines):
            start, n_lines = fold.offset, 1
            try:
                fold.line(self._lines[place])
            except JournalDamagedError as damage:
                n_lines = self._mend(place, damage.what)
                fold.offset = start + sum(map(len, self._lines[place : place + n_lines])) + n_lines
            place += n_lines
            if fold.offset == self.snapshot.offset:
                self.snapshot.compare_at(fold, self._chain)

    def _mend(self, place: int, what: str) -> int:
        """Mend a line, together with those behind it that may be parts of it; how many lines that are."""
        line, n_lines, start = self._lines[place], 1, self._fold.offset
        if is_as_written(line.lstrip(b" ")):
            return self._unseal(place, what)
        if salvage.is_part(line):
            parts = [line, *takewhile(salvage.is_part, self._following(place + 1))]
            line, n_lines = b"\n".join(parts), len(parts)
        for made, done in _as_one_record(line.lstrip(b" ")):
            if self._reads(made.rjust(len(line))):
                self._edit(start, line, made.rjust(len(line)), what, done)
                return n_lines
        self._rebuild(line, what, place + n_lines)
        return n_lines

    def _following(self, place: int) -> Iterator[bytes]:
        return (self._lines[at] for at in range(place, len(self._lines)))

    def _refuse_misplaced(self, text: bytes, offset: int) -> None:
        if is_as_written(text):
            self._fold.refuse_misplaced(written_at(text), offset)

    def _unseal(self, place: int, what: str) -> int:
        """Mend a record that is whole, before which something was changed or taken out; how many lines were changed."""
        line, start = self._lines[place], self._fold.offset
        text = line.lstrip(b" ")
        at, text_start = written_at(text), start + len(line) - len(text)
        self._fold.refuse_misplaced(at, text_start)
        said, shift = self._renumbered(text), at - text_start
        more_taken_out = shift > max(self._shift, 0)  # than before the last such record
        self._shift = shift
        if more_taken_out:
            lost = Lost(self._fold.state, b"", [], self._ahead, place)
            if n_lines := self._make_room(place, lost, what):
                return n_lines
            said = f"; {_no_room(lost)}" if lost else said
        if self._reads(records.unsealed(line)):
            self._fold.pass_own(at, text)
            self._edit(start, line, records.unsealed(line), what, _UNSEALED + said)
        else:
            self._rebuild(line, what, place + 1)
        return 1

    def _renumbered(self, text: bytes) -> str:
        """In words that a whole record of ours creates another trial than it was made for; empty otherwise."""
        record = records.RecordReader().decode(text)
        study = self._fold.state.studies.get(record["study_id"]) if record["op_code"] == records.CREATE_TRIAL else None
        number = record["jt"].get("n", -1)
        if study is None or number in (-1, study.n_trials):
            return ""
        return f"; it was made for trial {number} and is trial {study.n_trials} now, so later trials may have results of others"

    def _make_room(self, place: int, lost: Lost, what: str) -> int:
        """Note trials that were taken out before a line, in the room of checksums from there on; how many lines that took."""
        made, start = lost.lines(1 << 30), self._fold.offset
        wanted, own = sum(map(len, made)) + len(made) + 1, list[bytes]()
        for line in self._following(place):
            if len(own) * (records.SEAL_LENGTH - 1) >= wanted or not is_as_written(line):
                break
            own.append(line)
        room = len(own) * (records.SEAL_LENGTH - 1)
        if not made or room < wanted:
            return 0
        line_start = start
        for line in own:
            self._fold.refuse_misplaced(written_at(line), line_start)
            self._fold.pass_own(written_at(line), line)
            line_start += len(line) + 1
        bare = [line[: -records.SEAL_LENGTH] + b"}" for line in own]
        bare[-1] += b" " * (room - wanted + 1)
        new = [*made, *bare]
        for line in new:
            self._fold.line(line)
        done = f"{lost} noted that were taken out before it; {len(own)} records kept, without their checksums"
        self._edit(start, b"\n".join(own), b"\n".join(new), what, done)
        return len(own)

    def _rebuild(self, line: bytes, what: str, place: int) -> None:
        """Another line, or several, of the same length, with the records that can be saved; ``place`` is the next line's."""
        start, pieces = self._fold.offset, salvage.whole_records(line)
        if len(pieces) == 1 and line.strip(b" ") == pieces[0].text:
            pieces = []  # a record that can't be applied
        begin, end = _largest_gap(line, pieces)
        gap = line[begin:end]
        lost = Lost(self._fold.state, gap, [piece.text for piece in pieces], self._ahead, place)
        made = _placed(lost.lines(len(gap) - (begin > 0) - (end < len(line))), end - (end < len(line)))
        n_read, out = self._assemble(line, sorted([*pieces, *made], key=lambda piece: piece.begin))
        done = "; ".join(["blanked", *_outcome(n_read - len(made), gap, lost, noted=bool(made))])
        if not n_read:
            self._blank(line, what, done)
            return
        same = len(pieces[-1].text) if pieces and line.endswith(pieces[-1].text) and out.endswith(pieces[-1].text) else 0
        self._edit(start, line[: len(line) - same], out[: len(out) - same], what, done)

    def _blank(self, line: bytes, what: str, done: str) -> None:
        """The newline goes too: a blank line would stop stock readers, blanks before the next record don't."""
        start, size = self._fold.offset, len(line) + 1
        self._chain.pass_blanks(start, start + size)
        self._edit(start, line + b"\n", b" " * size, what, done)

    def _assemble(self, line: bytes, pieces: list[Piece]) -> tuple[int, bytes]:
        """How many of the pieces can be read, and the bytes that take the line's place if any can."""
        out, n_read = bytearray(), 0
        start = self._fold.offset
        for place, piece in enumerate(pieces):
            glued = place + 1 < len(pieces) and pieces[place + 1].begin == piece.end
            text = salvage.shortened(piece.text) if glued else piece.text
            newline = b"\n" if n_read else b""
            # Blanks behind the last one would hide its checksums.
            lead = (len(line) - len(piece.text) if place + 1 == len(pieces) else piece.begin) - len(out) - len(newline)
            if text is None or lead < 0:
                continue
            self._refuse_misplaced(piece.text, start + piece.begin)
            self._fold.offset = start + len(out) + len(newline)
            for candidate in (text, records.unsealed(text)) if is_as_written(text) else (text,):
                if self._reads(b" " * lead + candidate):
                    out += newline + b" " * lead + candidate
                    n_read += 1
                    if is_as_written(piece.text):
                        self._fold.pass_own(written_at(piece.text), piece.text)
                    break
        return n_read, bytes(out.ljust(len(line)))

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
        """Copy all bytes that are to be overwritten, then overwrite them."""
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
        """No reader may use the snapshot any more, or readers would differ; but it may hold trials that the journal lost."""
        place = snapshot.path_of(self._path)
        try:
            tail.set_aside(self._path, place)
        except FileNotFoundError:
            pass
        except OSError as error:
            files.refuse(error, place, "set aside")


def _as_one_record(text: bytes) -> Iterator[tuple[bytes, str]]:
    """The records that a damaged line may have been, and what was done to it then; the first that can be read is the one."""
    if records.is_trailed(text):
        text = text.rstrip(records.BLANKS)
        yield text, _MOVED
    for made in salvage.without_flipped_bit(text):
        yield made, "one bit was wrong; it is right again"
    if records.is_sealed(text) and text.startswith(b'{"op_code":0,'):  # losing a study would lose all its trials
        yield records.unsealed(text), f"{_UNSEALED}, although it was changed: look whether its settings are right"


def _largest_gap(line: bytes, pieces: list[Piece]) -> tuple[int, int]:
    ends = [0, *(piece.end for piece in pieces)]
    begins = [*(piece.begin for piece in pieces), len(line)]
    return max(zip(ends, begins, strict=True), key=lambda gap: gap[1] - gap[0])


def _placed(made: list[bytes], end: int) -> list[Piece]:
    """Pieces one behind the other, each followed by a newline or the line's end."""
    pieces = []
    for text in reversed(made):
        pieces.append(salvage.Piece(end - len(text), end, text))
        end -= len(text) + 1
    return pieces[::-1]


def _outcome(n_saved: int, gap: bytes, lost: Lost, *, noted: bool) -> Iterator[str]:
    """In words what became of a line that was no record."""
    if n_saved > 0:
        yield f"{n_saved} {'record' if n_saved == 1 else 'records'} in it saved"
    if gap.strip(b"\0 \n"):
        yield f"not saved: {salvage.described(gap)}"
    if noted:
        yield f"{lost} that stood there keep their places, without what is not saved"
        if lost.studies:
            yield "`journaltune create --exist-ok` gives the study a space again"
    elif lost:
        yield _no_room(lost)


def _no_room(lost: Lost) -> str:
    return f"no room to note {lost}, so later trials have lower numbers than they had, and may have results of others"
