"""A journal's open file: the kernel's locks on it, one call at a time, and noticing that its path names another file.

``flock`` waits in the kernel's queue: with 8 contenders the slowest waits milliseconds where polling makes it wait seconds.
A wait in the kernel can't be given a time limit, so it happens in a thread that the caller stops waiting for.
"""

from __future__ import annotations

import _thread
import os
import sys
from _weakref import ref

from journaltune.base import pack
from journaltune.base.errors import (
    JournalDamagedError,
    JournaltuneError,
    LockTimeoutError,
    MachineError,
    NotFoundError,
    UsageError,
)
from journaltune.journal import file as files

try:
    import fcntl
except ImportError as error:
    raise MachineError("this system has no flock, which is what makes a journal safe; use Linux, or WSL on Windows") from error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn, Protocol

    class Breakable(Protocol):
        def break_off(self) -> None:
            """Forget whatever an exception may have left half done."""


_ASK_BASE = 1 << 40  # byte ranges far behind any journal's end: one for each study's asks

# A record is written in a sixth of a millisecond, and a thread that waits for that takes twice as long: so some looks come first.
_LOOKS = 100

open_fds: set[int] = set()


def _close_in_child() -> None:
    # A child that inherits a locked descriptor would keep the lock after its parent is killed. Closing gives up the child's
    # share only; LOCK_UN would give up the parent's.
    for fd in open_fds:
        os.close(fd)
    open_fds.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_in_child)


def has_range_locks() -> bool:
    """Whether a part of a file can be locked by open file description, apart from ``flock``: on Linux."""
    return sys.platform == "linux"


def acquire(fd: int, path: str, timeout_s: float) -> None:
    """Take the journal's lock on ``fd``, or LockTimeoutError after ``timeout_s``. On any error ``abandon`` the descriptor."""
    for _ in range(_LOOKS):
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            os.sched_yield()
    _wait(lambda own: fcntl.flock(own, fcntl.LOCK_EX), fd, path, timeout_s, "FLOCK", "0 EOF")


def release(fd: int) -> None:
    fcntl.flock(fd, fcntl.LOCK_UN)


def try_exclusive(fd: int) -> None:
    """Lock a file of one's own. BlockingIOError where somebody has it, OSError where none can be had."""
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)


def try_shared(fd: int) -> bool:
    """Whether nobody keeps the file to himself."""
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def try_asks(fd: int, study_id: int) -> bool:
    """Take the lock that serialises the asks of one study, if that is free; tells go on meanwhile."""
    try:
        _range_lock(fd, fcntl.F_OFD_SETLK, fcntl.F_WRLCK, _ASK_BASE + study_id)
    except (BlockingIOError, PermissionError):  # POSIX allows EAGAIN and EACCES alike for a range that is taken
        return False
    return True


def acquire_asks(fd: int, path: str, study_id: int, timeout_s: float) -> None:
    """Wait for the lock that serialises the asks of one study. Errors as ``acquire``."""
    at = _ASK_BASE + study_id
    _wait(lambda own: _range_lock(own, fcntl.F_OFD_SETLKW, fcntl.F_WRLCK, at), fd, path, timeout_s, "OFDLCK", f"{at} {at}")


def release_asks(fd: int, study_id: int) -> None:
    _range_lock(fd, fcntl.F_OFD_SETLK, fcntl.F_UNLCK, _ASK_BASE + study_id)


def abandon(fd: int) -> None:
    """Close a descriptor. A thread may still wait for a lock on a copy of it, which must not keep the range locks of ``fd``."""
    open_fds.discard(fd)
    try:
        if has_range_locks():
            _range_lock(fd, fcntl.F_OFD_SETLK, fcntl.F_UNLCK, _ASK_BASE, length=0)
    except OSError:  # ENOLCK: closing gives the locks back, once no thread waits any more
        pass
    try:
        os.close(fd)
    except OSError:  # EIO: the descriptor is gone all the same; results are on disk before a call ends, by fsync
        pass


def _range_lock(fd: int, command: int, kind: int, start: int, length: int = 1) -> None:
    fcntl.fcntl(fd, command, pack("@hhqqi4x", kind, os.SEEK_SET, start, length, 0))


def _wait(block: Callable[[int], None], fd: int, path: str, timeout_s: float, kind: str, range_text: str) -> None:
    """Run ``block`` in a thread and wait for it at most ``timeout_s``."""
    done = _thread.allocate_lock()
    done.acquire()
    own, failure = files.duplicate(fd), []
    open_fds.add(own)

    def wait() -> None:
        try:
            block(own)
        except OSError as error:
            failure.append(error)
        finally:
            open_fds.discard(own)
            os.close(own)  # where the caller gave up, ``fd`` is closed too, and this gives the lock back
            done.release()

    try:
        _thread.start_new_thread(wait, ())
    except RuntimeError as error:
        open_fds.discard(own)
        os.close(own)
        raise MachineError(f"cannot wait for the lock of {path}: no thread can be started; raise `ulimit -u`") from error
    if not done.acquire(timeout=min(max(timeout_s, 0.0), _thread.TIMEOUT_MAX)):
        pids = holders(path, kind, range_text)
        by = f"process {', '.join(map(str, pids))}" if pids else "a process that this one can't see"
        raise LockTimeoutError(
            f"{path} is locked by {by} for more than {timeout_s:g} s; try again, or raise --lock-timeout", pids
        )
    if failure:
        raise failure[0]


def holders(path: str, kind: str = "FLOCK", range_text: str = "0 EOF") -> tuple[int, ...]:
    """Other processes that hold a lock of that kind and range on ``path``, as far as /proc tells."""
    try:
        inode = f":{os.stat(path).st_ino} "
        pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return ()
    return tuple(pid for pid in pids if pid != os.getpid() and _holds(pid, inode, kind, range_text))


def _holds(pid: int, inode: str, kind: str, range_text: str) -> bool:
    folder = f"/proc/{pid}/fdinfo"
    try:
        for name in os.listdir(folder):
            with open(f"{folder}/{name}", encoding="ascii", errors="replace") as file:
                for line in file:
                    if line.startswith("lock:") and kind in line and inode in line and line.rstrip().endswith(" " + range_text):
                        return True
    except OSError:
        pass
    return False


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
        open_fds.add(self.fd)

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
        open_fds.discard(self.fd)
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
            abandon(fd)
        return True

    def __del__(self) -> None:
        try:
            if self.is_own():
                abandon(self.fd)
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
            abandon(fd)
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
