"""Mending a damaged journal in place, so that every reader opens it again.

What no reader can apply is overwritten with spaces of the same length, and kept in ``quarantine/``. A record glued behind garbage
stays. A record of ours that is whole, but says that something before it was changed, only loses its checksums.
"""

from __future__ import annotations

import os

from journaltune.errors import JournalDamagedError
from journaltune.frozen import Frozen
from journaltune.journal import file as files
from journaltune.journal import lock, records, snapshot
from journaltune.journal.fold import Fold
from journaltune.journal.state import JournalState

_CHUNK_BYTES = 8 * 1024 * 1024
_RECORD_BEGINS = b'{"op_code"'


class Mended(Frozen):
    """One thing that was mended: where, how many bytes, what it was, what was done, and the path of the copy kept."""

    __slots__ = ("copy", "done", "offset", "size_bytes", "what")

    offset: int
    size_bytes: int
    what: str
    done: str
    copy: str

    def __init__(self, offset: int, size_bytes: int, what: str, done: str, copy: str) -> None:
        self._set(offset=offset, size_bytes=size_bytes, what=what, done=done, copy=copy)


def repair(path: str, *, lock_timeout_s: float = 60.0, allow_network_fs: bool = False) -> list[Mended]:
    """Mend the journal at ``path``; nobody writes meanwhile, stock Optuna neither. An empty list: it was whole.

    MachineError when a copy can't be kept or the file can't be written; what was mended before stays mended.
    """
    path = os.path.abspath(path)
    fd = files.open_journal(path, allow_network_fs=allow_network_fs)
    lock.open_fds.add(fd)
    try:
        lock.acquire(fd, path, lock_timeout_s)
        files.take_stock_lock(path)
        try:
            mended = _Repair(fd, path).run()
        finally:
            files.release_stock_lock(path)
        if mended:
            # It may hold what the journal lost, and every reader has to answer the same.
            files.remove(snapshot.path_of(path))
        return mended
    finally:
        lock.abandon(fd)


class _Repair:
    __slots__ = ("_chain", "_fd", "_fold", "_path", "_reader")

    def __init__(self, fd: int, path: str) -> None:
        self._fd, self._path = fd, path
        self._chain = records.Chain()
        self._fold = Fold(path, records.RecordReader(), JournalState(), self._chain, thorough=True)

    def run(self) -> list[Mended]:
        mended, fold = [], self._fold
        while data := files.read_from(self._fd, fold.offset, _CHUNK_BYTES):
            for line in data.split(b"\n")[:-1]:
                try:
                    fold.line(line)
                except JournalDamagedError as damage:
                    mended.append(self._mend(line, damage))
        start, tail = files.torn_tail(self._fd)
        if tail.strip(b" "):
            mended.append(self._overwrite(start, tail, b" " * len(tail), "a line without its end", "blanked"))
        return mended

    def _mend(self, line: bytes, damage: JournalDamagedError) -> Mended:
        start, text = self._fold.offset, line.lstrip(b" ")
        if _is_as_written(text):
            bare = records.unsealed(line)
            if self._reads(bare):
                return self._overwrite(start, line, bare, damage.what, "kept, without its checksums")
        found = text.find(_RECORD_BEGINS, 1)
        while found >= 0:
            before = len(line) - len(text) + found
            if self._reads(b" " * before + text[found:]):
                return self._overwrite(start, line[:before], b" " * before, damage.what, "blanked; the record behind it stays")
            found = text.find(_RECORD_BEGINS, found + 1)
        # The newline goes too: a blank line would stop stock readers, blanks before the next record don't.
        self._fold.offset = start + len(line) + 1
        self._chain.pass_blanks(start, self._fold.offset)
        return self._overwrite(start, line + b"\n", b" " * (len(line) + 1), damage.what, "blanked")

    def _reads(self, line: bytes) -> bool:
        """Apply a line if it is one."""
        try:
            self._fold.line(line)
        except JournalDamagedError:
            return False
        return True

    def _overwrite(self, start: int, old: bytes, new: bytes, what: str, done: str) -> Mended:
        try:
            copy = files.quarantine(self._path, start, old)
        except OSError as error:
            files.refuse(error, files.folder_of(self._path), "keep a copy in")
        files.overwrite(self._path, self._fd, start, new)
        return Mended(start, len(old), what, done, copy)


def _is_as_written(text: bytes) -> bool:
    """Whether a record of ours is whole, whatever it says of what came before."""
    try:
        return records.is_sealed(text) and records.sealed_sums(text)[0] == records.own_sum(text)
    except ValueError:
        return False
