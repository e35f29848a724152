"""Mending the end of a journal, under Optuna's lock too, so that nobody's append is cut off; and copies of mended bytes."""

from __future__ import annotations

import os

from journaltune.journal import file as files
from journaltune.journal import records, stock_lock, system


def mend_tail(fd: int, path: str, *, lock_timeout_s: float, alone: bool = False) -> bool:
    """Blank the bytes behind the last newline, unless they are blank already; True when some were blanked. Needs the lock.

    A killed or starved writer leaves a tail without a newline, but a stock append in flight looks the same. So Optuna's own lock
    is taken first, unless it is held already (``alone``). A copy of the bytes goes to ``quarantine/``.
    LockTimeoutError as ``stock_lock.take``.
    """
    if not torn_tail(fd)[1].strip(b" "):
        return False
    if alone:
        _mend(fd, path)
        return True
    stock_lock.take(path, lock_timeout_s)
    try:
        _mend(fd, path)
    finally:
        stock_lock.release(path)
    return True


def take_back(fd: int, path: str, end: int, lock_timeout_s: float) -> bool:
    """Blank the records before ``end`` if their call wrote several and broke off before its last one. Needs the lock.

    True when the journal has to be read again: the records are blank now, or were already. False where all is well, and where a
    stock writer wrote behind the records, which stay then. LockTimeoutError as ``stock_lock.take``.
    """
    if files.is_blank_before(fd, end):
        return True
    start = begun(fd, end)
    if start is None:
        return False
    stock_lock.take(path, lock_timeout_s)
    try:
        if torn_tail(fd)[0] != end:
            return False
        _take_back(fd, path, start, end)
    finally:
        stock_lock.release(path)
    return True


def begun(fd: int, end: int) -> int | None:
    """Where the batch begins whose last record so far ends before ``end``; None when the record there ends its batch."""
    start, line = _line_before(fd, end - 1)
    text = line.lstrip(b" ")
    metadata = records.RecordReader().decode(text)["jt"] if records.is_sealed(text) else {}
    return start + len(line) - len(text) - (metadata["at"] - metadata["from"]) if "from" in metadata else None


def _take_back(fd: int, path: str, start: int, end: int) -> None:
    """The last newline first: wherever this breaks off, a torn tail is left, and fewer records before it."""
    try:
        if os.fstat(fd).st_size == end:
            files.write_all(fd, b" ")  # a blank behind the records tells those who have read them to look again
    except OSError as error:
        files.refuse(error, path, "mend")
    batch = files.pread(fd, end - start, start)
    for place in range(len(batch) - 1, -1, -1):
        if batch[place] == 10:
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
    """The offset behind the last newline before ``end``, and the bytes from there to ``end``."""
    length = 4096
    while True:
        length = min(length, end)
        data = files.pread(fd, length, end - length)
        newline = data.rfind(b"\n")
        if newline >= 0 or length == end:
            return end - length + newline + 1, data[newline + 1 :]
        length *= 8


def _keep(path: str, start: int, tail: bytes) -> None:
    """Keep a copy of the bytes that are about to be blanked."""
    try:
        quarantine(path, start, tail)
    except OSError:  # ENOSPC: a full disk must not stop the mending
        pass


def quarantine(path: str, start: int, old: bytes) -> str:
    """Keep a copy of bytes that are about to be overwritten, for those who may read the journal; the path of the copy.

    OSError as it comes, and no half copy.
    """
    name = _place(path, f"{start}-{len(old)}")
    fd = system.create(name, os.O_WRONLY | os.O_EXCL, files.mode_of(path))
    try:
        try:
            files.write_all(fd, old)
            system.fsync(fd)
        finally:
            os.close(fd)
    except OSError:
        files.remove(name)
        raise
    return name


def set_aside(path: str, beside: str) -> str:
    """Move a file beside the journal to ``quarantine/``; its path there. OSError as it comes."""
    name = _place(path, os.path.basename(beside))
    system.rename(beside, name)
    return name


def _place(path: str, what: str) -> str:
    """A name in ``quarantine/`` that is free. OSError as it comes."""
    folder = f"{files.make_folder(path)}/quarantine"
    files.make_plain_folder(folder, path)
    first = name = f"{folder}/{what}-{os.getpid()}"
    again = 0
    while os.path.lexists(name):  # a mending was broken off here, or this is the second one
        again += 1
        name = f"{first}-{again}"
    return name
