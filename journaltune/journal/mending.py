"""Mending the end of a journal, under Optuna's lock too: what is blanked is kept, and nobody's append is cut off."""

from __future__ import annotations

import os

from journaltune.errors import MachineError
from journaltune.journal import file as files
from journaltune.journal import system

_STOCK_GRACE_S = 30.0


def mend_tail(fd: int, path: str, *, alone: bool = False) -> bool:
    """Blank what follows the last newline, unless it is blank already; True when something was blanked. Needs the lock.

    A tail without a newline is what a killed or starved writer left, or a stock append in flight, so Optuna's own lock is
    taken before believing it, unless it is held already (``alone``). What is blanked is kept in ``quarantine/``.
    """
    if not torn_tail(fd)[1].strip(b" "):
        return False
    if alone:
        _mend(fd, path)
        return True
    take_stock_lock(path)
    try:
        _mend(fd, path)
    finally:
        release_stock_lock(path)
    return True


def _mend(fd: int, path: str) -> None:
    start, tail = torn_tail(fd)
    if tail.strip(b" "):
        _keep(path, start, tail)
        files.blank(path, fd, start, start + len(tail))


def torn_tail(fd: int) -> tuple[int, bytes]:
    """Where the last line without a newline begins, and its bytes; empty for a journal that ends well."""
    size = os.fstat(fd).st_size
    if size == 0 or os.pread(fd, 1, size - 1) == b"\n":
        return size, b""
    length = 4096
    while True:
        length = min(length, size)
        end = files.pread(fd, length, size - length)
        newline = end.rfind(b"\n")
        if newline >= 0 or length == size:
            return size - length + newline + 1, end[newline + 1 :]
        length *= 8


def take_stock_lock(path: str) -> None:
    """Optuna's lock, a symlink beside the journal, by its own rule: one that did not change hands for 30 s is of the dead.

    Needs our own lock; so one that is marked as ours is of the dead too, and nobody waits for it.
    """
    from time import monotonic, sleep

    ours = f"{os.path.dirname(path)}/./{os.path.basename(path)}"  # names the journal, which Optuna looks at
    holder, since, pause_s = None, monotonic(), 0.001
    while True:
        try:
            system.symlink(ours, path + ".lock")
            return
        except FileExistsError:
            present = _stock_lock_holder(path)
            if present != holder:
                holder, since = present, monotonic()
            if monotonic() - since > _STOCK_GRACE_S or _target(path + ".lock") == ours:
                release_stock_lock(path)
                continue
            sleep(pause_s)
            pause_s = min(pause_s * 2, 0.1)
        except OSError as error:
            files.refuse(error, path, "lock")


def _target(link: str) -> str | None:
    try:
        return os.readlink(link)
    except OSError:  # gone meanwhile, or no link
        return None


def _stock_lock_holder(path: str) -> tuple[int, int] | None:
    from stat import S_ISDIR

    try:
        there = os.lstat(path + ".lock")
    except FileNotFoundError:
        return None
    if S_ISDIR(there.st_mode):
        raise MachineError(f"cannot lock {path}: {path}.lock is a folder, and Optuna makes its lock there; remove it")
    return there.st_ino, there.st_mtime_ns


def release_stock_lock(path: str) -> None:
    """MachineError when it can't be removed: other writers break it then, by the same rule."""
    try:
        files.remove(path + ".lock")  # gone already where a stock process counted us as dead, and broke it
    except OSError as error:
        files.refuse(error, path + ".lock", "remove")


def _keep(path: str, start: int, tail: bytes) -> None:
    """Keep a copy of what is about to be blanked; a full disk must not stop the mending."""
    try:
        quarantine(path, start, tail)
    except OSError:
        pass


def quarantine(path: str, start: int, found: bytes) -> str:
    """Keep a copy of bytes that are about to be overwritten; the path of the copy. OSError as it comes, and no half copy."""
    folder = f"{files.make_folder(path)}/quarantine"
    files.make_plain_folder(folder)
    name, again = f"{folder}/{start}-{len(found)}-{os.getpid()}", 0
    while os.path.lexists(name):  # of a mending that was broken off, or the second one at this place
        again += 1
        name = f"{folder}/{start}-{len(found)}-{os.getpid()}-{again}"
    fd = system.create(name, os.O_WRONLY | os.O_EXCL)
    try:
        try:
            files.write_all(fd, found)
            system.fsync(fd)
        finally:
            os.close(fd)
    except OSError:
        files.remove(name)
        raise
    return name
