"""Kernel locks with a time limit, and who holds them.

``flock`` waits in the kernel's queue: with 8 contenders the slowest waits milliseconds where polling makes it wait seconds.
A wait in the kernel can't be given a time limit, so it happens in a thread that the caller stops waiting for.
"""

from __future__ import annotations

import _thread
import os

try:
    import fcntl
except ImportError:  # not a POSIX system
    HAS_FLOCK = False
else:
    HAS_FLOCK = True

from journaltune.errors import LockTimeoutError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_ASK_BASE = 1 << 40  # byte ranges far behind any journal's end: one for each study's asks


def has_range_locks() -> bool:
    """Whether a part of a file can be locked by open file description, apart from ``flock``: on Linux."""
    return HAS_FLOCK and hasattr(fcntl, "F_OFD_SETLKW")


def acquire(fd: int, path: str, timeout_s: float) -> None:
    """Take the journal's lock on ``fd``. LockTimeoutError after ``timeout_s``: then close ``fd``, a thread still waits on it."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        _wait(lambda own: fcntl.flock(own, fcntl.LOCK_EX), fd, path, timeout_s, "FLOCK")


def release(fd: int) -> None:
    fcntl.flock(fd, fcntl.LOCK_UN)


def acquire_asks(fd: int, path: str, study_id: int, timeout_s: float) -> None:
    """Take the lock that serialises the asks of one study; tells go on meanwhile. Errors as ``acquire``."""
    try:
        _range_lock(fd, fcntl.F_OFD_SETLK, fcntl.F_WRLCK, study_id)
    except (BlockingIOError, PermissionError):  # POSIX allows EAGAIN and EACCES alike for a range that is taken
        _wait(lambda own: _range_lock(own, fcntl.F_OFD_SETLKW, fcntl.F_WRLCK, study_id), fd, path, timeout_s, "OFDLCK")


def release_asks(fd: int, study_id: int) -> None:
    _range_lock(fd, fcntl.F_OFD_SETLK, fcntl.F_UNLCK, study_id)


def _range_lock(fd: int, command: int, kind: int, study_id: int) -> None:
    from struct import pack

    fcntl.fcntl(fd, command, pack("@hhqqi4x", kind, os.SEEK_SET, _ASK_BASE + study_id, 1, 0))


def _wait(block: Callable[[int], None], fd: int, path: str, timeout_s: float, kind: str) -> None:
    """Run ``block`` in a thread and wait for it at most ``timeout_s``."""
    done = _thread.allocate_lock()
    done.acquire()
    own, failure = os.dup(fd), []

    def wait() -> None:
        try:
            block(own)
        except OSError as error:
            failure.append(error)
        finally:
            os.close(own)  # if nobody waits any more, ``fd`` is closed too, and this gives the lock back
            done.release()

    _thread.start_new_thread(wait, ())
    if not done.acquire(timeout=min(max(timeout_s, 0.0), _thread.TIMEOUT_MAX)):
        pids = holders(path, kind)
        by = f"process {', '.join(map(str, pids))}" if pids else "a process that this one can't see"
        raise LockTimeoutError(
            f"{path} is locked by {by} for more than {timeout_s:g} s; try again, or raise --lock-timeout", pids
        )
    if failure:
        raise failure[0]


def holders(path: str, kind: str = "FLOCK") -> tuple[int, ...]:
    """Processes that hold a lock of that kind on ``path``, as /proc tells; none where it does not."""
    try:
        inode = f":{os.stat(path).st_ino} "
        pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return ()
    return tuple(pid for pid in pids if pid != os.getpid() and _holds(pid, inode, kind))


def _holds(pid: int, inode: str, kind: str) -> bool:
    folder = f"/proc/{pid}/fdinfo"
    try:
        for name in os.listdir(folder):
            with open(f"{folder}/{name}", encoding="ascii", errors="replace") as file:
                if any(line.startswith("lock:") and kind in line and inode in line for line in file):
                    return True
    except OSError:
        pass
    return False
