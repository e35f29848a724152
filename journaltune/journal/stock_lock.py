"""The lock of Optuna's and Rustuna's own writers: a symlink beside the journal that names no holder."""

from __future__ import annotations

import os

from journaltune.base.errors import LockTimeoutError, MachineError
from journaltune.journal import file as files
from journaltune.journal import system

GRACE_S = 30.0  # Optuna's: a lock that does not change hands for so long is of a writer that died
_SECOND_LOOK_S = 0.2


def take(path: str, timeout_s: float) -> None:
    """Take Optuna's lock, by Optuna's rule: a lock that did not change hands for 30 s was left by a dead process.

    The lock stands beside the name that a writer uses, so it is taken beside each name that is known. Needs our own lock. So a
    lock that is marked as ours was left by a dead process too, and is not waited for. LockTimeoutError when others have the lock
    for ``timeout_s``, MachineError where the file has names that can't be told.
    """
    _refuse_unknown_names(path)
    taken: list[str] = []
    try:
        for name in files.names_of(path):
            _take(name, timeout_s)
            taken.append(name)
    except BaseException:
        for name in taken:
            _release(name)
        raise


def _refuse_unknown_names(path: str) -> None:
    if os.stat(path).st_nlink > 1:
        why = "it has several names (hard links), and their lock stands beside the one that they use; remove the others"
    elif files.is_mounted_alone(path):
        why = "it is mounted here without its folder, in which their lock stands; mount the folder"
    else:
        return
    raise MachineError(f"cannot keep other programs from writing to {path}: {why}")


def _take(path: str, timeout_s: float) -> None:
    from time import monotonic, sleep

    holder, began, pause_s = None, monotonic(), 0.001
    since = began
    while True:
        try:
            system.symlink(_mark(path), path + ".lock")
            return
        except FileExistsError:
            present = _holder(path)
            if present != holder:
                holder, since = present, monotonic()
            if monotonic() - since > GRACE_S or _is_ours(path):
                _release(path)
                continue
            if monotonic() - began >= timeout_s:
                raise LockTimeoutError(_held_by_others(path, timeout_s)) from None
            sleep(min(pause_s, max(0.0, timeout_s - (monotonic() - began))))
            pause_s = min(pause_s * 2, 0.1)
        except OSError as error:
            files.refuse(error, path, "lock")


def _mark(path: str) -> str:
    """The target of a lock of ours: the journal, whose age Optuna looks at, spelled as nobody else spells it."""
    return f"{os.path.dirname(path)}/./{os.path.basename(path)}"


def bury(path: str) -> None:
    """Remove a lock whose holder died, if there is one: 30 s off the present, or marked as ours. Needs our lock; never raises.

    Rustuna waits for ever for such a lock, and Optuna as long as we write: it counts from the journal's last change.
    """
    for name in files.names_of(path):
        _bury(name)


def _bury(path: str) -> None:
    from time import sleep, time

    try:
        holder = _holder(path)
        if holder is None:
            return
        if not _is_ours(path):
            if abs(time() - holder[1] / 1e9) <= GRACE_S:  # a lock of the future was left before the clock was set back
                return
            sleep(_SECOND_LOOK_S)  # after a suspend every lock looks stale; give live holders time
        if _holder(path) == holder:
            _release(path)
    except (MachineError, OSError):
        pass  # EACCES, EPERM: another user's lock; a call that needs it says so


def _held_by_others(path: str, timeout_s: float) -> str:
    return (
        f"{path}.lock, the lock of Optuna's own writers, was taken for more than {timeout_s:g} s; try again, or raise "
        f"--lock-timeout (after {GRACE_S:g} s the lock of a dead writer is broken)"
    )


def _is_ours(path: str) -> bool:
    try:
        return os.readlink(path + ".lock") == _mark(path)
    except OSError:  # gone meanwhile, or no link
        return False


def _holder(path: str) -> tuple[int, int] | None:
    from stat import S_ISDIR

    try:
        there = os.lstat(path + ".lock")
    except FileNotFoundError:
        return None
    except OSError as error:
        files.refuse(error, path + ".lock", "look at")
    if S_ISDIR(there.st_mode):
        raise MachineError(f"cannot lock {path}: {path}.lock is a folder, and Optuna makes its lock there; remove it")
    return there.st_ino, there.st_mtime_ns


def release(path: str) -> None:
    """MachineError when the lock can't be removed: other writers break it then, by the same rule."""
    for name in files.names_of(path):
        _release(name)


def _release(path: str) -> None:
    try:
        files.remove(path + ".lock")  # gone already where a stock process counted us as dead and removed it
    except OSError as error:
        files.refuse(error, path + ".lock", "remove")
