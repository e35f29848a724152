"""Kernel locks with a time limit, and who holds them.

``flock`` waits in the kernel's queue: with 8 contenders the slowest waits milliseconds where polling makes it wait seconds.
A wait in the kernel can't be given a time limit, so it happens in a thread that the caller stops waiting for.
"""

from __future__ import annotations

import _thread
import os
import sys

from journaltune.base import pack
from journaltune.base.errors import LockTimeoutError, MachineError
from journaltune.journal.file import duplicate

try:
    import fcntl
except ImportError as error:
    raise MachineError("this system has no flock, which is what makes a journal safe; use Linux, or WSL on Windows") from error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

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
    own, failure = duplicate(fd), []
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
