"""A journal in use: replayed state, kept up to date, and appended to under the kernel's lock."""

from __future__ import annotations

import os
from time import monotonic

from journaltune.base.errors import JournalDamagedError, MachineError, NotFoundError
from journaltune.journal import file as files
from journaltune.journal import lock, records, snapshot
from journaltune.journal.contexts import Asks, Locked
from journaltune.journal.fold import Fold
from journaltune.journal.replay import apply
from journaltune.journal.state import JournalState

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, NoReturn


# How long a tail a command replays before it leaves a new snapshot behind, and what share of a long-lived process's journal.
_TAIL_BYTES = 64 * 1024
_TAIL_SHARE = 64
_LIVED_TAIL_BYTES = 1024 * 1024
_LIVED_TAIL_SHARE = 2
_CHUNK_BYTES = 8 * 1024 * 1024
_LOOK_S = 1.0  # between two looks for a lock that a stock writer died with
_BATCH_MARK = b',"from":'
_END_BYTES = 80  # the mark in an own record: before its place, of 20 digits at most, and its checksums


class Journal:
    """One open journal. Not for several threads at once; a forked child opens the file again by itself.

    ``state`` is what its bytes say up to ``offset``. Changes go: ``with journal.locked(): journal.append(...)``.
    """

    __slots__ = (
        "_alone",
        "_chain",
        "_fd",
        "_identity",
        "_lock_depth",
        "_look_at",
        "_mended_at",
        "_pid",
        "_read_only",
        "_reader",
        "_settled_at",
        "_source",
        "_stale",
        "_state",
        "_windows",
        "allow_network_fs",
        "lock_timeout_s",
        "offset",
        "opened_at",
        "path",
    )

    def __init__(self, path: str, *, create: bool = False, lock_timeout_s: float = 60.0, allow_network_fs: bool = False) -> None:
        self._fd = -1
        self.path = os.path.abspath(os.fspath(path))
        self.lock_timeout_s = lock_timeout_s
        self.allow_network_fs = allow_network_fs
        self._lock_depth = 0
        self._alone = False
        self._look_at = 0.0
        self._settled_at = 0  # where the journal ended when nothing before that was to be taken back
        self._windows: list[int] = []
        self._source: snapshot.Source | None = None
        self.offset = 0
        self._open(create=create)
        self._load()

    def close(self) -> None:
        """Give the descriptor back; the journal opens it again when it is used again."""
        if self._is_own():
            try:
                self._windows = snapshot.windows(self._fd, self.offset)
            except OSError:
                self._stale = True
            fd, self._fd = self._fd, -1
            lock.abandon(fd)
            if self._source is not None:
                self._source.close()
        self._fd = -1

    def _is_own(self) -> bool:
        """Whether the descriptor is there, and still the journal's: programs close numbers that they don't know of."""
        if self._fd < 0 or self._pid != os.getpid():
            return False
        if not files.is_still(self._fd, self._identity):
            lock.open_fds.discard(self._fd)
            return False
        return True

    def __reduce__(self) -> NoReturn:
        raise TypeError("an open journal can't be copied; open it again by its path")

    def break_off(self) -> None:
        """Give up whatever was under way, locks included; the next use reads everything again.

        For exceptions that may come between any two instructions (Ctrl-C, out of memory), and for the threads that a fork did
        not copy: what they were at may be half done.
        """
        if self._pid == os.getpid():
            self._let_others_in()
        self._lock_depth, self._stale, self._alone = 0, True, False
        self.close()
        self._windows = []

    def __del__(self) -> None:
        try:
            if self._is_own():
                lock.abandon(self._fd)
        except (AttributeError, TypeError):  # the interpreter ends, and its modules are empty already; the kernel closes it
            pass

    def _open(self, *, create: bool = False) -> None:
        """Open for appending; or only for reading, where no more is allowed and nobody wants to write yet."""
        try:
            self._fd = files.open_journal(self.path, create=create, allow_network_fs=self.allow_network_fs)
            self._read_only = False
        except MachineError:
            if create or not os.access(self.path, os.R_OK):
                raise
            self._fd = files.open_journal(self.path, readable=True, allow_network_fs=self.allow_network_fs)
            self._read_only = True
        self._pid = os.getpid()
        lock.open_fds.add(self._fd)

    def _usable(self) -> None:
        """Open the file again where it was closed, or where this is a forked child; read it again where a read was broken off."""
        if self._pid != os.getpid():
            self._lock_depth, self._alone, self._windows = 0, False, []
        if self._lock_depth == 0 and not self._is_own():
            self._open()
            there = os.fstat(self._fd)
            changed = bool(self._windows) and self._windows != snapshot.windows(self._fd, self.offset)
            if (there.st_dev, there.st_ino) != self._identity or (changed and not self._taken_back()):
                self._changed()
            self._stale = self._stale or changed
            self._windows = []
        if self._stale:
            self._load()

    def _same(self) -> int:
        """Compare what is open with what the path names, at every read and every lock; the journal's size."""
        try:
            there = os.stat(self.path)
        except (FileNotFoundError, NotADirectoryError):
            raise NotFoundError(f"the journal {self.path} was moved or deleted while it was in use; put it back") from None
        except OSError as error:
            files.refuse(error, self.path, "look at")
        if (there.st_dev, there.st_ino) != self._identity or there.st_size < self.offset:
            self._changed()
        return there.st_size

    def _changed(self) -> NoReturn:
        what = "it was replaced by another file, or cut shorter, while it was in use; start again from what is there now"
        raise JournalDamagedError(self.path, min(self.offset, os.stat(self.path).st_size), what)

    def _load(self) -> None:
        self._stale = False
        self._mended_at = snapshot.mended_at(self.path)
        self._reader = records.RecordReader()
        there = os.fstat(self._fd)
        self._identity = (there.st_dev, there.st_ino)
        found = snapshot.load(self.path, self._fd, self._replay_to)
        self._state, self.offset, self._chain, self._source = found or (JournalState(), 0, records.Chain(), None)
        self.opened_at = self.offset
        self.sync()

    def _replay_to(self, offset: int) -> JournalState:
        other = Fold(self.path, records.RecordReader(), JournalState(), records.Chain())
        at = 0
        while at < offset and (data := files.read_from(self._fd, at, _CHUNK_BYTES)[: offset - at]):
            other.feed(data, at)
            at += len(data)
        return other.state

    # -- reading -----------------------------------------------------------------------------------------------------

    @property
    def state(self) -> JournalState:
        if self._stale:  # a read was broken off half-way
            self.sync()
        return self._state

    def sync(self) -> None:
        """Replay what was written since. JournalDamagedError names the first byte that no reader can apply."""
        self._usable()
        if self._same() == self.offset:
            return
        try:
            self._catch_up()
        except OSError as error:
            files.refuse(error, self.path, "read")

    def _catch_up(self) -> None:
        while data := files.read_from(self._fd, self.offset, _CHUNK_BYTES):
            if data[:1] == b" " and self._taken_back():
                self._load()
                return
            self._fold(Fold(self.path, self._reader, self._state, self._chain), data)

    def _taken_back(self) -> bool:
        """Whether the last record that was read is blank now: it was of a batch that broke off before its last one."""
        return self.offset > 0 and os.pread(self._fd, 1, self.offset - 1) == b" "

    def _unsettled(self) -> bool:
        """Whether the last record that was read may be one that is to be taken back, or was."""
        end = os.pread(self._fd, min(_END_BYTES, self.offset), max(0, self.offset - _END_BYTES))
        return end[-1:] == b" " or _BATCH_MARK in end

    def _fold(self, fold: Fold, data: bytes) -> None:
        """Apply ``data``. A damaged line stops it, and once that is mended, what was applied must not be applied again."""
        try:
            fold.feed(data, self.offset)
        finally:
            self.offset = fold.offset

    # -- writing -----------------------------------------------------------------------------------------------------

    def locked(self, *, alone: bool = False) -> Locked:
        """The journal's lock as a context: inside, the state is up to date and only writers without our lock interfere.

        With ``alone`` those neither: stock Optuna's lock is held too, for records that harm if another's come before them.
        """
        return Locked(self, alone)

    def _acquire(self) -> None:
        self._writable()
        if self._lock_depth == 0:
            try:
                lock.acquire(self._fd, self.path, self.lock_timeout_s)
            except BaseException as error:
                self.close()
                if isinstance(error, OSError):
                    files.refuse(error, self.path, "lock")
                raise
        self._lock_depth += 1
        try:
            if self._lock_depth == 1:
                self._look_for_a_dead_lock()
            self.sync()
            if self._lock_depth == 1 and self.offset != self._settled_at:
                self._settle()
        except BaseException:
            self._release()
            raise

    def _look_for_a_dead_lock(self) -> None:
        now = monotonic()
        if now >= self._look_at:
            self._look_at = now + _LOOK_S
            if os.path.lexists(self.path + ".lock"):
                from journaltune.journal import stock_lock

                stock_lock.bury(self.path)

    def _settle(self) -> None:
        if not self._unsettled():
            self._settled_at = self.offset
            return
        from journaltune.journal import tail

        if tail.take_back(self._fd, self.path, self.offset, self.lock_timeout_s):
            self._load()

    def _writable(self) -> None:
        self._usable()
        if self._read_only:
            os.close(files.open_journal(self.path, allow_network_fs=self.allow_network_fs))  # says why not
            self.close()  # it is allowed now
            self._usable()

    def _release(self) -> None:
        self._lock_depth -= 1
        if self._lock_depth == 0:
            lock.release(self._fd)

    def _keep_others_out(self) -> None:
        from journaltune.journal import stock_lock

        try:
            stock_lock.take(self.path, self.lock_timeout_s)
        except MachineError:
            return  # where no lock can be made, stock Optuna can't write either
        self._alone = True
        try:
            self.sync()
        except BaseException:
            self._let_others_in()
            raise

    def _let_others_in(self) -> None:
        if self._alone:
            from journaltune.journal import stock_lock

            self._alone = False
            try:
                stock_lock.release(self.path)
            except MachineError:
                pass  # others break it, by their own rule; what was written is written

    def append(self, batch: Sequence[Mapping[str, Any]]) -> list[Any]:
        """Append records with one write, read them back, and say which of them took effect. Needs the lock.

        Nothing is on disk for a power cut yet: ``flush`` before acknowledging a result. MachineError: nothing was written.
        All of them count or none: each but the last says where the first one begins, and the next writer takes them back where
        the last one is missing.
        """
        if os.fstat(self._fd).st_size != self.offset and self._mend_tail() and self._too_late(batch):
            return [False] * len(batch)
        lines, placed, at, link = [], [], self.offset, self._chain.value
        for left, record in enumerate(batch, 1 - len(batch)):
            # With its place, as whoever replays it will have it: a snapshot must not tell who made it.
            batched = {"from": self.offset} if left else {}
            placed.append({**record, "jt": {"at": at, **record.get("jt", {}), **batched}})
            line = records.seal(placed[-1], at, link)
            lines.append(line)
            at, link = at + len(line) + 1, records.sum_of(line)
        data = b"\n".join(lines) + b"\n"
        files.append(self._fd, data, self.path)
        return self._read_back(lines, data, placed)

    def _mend_tail(self) -> bool:
        from journaltune.journal import tail

        mended = tail.mend_tail(self._fd, self.path, lock_timeout_s=self.lock_timeout_s, alone=self._alone)
        if mended:
            self.sync()
        return mended

    def _too_late(self, batch: Sequence[Mapping[str, Any]]) -> bool:
        """Mending waits for stock writers, and one of them may have finished the trial meanwhile."""
        return any("trial_id" in record and record["trial_id"] not in self._state.live for record in batch)

    def _read_back(self, lines: list[bytes], data: bytes, batch: Sequence[Mapping[str, Any]]) -> list[Any]:
        try:
            found = files.pread(self._fd, len(data), self.offset)
        except OSError as error:
            files.in_doubt(error, self.path)
        if found == data:
            self._settled_at = self.offset = self.offset + len(data)
            self._chain.pass_own(lines[-1], self.offset - len(lines[-1]) - 1, records.own_sum(lines[-1]))
            return [apply(self._state, record) for record in batch]
        fold = Fold(self.path, self._reader, self._state, self._chain)
        fold.watch = lines
        self._fold(fold, files.read_from(self._fd, self.offset))
        if len(fold.effects) != len(lines):
            raise MachineError(f"{self.path}: what was just written can't be read back; the disk or another program changed it")
        return fold.effects

    def flush(self, *, again: bool = False) -> None:
        """Make what was appended survive a power cut; outside the lock, so that the fsyncs of waiting processes merge.

        ``again``: for a call that repeats another one, of which nobody knows whether its flush failed.
        """
        if again:
            with self.locked():
                files.store_again(self.path, self._fd, self.offset)
        else:
            files.flush(self._fd, self.path)

    def asks(self, study_id: int) -> Asks:
        """The lock that serialises the asks of one study as a context; tells go on meanwhile."""
        return Asks(self, study_id)

    # -- snapshot ----------------------------------------------------------------------------------------------------

    def save_snapshot_when_due(self, *, lived: bool = False) -> None:
        """Leave a new snapshot behind when the tail since the last one got long. It is a cache: failing to is no error."""
        tail, share = (_LIVED_TAIL_BYTES, _LIVED_TAIL_SHARE) if lived else (_TAIL_BYTES, _TAIL_SHARE)
        if self.offset - self.opened_at < max(tail, self.opened_at // share):
            return
        present = snapshot.offset_of(self.path)
        if 0 <= present <= self.offset and self.offset - present < max(tail, present // share):
            self.opened_at = present
            return
        self.save_snapshot()

    def save_snapshot(self) -> None:
        try:
            self._stale = self._stale or snapshot.mended_at(self.path) != self._mended_at
            if self._stale or self._unsettled():
                return  # `repair` may have overwritten what is remembered, or others may take back what it would hold
            snapshot.save(self.path, self._fd, self._state, self.offset, self._chain)
        except OSError:
            pass
        self.opened_at = self.offset
