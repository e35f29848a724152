"""The open file of a journal: opening it again, noticing that the path names another one, and one call at a time on it."""

from __future__ import annotations

import _thread
import os
from _weakref import ref

from journaltune.base.errors import JournalDamagedError, JournaltuneError, MachineError, NotFoundError, UsageError
from journaltune.journal import file as files
from journaltune.journal import lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn, Protocol

    class Breakable(Protocol):
        def break_off(self) -> None:
            """Forget whatever an exception may have left half done."""


class Handle:
    """The descriptor of a journal, and what tells the file behind it from another one.

    Other code of a process may close a descriptor that it doesn't know, a fork closes it in the child, and users move, replace
    and cut files. So a journal asks ``is_own`` before it uses ``fd``, and ``size_bytes`` before it reads or writes.
    """

    __slots__ = ("_allow_network_fs", "_fingerprint", "_identity", "fd", "path", "pid", "read_only")

    def __init__(self, path: str, *, create: bool, allow_network_fs: bool) -> None:
        self.fd = -1  # before anything that may fail: ``__del__`` reads it
        self.path = path
        self._allow_network_fs = allow_network_fs
        self._fingerprint: list[int] = []  # of what had been read when the file was closed
        self._open(create=create)
        self._identity = files.identity_of(self.fd)

    def _open(self, *, create: bool = False) -> None:
        """Open for appending. Where only reading is allowed, open for reading: nobody wants to write yet."""
        try:
            self.fd = files.open_journal(self.path, create=create, allow_network_fs=self._allow_network_fs)
            self.read_only = False
        except MachineError:
            if create or not os.access(self.path, os.R_OK):
                raise
            self.fd = files.open_journal(self.path, readable=True, allow_network_fs=self._allow_network_fs)
            self.read_only = True
        self.pid = os.getpid()
        lock.open_fds.add(self.fd)

    def is_open(self) -> bool:
        """Whether this process opened the file, and did not close it again here."""
        return self.fd >= 0 and self.pid == os.getpid()

    def is_own(self) -> bool:
        """Whether the descriptor is open in this process, and still on the journal."""
        return self.pid == os.getpid() and self.is_on_journal()

    def is_on_journal(self) -> bool:
        """The same in the process that opened the file."""
        if self.fd >= 0 and files.is_still(self.fd, self._identity):
            return True
        lock.open_fds.discard(self.fd)
        return False

    def close(self, offset: int) -> bool:
        """Give the descriptor back, and remember what stands before ``offset``; False when that can't be read."""
        fd, own = self.fd, self.is_own()
        self.fd, self._fingerprint = -1, []
        if not own:
            return True
        try:
            self._fingerprint = files.fingerprint(fd, offset)
        except OSError:
            return False
        finally:
            lock.abandon(fd)
        return True

    def __del__(self) -> None:
        try:
            if self.is_own():
                lock.abandon(self.fd)
        except (AttributeError, TypeError):  # the interpreter ends, and its modules are empty already; the kernel closes it
            pass

    def reopen(self, offset: int) -> bool:
        """Open the file again. True when the bytes before ``offset`` have to be read again: the last of them were blanked.

        JournalDamagedError when the path names another file than before, or one with other bytes.
        """
        self._open()
        try:
            changed = bool(self._fingerprint) and self._fingerprint != files.fingerprint(self.fd, offset)
            if not files.is_still(self.fd, self._identity) or (changed and not files.is_blank_before(self.fd, offset)):
                self.refuse(offset)
        except BaseException:
            fd, self.fd = self.fd, -1  # the next use compares again
            lock.abandon(fd)
            raise
        self._fingerprint = []
        return changed

    def size_bytes(self, offset: int) -> int:
        """The journal's size, after comparing the file that is open with the one that the path names."""
        try:
            there = os.stat(self.path)
        except (FileNotFoundError, NotADirectoryError):
            raise NotFoundError(f"the journal {self.path} was moved or deleted while it was in use; put it back") from None
        except OSError as error:
            files.refuse(error, self.path, "look at")
        if (there.st_dev, there.st_ino) != self._identity or there.st_size < offset:
            self.refuse(offset)
        return there.st_size

    def refuse(self, offset: int) -> NoReturn:
        what = "it was replaced by another file, or cut shorter, while it was in use; start again from what is there now"
        raise JournalDamagedError(self.path, min(offset, os.stat(self.path).st_size), what)

    def check_writable(self) -> None:
        """MachineError says why the journal can't be written."""
        os.close(files.open_journal(self.path, allow_network_fs=self._allow_network_fs))


class Turn:
    """One call at a time on an open journal that several threads share: ``with turn.lock, turn:``.

    An exception that is not a JournaltuneError (Ctrl-C, out of memory) may come between any two instructions, so the journal is
    read anew after it. Only the interpreter's own locks are taken and given back without an instruction between.
    """

    __slots__ = ("_inside", "_intruded", "_lock", "_owner", "_pid")

    def __init__(self, owner: Breakable) -> None:
        self._owner, self._lock, self._pid = ref(owner), _thread.RLock(), os.getpid()
        self._inside = self._intruded = False

    @property
    def lock(self) -> _thread.RLock:
        """The lock that keeps other threads out. UsageError where a signal handler or a finalizer interrupted a call on it."""
        if self._pid != os.getpid():  # a forked child, which does not have the thread that held the lock
            self._lock, self._pid = _thread.RLock(), os.getpid()
        if self._lock._is_owned():  # type: ignore[attr-defined]
            self._intruded = True
            raise UsageError(
                "a signal handler or a finalizer can't use a study in the middle of another call on it; let it set a flag, or "
                "raise SystemExit and use the study where that is caught"
            )
        return self._lock

    def __enter__(self) -> None:
        if self._inside:  # the last call never came to its end
            self._break_off()
        self._inside, self._intruded = True, False

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and (self._intruded or not issubclass(kind, JournaltuneError)):
            self._break_off()
        self._inside = False

    def _break_off(self) -> None:
        owner = self._owner()  # a weak reference: a study that nobody holds gives its descriptor back at once
        if owner is not None:
            owner.break_off()
