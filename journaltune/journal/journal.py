"""A journal in use: its replayed state, brought up to date before each call, and appended to under the kernel's lock."""

from __future__ import annotations

import os
from time import monotonic

from journaltune.base.errors import MachineError
from journaltune.journal import file as files
from journaltune.journal import lock, records, snapshot
from journaltune.journal.fold import Fold, apply_own
from journaltune.journal.state import JournalState

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any, NoReturn


_FRESH_S = 0.001  # in which others write so little that it is read with the lock
_LOOK_S = 1.0  # between two looks for a lock that a stock writer died with


class Journal:
    """One open journal. Not for several threads at once; a forked child opens the file again by itself.

    ``state`` is what the journal's bytes say up to ``offset``. Changes go: ``with journal.locked(): journal.append(...)``.
    """

    __slots__ = (
        "_alone",
        "_chain",
        "_handle",
        "_lock_depth",
        "_look_at",
        "_mended_at",
        "_read_at",
        "_reader",
        "_settled_at",
        "_source",
        "_stale",
        "_state",
        "allow_network_fs",
        "lock_timeout_s",
        "offset",
        "opened_at",
        "path",
    )

    def __init__(self, path: str, *, create: bool = False, lock_timeout_s: float = 60.0, allow_network_fs: bool = False) -> None:
        self.path = os.path.abspath(os.fspath(path))
        self.lock_timeout_s = lock_timeout_s
        self.allow_network_fs = allow_network_fs
        self._lock_depth, self._alone = 0, False
        self._look_at = self._read_at = 0.0  # by the monotonic clock
        self.offset = self._settled_at = 0  # the second: as far as no record could be taken back any more
        self._source: snapshot.Source | None = None
        self._handle = lock.Handle(self.path, create=create, allow_network_fs=allow_network_fs)
        self._load()

    def __reduce__(self) -> NoReturn:
        raise TypeError("an open journal can't be copied; open it again by its path")

    def close(self) -> None:
        """Give the descriptors back; the journal opens its file again when it is used again."""
        if not self._handle.close(self.offset):
            self._stale = True
        if self._source is not None:
            self._source.close()

    def break_off(self) -> None:
        """Give up whatever was under way, locks included; the next use reads everything again.

        For exceptions that may come between any two instructions (Ctrl-C, out of memory), and for a fork, which copies no other
        thread: what those threads were at may be half done.
        """
        if self._handle.pid == os.getpid():
            self._let_others_in()
        self._lock_depth, self._alone, self._stale, self.offset = 0, False, True, 0
        self.close()

    @property
    def state(self) -> JournalState:
        if self._stale:  # a read was broken off half-way
            self.sync()
        return self._state

    @property
    def fd(self) -> int:
        """The descriptor, open on the journal, for reading what stands before ``offset``."""
        self._usable()
        return self._handle.fd

    def sync(self) -> None:
        """Replay what was written since. JournalDamagedError names the first byte that no reader can apply."""
        try:
            if self._stale or not self._handle.is_open():
                self._usable()
            self._read_on()
        except OSError as error:
            files.refuse(error, self.path, "read")

    def _read_on(self) -> None:
        size_bytes = self._handle.size_bytes(self.offset)
        if size_bytes != self.offset:
            self._usable()
            self._catch_up(size_bytes)
        self._read_at = monotonic()

    def _usable(self) -> None:
        """Open the file again where it was closed, or where this is a forked child; read it again where a read was broken off."""
        handle = self._handle
        is_forked = handle.pid != os.getpid()
        if is_forked:
            self._lock_depth, self._alone = 0, False
        if self._lock_depth == 0 and (is_forked or not handle.is_on_journal()) and handle.reopen(self.offset):
            self._stale = True
        if self._stale:
            self._load()

    def _load(self) -> None:
        """Read everything: the snapshot, and what came after it. After an error the next use begins anew."""
        self._mended_at = snapshot.mended_at(self.path)
        self._reader = records.RecordReader()
        loaded = snapshot.load(self.path, self._handle.fd, self._replay_to)
        self._state, self.offset, self._chain, self._source = loaded or (JournalState(), 0, records.Chain(), None)
        self.opened_at = self.offset
        self._stale = False  # or ``sync`` would load
        try:
            self.sync()
        except BaseException:
            self._stale = True
            raise

    def _replay_to(self, offset: int) -> JournalState:
        other = Fold(self.path, records.RecordReader(), JournalState(), records.Chain())
        try:
            for data in files.chunks(self._handle.fd, offset):
                other.feed(data, other.offset)
        except OSError as error:
            files.refuse(error, self.path, "read")
        return other.state

    def _catch_up(self, size_bytes: int) -> None:
        fd, before = self._handle.fd, min(self.offset, 1)
        # The byte before, too: the last record that was read may be blank now, of a batch that broke off and was taken back.
        data = files.read_from(fd, self.offset - before, files.CHUNK_BYTES, before, size_bytes)
        if data[:before] == b" ":
            self._load()
            return
        data = data[before:]
        while data:
            self._fold(Fold(self.path, self._reader, self._state, self._chain), data)
            data = files.read_from(fd, self.offset, files.CHUNK_BYTES, size=size_bytes)

    def chunks(self) -> Iterator[bytes]:
        """The bytes up to ``offset``, some megabytes of whole lines at a time."""
        try:
            yield from files.chunks(self.fd, self.offset)
        except OSError as error:
            files.refuse(error, self.path, "read")

    def _fold(self, fold: Fold, data: bytes) -> None:
        """Apply ``data``. A damaged line stops it; what was applied before that line must not be applied again after a repair."""
        try:
            fold.feed(data, self.offset)
        finally:
            self.offset = fold.offset

    def locked(self, *, alone: bool = False) -> Locked:
        """The journal's lock as a context: inside, the state is up to date and only writers without our lock interfere.

        ``alone`` keeps those out too, by stock Optuna's lock: for records that do harm if another's come before them.
        """
        return Locked(self, alone)

    def asks(self, study_id: int) -> Asks:
        """The lock that serialises the asks of one study as a context; tells go on meanwhile."""
        return Asks(self, study_id)

    def _acquire(self, alone: bool = False) -> None:
        self._writable()
        if self._lock_depth == 0:
            if monotonic() - self._read_at > _FRESH_S:
                self._read_on()  # what was written since this process slept: with the lock, others would wait meanwhile
            try:
                lock.acquire(self._handle.fd, self.path, self.lock_timeout_s)
            except BaseException:
                self.close()
                raise
        self._lock_depth += 1
        try:
            if self._lock_depth == 1:
                self._look_for_a_dead_lock()
            self.sync()
            if self._lock_depth == 1 and self.offset != self._settled_at:
                self._settle()
            if alone:
                self._keep_others_out()
        except BaseException:
            self._release()
            raise

    def _release(self) -> None:
        self._lock_depth -= 1
        if self._lock_depth == 0:
            try:
                lock.release(self._handle.fd)
            except OSError:  # closing gives the lock back, too
                self.close()

    def _writable(self) -> None:
        self._usable()
        if self._handle.read_only:
            self._handle.check_writable()
            self.close()  # it may be written now
            self._usable()

    def _look_for_a_dead_lock(self) -> None:
        now = monotonic()
        if now >= self._look_at:
            self._look_at = now + _LOOK_S
            if any(os.path.lexists(f"{name}.lock") for name in files.names_of(self.path)):
                from journaltune.journal import stock_lock

                stock_lock.bury(self.path)

    def _settle(self) -> None:
        """Take back the records of a call that broke off before its last one."""
        if not self._unsettled():
            self._settled_at = self.offset
            return
        from journaltune.journal import tail

        if tail.take_back(self._handle.fd, self.path, self.offset, self.lock_timeout_s):
            self._load()

    def _unsettled(self) -> bool:
        """Whether the last record that was read may have to be taken back, or was taken back since."""
        length = min(records.END_BYTES, self.offset)
        return records.is_unsettled(os.pread(self._handle.fd, length, self.offset - length))

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
        if files.size_of(self._handle.fd) != self.offset and self._overtaken_while_mending(batch):
            return [False] * len(batch)
        lines, placed = records.seal_all(batch, self.offset, self._chain.value)
        data = b"\n".join(lines) + b"\n"
        files.append(self._handle.fd, data, self.path)
        return self._read_back(lines, data, placed)

    def _overtaken_while_mending(self, batch: Sequence[Mapping[str, Any]]) -> bool:
        """Mend a torn tail. That waits for stock writers, and one of them may finish the trial meanwhile."""
        from journaltune.journal import tail

        if not tail.mend_tail(self._handle.fd, self.path, lock_timeout_s=self.lock_timeout_s, alone=self._alone):
            return False
        self.sync()
        return any("trial_id" in record and record["trial_id"] not in self._state.live for record in batch)

    def _read_back(self, lines: list[bytes], data: bytes, batch: Sequence[Mapping[str, Any]]) -> list[Any]:
        try:
            written = files.pread(self._handle.fd, len(data), self.offset)
            if written != data:
                written = files.read_from(self._handle.fd, self.offset)
        except OSError as error:
            files.in_doubt(error, self.path)
        if written == data:
            self._settled_at = self.offset = self.offset + len(data)
            self._chain.pass_own(lines[-1], self.offset - len(lines[-1]) - 1, records.sealed_sum(lines[-1]))
            return [apply_own(self._state, self._reader, *pair, self.path) for pair in zip(lines, batch, strict=True)]
        fold = Fold(self.path, self._reader, self._state, self._chain)
        fold.watch = lines
        self._fold(fold, written)
        if len(fold.effects) != len(lines):
            raise MachineError(f"{self.path}: what was just written can't be read back; the disk or another program changed it")
        return fold.effects

    def flush(self, *, again: bool = False) -> None:
        """Make what was appended survive a power cut; outside the lock, so that the fsyncs of waiting processes merge.

        ``again``: for a call that repeats another one, of which nobody knows whether its flush failed.
        """
        if again:
            with self.locked():
                files.store_again(self.path, self._handle.fd, self.offset)
        else:
            files.flush(self._handle.fd, self.path)

    def save_snapshot_when_due(self, *, lived: bool = False) -> None:
        """Leave a new snapshot behind when the tail since the last one got long. It is a cache: failing to is no error."""
        if self._source is not None and self._source.is_bad:
            self._source.is_bad = False  # one try is enough
        elif not snapshot.is_due(self.opened_at, self.offset, lived=lived):
            return
        else:
            present = snapshot.offset_of(self.path)
            if 0 <= present <= self.offset and not snapshot.is_due(present, self.offset, lived=lived):
                self.opened_at = present
                return
        self.save_snapshot()

    def save_snapshot(self) -> None:
        try:
            self._stale = self._stale or snapshot.mended_at(self.path) != self._mended_at
            if self._stale or self._unsettled():
                return  # `repair` may have overwritten what was read, or others may take back what the snapshot would hold
            snapshot.save(self.path, self._handle.fd, self._state, self.offset, self._chain)
        except OSError:
            pass
        self.opened_at = self.offset


class Locked:
    """The journal's lock: see ``Journal.locked``."""

    __slots__ = ("_alone", "_journal")

    def __init__(self, journal: Journal, alone: bool) -> None:
        self._journal, self._alone = journal, alone

    def __enter__(self) -> None:
        journal = self._journal
        try:
            journal._acquire(self._alone)
        except OSError as error:  # EMFILE, ENOLCK, EIO
            files.refuse(error, journal.path, "lock")

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        try:
            self._journal._let_others_in()
        finally:
            self._journal._release()
        if isinstance(error, OSError):
            files.refuse(error, self._journal.path, "use")


class Asks:
    """The lock of one study's asks: see ``Journal.asks``. Where a file has no range locks, the journal's lock stands in."""

    __slots__ = ("_fd", "_journal", "_study_id")

    def __init__(self, journal: Journal, study_id: int) -> None:
        self._journal, self._study_id = journal, study_id

    def __enter__(self) -> None:
        journal = self._journal
        try:
            journal._writable()
            self._fd = journal._handle.fd
            if not lock.has_range_locks():
                journal._acquire()
            elif not lock.try_asks(self._fd, self._study_id):
                journal.sync()  # so that less is left to read while others wait for this one
                lock.acquire_asks(self._fd, journal.path, self._study_id, journal.lock_timeout_s)
        except BaseException as error:
            journal.close()
            if isinstance(error, OSError):
                files.refuse(error, journal.path, "lock")
            raise

    def __exit__(self, *_: object) -> None:
        journal = self._journal
        if not lock.has_range_locks():
            journal._release()
        elif journal._handle.fd == self._fd:
            try:
                lock.release_asks(self._fd, self._study_id)
            except OSError:
                journal.close()
