"""An equivalent, shorter journal under a new name. The live one is never touched: programs that use it go on with it.

It is written from the replayed state: see ``rewrite``. Ids and numbers of studies and trials stay, also those of deleted
studies, of which nothing else is kept. The finished trials stay in the order in which they finished, so the next suggestion is
the one that the original journal would have got.

What an ask saw of the journal is an offset of the original, so it can't be carried over: finished trials say
``"compacted": true`` instead, and can't be verified any more. What identifies requests stays, as repeated ones may still come.
"""

from __future__ import annotations

import errno
import gc
import os

from journaltune.base.errors import ConflictError, MachineError, UsageError
from journaltune.base.frozen import Frozen
from journaltune.journal import file as files
from journaltune.journal import records, system
from journaltune.journal.upkeep import compare
from journaltune.journal.upkeep.rewrite import Original, records_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

_WRITE_BYTES = 1024 * 1024
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK)


class Compacted(Frozen):
    """What was written: how many studies and trials there are, and both sizes."""

    n_studies: int
    n_trials: int
    bytes_before: int
    bytes_after: int


def compact(path: str | os.PathLike[str], dest: str | os.PathLike[str], *, allow_network_fs: bool = False) -> Compacted:
    """Write what the journal at ``path`` says now to ``dest``, which must not exist. Nothing is locked.

    What was written is replayed and compared with the original before it gets its name, and the name appears at once: a kill
    leaves no half file under it. What others append to ``path`` meanwhile is not in it.

    Raises ConflictError when ``dest`` exists, UsageError where it can't be a file, JournalDamagedError when ``path`` can't be
    read, MachineError.
    """
    path, dest = os.path.abspath(os.fspath(path)), os.path.abspath(os.fspath(dest))
    files.require_name(dest)
    own, collecting = f"{dest}.{os.getpid()}.tmp", gc.isenabled()
    fd = files.open_journal(path, readable=True, allow_network_fs=allow_network_fs)
    try:
        gc.disable()  # as in ``Fold.feed``
        _check_free(dest)
        original = Original(path, fd)
        size = _write(own, dest, _sealed(records_of(original)))
        _compare(own, original, allow_network_fs=allow_network_fs)
        _name(own, dest)
        files.sync_folder(dest)
    except OSError as error:  # EIO
        files.refuse(error, path, "read")
    finally:
        _remove(own)
        if collecting:
            gc.enable()
        os.close(fd)
    state = original.state
    return Compacted(len(state.studies), sum(study.n_trials for study in state.studies.values()), original.size_bytes, size)


def _check_free(dest: str) -> None:
    for name in (dest, os.path.dirname(dest)):
        journal, ending = os.path.splitext(name)
        if ending in (".lock", ".d") and os.path.isfile(journal):
            raise UsageError(f"{name} belongs to the journal {journal}; name another file")
    if os.path.lexists(dest):
        raise ConflictError(f"{dest} exists; name a file that does not")
    if not os.path.isdir(os.path.dirname(dest)):
        raise UsageError(f"there is no folder {os.path.dirname(dest)}; make it first")


def _write(own: str, dest: str, lines: Iterator[bytes]) -> int:
    size, parts, waiting = 0, [], 0
    try:
        fd = system.create(own, os.O_WRONLY | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0))
        try:
            for line in lines:
                parts.append(line)
                waiting += len(line)
                if waiting >= _WRITE_BYTES:
                    files.write_all(fd, b"".join(parts))
                    size, parts, waiting = size + waiting, [], 0
            files.write_all(fd, b"".join(parts))
            system.fsync(fd)
        finally:
            os.close(fd)
    except FileNotFoundError as error:  # a folder that takes no files, such as /proc
        raise MachineError(f"cannot write {dest}: {error.strerror}") from error
    except OSError as error:
        files.refuse(error, dest, "write")
    return size + waiting


def _sealed(batch: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    at = link = 0
    for record in batch:
        line = records.seal(records.placed(record, at), link)
        at, link = at + len(line) + 1, records.sum_of(line)
        yield line + b"\n"


def _compare(own: str, original: Original, *, allow_network_fs: bool) -> None:
    """Read back what was written. Nothing but a bug or a bad disk makes a difference."""
    fd = files.open_journal(own, readable=True, allow_network_fs=allow_network_fs)
    try:
        made = Original(own, fd)
    finally:
        os.close(fd)
    difference = compare.difference(original.state, made.state, places=False)
    if difference is not None:
        raise RuntimeError(f"the compacted journal would differ from the original: {difference}; it was not written")


def _name(own: str, dest: str) -> None:
    """Give the file its name, unless another took that name meanwhile."""
    try:
        try:
            system.link(own, dest)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            _check_free(dest)  # a file system without links: between this and the next line another may take the name
            system.rename(own, dest)
    except FileExistsError:
        _check_free(dest)
        raise
    except OSError as error:
        files.refuse(error, dest, "write")


def _remove(own: str) -> None:
    """An error that comes of this must not hide the one that says what the machine refused."""
    try:
        files.remove(own)
    except OSError:
        pass
