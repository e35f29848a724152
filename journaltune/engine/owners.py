"""Who works on a trial: what a record says of an owner, and the proof that an owner is dead.

An owner is dead only where that is proven. False proofs seen on Linux, and how each is avoided:

- a living process of another user has no /proc entry under ``hidepid``: gone is ESRCH from ``kill`` or ``pidfd_open`` alone;
- a pid belongs to a PID namespace, a start time to a time namespace: those of another one are not compared;
- a recycled pid may have the same start tick (236 of 299 forced cases): the inode of a pidfd differs (Linux 6.9 and later);
- state Z also shows while other threads of the process live: a pidfd becomes readable when the last one has ended.
"""

from __future__ import annotations

import os
import sys

from journaltune.base import checks
from journaltune.base.errors import MachineError, UsageError
from journaltune.journal import file as files
from journaltune.journal import lock, system

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Mapping
    from typing import Any

ALIVE, DEAD, UNKNOWN, NONE = "alive", "dead", "unknown", "none"
_PIDFS_SINCE = (6, 9)  # before, all pidfds have one inode


def describe(pid: int) -> dict[str, Any]:
    """What tells this process from every other one, as far as the system says: boot, namespaces, start time, pidfd inode.

    UsageError when there is no such process: nobody could ever prove that it is dead.
    """
    pid = checks.whole(pid, "an owner's pid")
    if pid <= 0:
        raise UsageError(f"{pid} is no process number; --owner takes the pid of one that lives, such as $$")
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        raise UsageError(f"there is no process {pid}; --owner takes the pid of one that lives, such as $$") from None
    except OverflowError:
        raise UsageError(f"{pid} is no process number") from None
    except PermissionError:
        pass
    owner: dict[str, Any] = {"pid": pid}
    for key, read in (
        ("boot", lambda: boot_id()),
        ("ns", lambda: _namespace("pid")),
        ("time_ns", lambda: _namespace("time")),
        ("start", lambda: _start_and_state(pid)[0]),
        ("pidfd", lambda: _pidfd_inode(pid)),
    ):
        try:
            owner[key] = read()
        except (OSError, AttributeError):  # another user's process doesn't show everything, and not every system has /proc
            continue
    return owner


def boot_id() -> str:
    return read_proc("sys/kernel/random/boot_id").decode().strip()


def read_proc(name: str) -> bytes:
    """A small file of /proc. OSError as it comes, which for a process that just ended is usual."""
    fd = os.open(f"/proc/{name}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, 65536)
    finally:
        os.close(fd)


def _namespace(kind: str) -> int:
    return os.stat(f"/proc/self/ns/{kind}").st_ino


def _start_and_state(pid: int) -> tuple[int, str]:
    """Start time in clock ticks after boot (field 22), and the state."""
    fields = stat_fields(pid)
    return int(fields[19]), fields[0].decode()


def stat_fields(pid: int) -> list[bytes]:
    """The fields behind the command's name, which may hold blanks and brackets itself."""
    return read_proc(f"{pid}/stat").rpartition(b")")[2].split()


def _pidfd_inode(pid: int) -> int:
    """OSError where it says nothing: before Linux 6.9, and where inodes have 32 bits and come again."""
    if _kernel() < _PIDFS_SINCE or sys.maxsize < 2**32:
        raise OSError
    fd = os.pidfd_open(pid)
    try:
        return os.fstat(fd).st_ino
    finally:
        os.close(fd)


def _kernel() -> tuple[int, ...]:
    numbers = os.uname().release.split("-")[0].split(".")[:2]
    return tuple(int(number) for number in numbers if number.isdigit())


class Probe:
    """One look at the owners of a journal's trials: each is asked about once, and so is what this process can compare with."""

    def __init__(self, journal_path: str) -> None:
        self._folder = workers_folder(journal_path)
        self._answers: dict[tuple[Any, ...], str] = {}
        self._own: dict[str, Any] = {}

    def standing(self, owner: Mapping[str, Any]) -> str:
        """``alive``, ``dead`` (proven) or ``unknown``."""
        try:
            known = owner.get
            key = known("lock"), known("pid"), known("boot"), known("ns"), known("start"), known("pidfd")
            answer = self._answers.get(key)
            if answer is None:
                answer = self._answers[key] = self._by_lock(owner) or self._by_pid(owner)
            return answer
        except (TypeError, ValueError, OverflowError):  # another program, or damage, left something else there
            return UNKNOWN

    def _by_lock(self, owner: Mapping[str, Any]) -> str | None:
        """By the file that a worker keeps locked for life, which holds across PID namespaces; None where that file is gone."""
        name = owner.get("lock")
        if not isinstance(name, str) or "/" in name or name.startswith("."):
            return None
        return lock_standing(f"{self._folder}/{name}")

    def _by_pid(self, owner: Mapping[str, Any]) -> str:
        pid = owner["pid"] if isinstance(owner.get("pid"), int) else 0
        here = self._known("boot", boot_id)
        if here is None or pid <= 0 or not isinstance(owner.get("boot"), str):
            return UNKNOWN
        if owner["boot"] != here:
            return DEAD
        if owner.get("ns") is None or owner["ns"] != self._known("ns", lambda: _namespace("pid")):
            return UNKNOWN
        return _by_pidfd(pid, owner.get("pidfd")) or self._by_stat(pid, owner)

    def _by_stat(self, pid: int, owner: Mapping[str, Any]) -> str:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return DEAD
        except PermissionError:
            pass
        try:
            if os.readlink("/proc/self") != str(os.getpid()):  # the /proc of another PID namespace
                return UNKNOWN
            start, state = _start_and_state(pid)
        except (OSError, ValueError, IndexError):
            return UNKNOWN  # hidepid, or it ended right now: the next look knows
        if owner.get("time_ns") != self._known("time_ns", lambda: _namespace("time")) or owner.get("start") is None:
            return UNKNOWN
        if start != owner["start"] or state == "X":
            return DEAD
        return _of_zombie(pid) if state == "Z" else ALIVE

    def _known(self, what: str, read: Callable[[], Any]) -> Any:
        if what not in self._own:
            try:
                self._own[what] = read()
            except OSError:
                self._own[what] = None
        return self._own[what]


def _by_pidfd(pid: int, inode: object) -> str | None:
    """None where a pidfd says nothing: too old a system, or none was recorded."""
    if inode is None or not hasattr(os, "pidfd_open"):
        return None
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return DEAD
    except OSError:  # EINVAL for a thread's id, EMFILE, EPERM by seccomp
        return None
    try:
        return DEAD if os.fstat(fd).st_ino != inode or _has_ended(fd) else ALIVE
    finally:
        os.close(fd)


def _of_zombie(pid: int) -> str:
    """Whether all threads of a process have ended whose first one has."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return DEAD
    except (OSError, AttributeError):
        return UNKNOWN
    try:
        return DEAD if _has_ended(fd) else ALIVE
    finally:
        os.close(fd)


def _has_ended(pidfd: int) -> bool:
    from select import POLLIN, poll

    look = poll()
    look.register(pidfd, POLLIN)
    return bool(look.poll(0))


def workers_folder(journal_path: str) -> str:
    return f"{files.folder_of(journal_path)}/workers"


def lock_standing(path: str) -> str | None:
    """Whether the process lives that keeps this file locked; None where the file is not there, or can't be looked at.

    The look shares the lock with other looks: two of them at once must not take each other for the owner.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return DEAD if lock.try_shared(fd) else ALIVE
    except OSError:  # ENOLCK
        return UNKNOWN
    finally:
        os.close(fd)


class Worker:
    """This process as an owner of trials: it keeps a file in ``workers/`` locked until it closes or dies.

    Where no such file can be made (a full disk, a folder that may not be written to), pid and start time have to do.
    """

    def __init__(self, journal_path: str) -> None:
        self._fd, self._path, self._pid = -1, "", os.getpid()
        self.owner = describe(self._pid)
        try:
            self._lock(journal_path)
        except (OSError, MachineError):
            return
        self.owner["lock"] = os.path.basename(self._path)

    def _lock(self, journal_path: str) -> None:
        files.make_folder(journal_path)
        folder = workers_folder(journal_path)
        files.make_plain_folder(folder, journal_path)
        name = os.urandom(8).hex()
        # Locked before it has its name: who finds it unlocked takes its process for dead.
        unnamed, self._path = f"{folder}/.{name}", f"{folder}/{name}"
        self._fd = system.create(unnamed, os.O_RDWR | os.O_EXCL, files.mode_of(journal_path))
        lock.open_fds.add(self._fd)
        try:
            lock.try_exclusive(self._fd)
            system.rename(unnamed, self._path)
        except OSError:
            files.remove(unnamed)
            self._release()
            raise

    def fileno(self) -> int:
        """The locked file, open for writing too; -1 where there is none."""
        return self._fd

    def leave(self) -> None:
        """Give the lock back, and leave the file: it proves to everybody that this owner is gone."""
        if self._fd >= 0 and self._pid == os.getpid():
            self._release()

    def close(self) -> None:
        """Give the lock back. In a forked child there is nothing to give back: its parent is the worker."""
        if self._fd >= 0 and self._pid == os.getpid():
            files.remove(self._path)
            self._release()

    def _release(self) -> None:
        fd, self._fd = self._fd, -1
        lock.open_fds.discard(fd)
        os.close(fd)

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def remove_leftovers(journal_path: str, needed: set[str]) -> None:
    """Remove the files of workers that died, but for those that prove it of a trial which still runs."""
    for path in dead_workers(journal_path, needed):
        try:
            files.remove(path)
        except (OSError, MachineError):
            return


def dead_workers(journal_path: str, needed: Container[str] = ()) -> Iterator[str]:
    """The files of workers that died, but for those ``needed``, by name."""
    folder = workers_folder(journal_path)
    try:
        names = os.listdir(folder)
    except OSError:
        return
    for name in names:
        if name not in needed and not name.startswith(".") and lock_standing(f"{folder}/{name}") == DEAD:
            yield f"{folder}/{name}"
