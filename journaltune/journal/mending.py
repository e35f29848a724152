"""Mending the end of a journal, under Optuna's lock too: what is blanked is kept, and nobody's append is cut off."""

from __future__ import annotations

import os

from journaltune.errors import LockTimeoutError, MachineError
from journaltune.journal import file as files
from journaltune.journal import records, system

_STOCK_GRACE_S = 30.0


def mend_tail(fd: int, path: str, *, lock_timeout_s: float, alone: bool = False) -> bool:
    """Blank what follows the last newline, unless it is blank already; True when something was blanked. Needs the lock.

    A tail without a newline is what a killed or starved writer left, or a stock append in flight, so Optuna's own lock is
    taken before believing it, unless it is held already (``alone``). What is blanked is kept in ``quarantine/``.
    LockTimeoutError as ``take_stock_lock``.
    """
    if not torn_tail(fd)[1].strip(b" "):
        return False
    if alone:
        _mend(fd, path)
        return True
    take_stock_lock(path, lock_timeout_s)
    try:
        _mend(fd, path)
    finally:
        release_stock_lock(path)
    return True


def take_back(fd: int, path: str, end: int, lock_timeout_s: float) -> bool:
    """Blank the records before ``end`` if their call wrote several and broke off before its last one. Needs the lock.

    True when who has read up to ``end`` has to read again: they are blank now, or were already. False where all is well, and
    where a stock writer wrote behind them: they stay then. LockTimeoutError as ``take_stock_lock``.
    """
    if os.pread(fd, 1, end - 1) == b" ":
        return True
    start = begun(fd, end)
    if start is None:
        return False
    take_stock_lock(path, lock_timeout_s)
    try:
        if torn_tail(fd)[0] != end:
            return False
        _take_back(fd, path, start, end)
    finally:
        release_stock_lock(path)
    return True


def begun(fd: int, end: int) -> int | None:
    """Where the unfinished batch begins whose last record so far ends before ``end``; None when there is none."""
    start, line = _line_before(fd, end - 1)
    text = line.lstrip(b" ")
    jt = records.RecordReader().decode(text)["jt"] if records.is_sealed(text) else {}
    return start + len(line) - len(text) - (jt["at"] - jt["from"]) if "from" in jt else None


def _take_back(fd: int, path: str, start: int, end: int) -> None:
    """The last newline first: wherever this is broken off, what is left is a torn tail, and fewer records before it."""
    try:
        if os.fstat(fd).st_size == end:
            files.write_all(fd, b" ")  # whoever has read the records takes a blank behind them as a reason to look again
    except OSError as error:
        files.refuse(error, path, "mend")
    found = files.pread(fd, end - start, start)
    for place in range(len(found) - 1, -1, -1):
        if found[place] == 10:
            files.overwrite(path, fd, start + place, b" ")
    _mend(fd, path)


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
    return _line_before(fd, size)


def _line_before(fd: int, end: int) -> tuple[int, bytes]:
    """What stands before ``end``, from its last newline on: the offset, and the bytes."""
    length = 4096
    while True:
        length = min(length, end)
        data = files.pread(fd, length, end - length)
        newline = data.rfind(b"\n")
        if newline >= 0 or length == end:
            return end - length + newline + 1, data[newline + 1 :]
        length *= 8


def take_stock_lock(path: str, timeout_s: float) -> None:
    """Optuna's lock, a symlink beside the journal, by its own rule: one that did not change hands for 30 s is of the dead.

    Needs our own lock; so one that is marked as ours is of the dead too, and nobody waits for it. LockTimeoutError when others
    have it for ``timeout_s``.
    """
    from time import monotonic, sleep

    ours = f"{os.path.dirname(path)}/./{os.path.basename(path)}"  # names the journal, which Optuna looks at
    holder, began, pause_s = None, monotonic(), 0.001
    since = began
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
            if monotonic() - began >= timeout_s:
                raise LockTimeoutError(_held_by_others(path, timeout_s)) from None
            sleep(min(pause_s, max(0.0, timeout_s - (monotonic() - began))))
            pause_s = min(pause_s * 2, 0.1)
        except OSError as error:
            files.refuse(error, path, "lock")


def _held_by_others(path: str, timeout_s: float) -> str:
    return (
        f"{path}.lock, the lock of Optuna's own writers, was taken for more than {timeout_s:g} s; try again, or raise "
        f"--lock-timeout (after {_STOCK_GRACE_S:g} s the lock of a dead writer is broken)"
    )


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
    """Keep a copy of bytes that are about to be overwritten, for who may read the journal; the path of the copy.

    OSError as it comes, and no half copy.
    """
    folder = f"{files.make_folder(path)}/quarantine"
    files.make_plain_folder(folder, path)
    name, again = f"{folder}/{start}-{len(found)}-{os.getpid()}", 0
    while os.path.lexists(name):  # of a mending that was broken off, or the second one at this place
        again += 1
        name = f"{folder}/{start}-{len(found)}-{os.getpid()}-{again}"
    fd = system.create(name, os.O_WRONLY | os.O_EXCL, files.mode_of(path))
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
