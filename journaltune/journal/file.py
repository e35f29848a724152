"""The bytes of a journal: opening, reading whole lines, appending in one write, overwriting in place.

Every write, fsync, rename and unlink of the package goes through this module, and from here through ``system``.
"""

from __future__ import annotations

import errno
import os
from binascii import crc32

from journaltune.base.errors import InDoubtError, MachineError, NotFoundError, UsageError
from journaltune.journal import system

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import NoReturn

_NETWORK = ("nfs", "cifs", "smb", "fuse.", "lustre", "gpfs", "ceph", "9p", "afs", "beegfs", "glusterfs")
_READ_BYTES = 1 << 26  # macOS refuses a read of 2 GiB with EINVAL
CHUNK_BYTES = 8 * 1024 * 1024
_LOOK_BACK = 1 << 16  # as much as others may have written behind a write that failed
_REPEATED_BYTES = 256 * 1024  # as much as others may have written since a call whose end nobody knows
_WINDOW_BYTES = 4096
_O_CLOEXEC = getattr(os, "O_CLOEXEC", 0)
_O_NONBLOCK = getattr(os, "O_NONBLOCK", 0)  # opening a FIFO must not wait for its other end


def names_of(path: str) -> list[str]:
    """The names of a journal that are known: the one given, and where that is a symbolic link the real one, which comes last."""
    return [path, os.path.realpath(path)] if os.path.islink(path) else [path]


def folder_of(path: str) -> str:
    """The folder beside the journal that holds everything else; one for all symbolic links to it."""
    return names_of(path)[-1] + ".d"


def require_name(path: str) -> None:
    """UsageError for what can't name a file that is to be made."""
    if "\0" in path:
        raise UsageError(f"{path!r} is no file name")


def refuse(error: OSError, path: str, doing: str) -> NoReturn:
    """Turn what the system said into the error that a user can act on."""
    if error.errno == errno.ENOENT:
        raise NotFoundError(f"there is no journal {path}; make one with `journaltune create -f {path} --param ...`") from error
    hints = {
        errno.ENOSPC: "the disk is full; free some room and try again",
        errno.EDQUOT: "the disk quota is used up; free some room and try again",
        errno.EFBIG: "the file may not grow further (file size limit); raise `ulimit -f` and try again",
        errno.EROFS: "the file system is read-only",
        errno.EACCES: "permission denied",
        errno.EPERM: "permission denied",
        errno.EISDIR: "it is a folder; name a file",
        errno.ENOTDIR: "a part of the path is not a folder",
        errno.ELOOP: "too many symbolic links",
        errno.EMFILE: "too many open files; close some, or raise `ulimit -n`",
        errno.ENOLCK: "the system has no lock left, or none on this file system",
    }
    hint = hints.get(error.errno or 0, os.strerror(error.errno) if error.errno else str(error))
    raise MachineError(f"cannot {doing} {path}: {hint}") from error


def open_journal(path: str, *, create: bool = False, readable: bool = False, allow_network_fs: bool = False) -> int:
    """A descriptor for appending, or with ``readable`` for reading only.

    NotFoundError when it is missing, MachineError when the machine refuses.
    """
    flags = _O_CLOEXEC | _O_NONBLOCK | (os.O_RDONLY if readable else os.O_RDWR | os.O_APPEND)
    try:
        fd = system.create(path, flags) if create else os.open(path, flags)
    except OSError as error:
        refuse(error, path, "open")
    except ValueError as error:
        raise NotFoundError(f"{path!r} is no file name: {error}") from error
    fd = behind_standard(fd)
    try:
        _only_regular(fd, path)
        if not allow_network_fs:
            _only_local(fd, path)
    except BaseException:
        os.close(fd)
        raise
    return fd


def behind_standard(fd: int) -> int:
    """The same descriptor, but not 0, 1 or 2 where those were closed: what is printed would go into the journal."""
    if fd > 2:
        return fd
    try:
        return duplicate(fd)
    finally:
        os.close(fd)


def duplicate(fd: int) -> int:
    """One more descriptor of the same file, not inherited and not 0, 1 or 2."""
    import fcntl

    return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)


def _only_regular(fd: int, path: str) -> None:
    from stat import S_ISREG

    if not S_ISREG(os.fstat(fd).st_mode):
        raise MachineError(f"cannot open {path}: it is not a regular file; a journal has to be one")


def _only_local(fd: int, path: str) -> None:
    kind = file_system_of(os.fstat(fd).st_dev)
    if kind.startswith(_NETWORK):
        raise MachineError(
            f"{path} is on a network file system ({kind}), where kernel locks and appends of several hosts are not safe; "
            "put it on a local disk, or say --allow-network-fs when one host only uses it"
        )


def file_system_of(device: int, mountinfo: str = "/proc/self/mountinfo") -> str:
    """The type of the file system with that device number; empty where the kernel doesn't tell."""
    wanted = f"{os.major(device)}:{os.minor(device)}"
    return next((fields[fields.index("-") + 1] for fields in _mounts(mountinfo) if fields[2] == wanted), "")


def is_mounted_alone(path: str, mountinfo: str = "/proc/self/mountinfo") -> bool:
    """Whether the file is mounted without its folder, as into a container: on the host it has a name that can't be told."""
    escaped = os.path.realpath(path)
    for character in "\\ \t\n":
        escaped = escaped.replace(character, f"\\{ord(character):03o}")
    return any(fields[4] == escaped for fields in _mounts(mountinfo))


def _mounts(mountinfo: str) -> Iterator[list[str]]:
    """The fields of each mount that the kernel tells of."""
    try:
        with open(mountinfo, encoding="utf-8", errors="surrogateescape") as file:
            yield from (fields for line in file if "-" in (fields := line.split(" ")) and len(fields) > 8)
    except OSError:
        pass


def is_still(fd: int, identity: tuple[int, int]) -> bool:
    """Whether a descriptor is open on the file with that device and inode."""
    try:
        there = os.fstat(fd)
    except OSError:
        return False
    return (there.st_dev, there.st_ino) == identity


def identity_of(fd: int) -> tuple[int, int]:
    """Device and inode of an open file."""
    there = os.fstat(fd)
    return there.st_dev, there.st_ino


def size_of(fd: int) -> int:
    """The size of an open file in bytes: as ``fstat`` has it, without the twenty other numbers that this makes."""
    return os.lseek(fd, 0, os.SEEK_END)


def read_from(fd: int, offset: int, most: int | None = None, before: int = 0, size: int | None = None) -> bytes:
    """The whole lines from ``offset`` on, about ``most`` bytes of them; a last line without a newline is left for later.

    The first ``before`` bytes are no line, but the end of an earlier one. ``size``: the file's, where the caller knows it.
    """
    if size is None:
        size = size_of(fd)
    while size > offset:
        length = size - offset if most is None else min(most, size - offset)
        data = pread(fd, length, offset)
        if data.endswith(b"\n"):
            return data
        whole = data.rfind(b"\n") + 1
        if whole > before or length == size - offset or most is None:
            return data[:whole]
        most *= 8  # a line longer than that
    return b""


def chunks(fd: int, end: int) -> Iterator[bytes]:
    """The whole lines before ``end``, some megabytes of them at a time."""
    at = 0
    while at < end and (data := read_from(fd, at, CHUNK_BYTES)):
        yield data[: end - at]
        at += len(data)


def pread(fd: int, length: int, offset: int) -> bytes:
    """``length`` bytes from ``offset`` on, fewer only at the file's end."""
    parts = []
    while length > 0:
        part = os.pread(fd, min(length, _READ_BYTES), offset)
        if not part:
            break
        parts.append(part)
        offset += len(part)
        length -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def fingerprint(fd: int, offset: int) -> list[int]:
    """Checksums of the first and the last bytes before ``offset``: enough to tell another file, or one that was rewritten."""
    length = min(offset, _WINDOW_BYTES)
    return [crc32(os.pread(fd, length, 0)), crc32(os.pread(fd, length, offset - length))]


def is_blank_before(fd: int, offset: int) -> bool:
    """Whether a blank ends there, where a record did: the record was of a batch that broke off before its last one."""
    return offset > 0 and os.pread(fd, 1, offset - 1) == b" "


def first_bytes(path: str, length: int) -> bytes:
    """How a file begins; a FIFO in its place is not waited for. OSError as it comes."""
    fd = os.open(path, os.O_RDONLY | _O_CLOEXEC | _O_NONBLOCK)
    try:
        return os.read(fd, length)
    finally:
        os.close(fd)


def append(fd: int, data: bytes, path: str) -> None:
    """Append ``data`` with one write. MachineError leaves the journal as it was, but for InDoubtError."""
    try:
        written = system.write(fd, data)
    except OSError as error:
        if _may_have_landed(fd, data):
            in_doubt(error, path)
        refuse(error, path, "write to")
    if written < len(data):
        # With O_APPEND the descriptor stands at the end of what it just wrote, wherever others have written meanwhile.
        end = os.lseek(fd, 0, os.SEEK_CUR)
        short = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        try:
            blank(path, fd, end - written, end)
        except MachineError as error:
            raise InDoubtError(
                f"{error}; what was written before could not be taken back, so the result is in doubt: look with "
                "`journaltune trials`"
            ) from error
        refuse(short, path, "write to")


def _may_have_landed(fd: int, data: bytes) -> bool:
    """Whether a write that failed put its records into the journal all the same. Records name their place: no two are alike."""
    try:
        start = max(0, os.fstat(fd).st_size - len(data) - _LOOK_BACK)
        return data[: data.index(b"\n") + 1] in pread(fd, len(data) + _LOOK_BACK, start)
    except OSError:
        return True


def flush(fd: int, path: str) -> None:
    """Make everything written so far survive a power cut. InDoubtError: not to be tried again."""
    try:
        system.fdatasync(fd)
    except OSError as error:
        in_doubt(error, path)


def store_again(path: str, fd: int, end: int) -> None:
    """Make the bytes before ``end`` survive a power cut even if an fsync of them failed. Needs the lock. InDoubtError.

    Linux counts pages as clean after an fsync that failed, and the next one has nothing to write (https://lwn.net/Articles/752063).
    So the bytes that may be in doubt are written once more, in place.
    """
    start = max(0, end - _REPEATED_BYTES)
    try:
        overwrite(path, fd, start, pread(fd, end - start, start))
    except MachineError as error:
        raise InDoubtError(f"{error}; the result is still in doubt") from error


def in_doubt(error: OSError, path: str) -> NoReturn:
    """Raise InDoubtError: nobody knows whether the call counts."""
    raise InDoubtError(
        f"{path}: the disk failed to store what was written ({os.strerror(error.errno or errno.EIO)}); the result is in "
        "doubt: look with `journaltune trials`, and check the disk"
    ) from error


def blank(path: str, fd: int, start: int, end: int) -> None:
    """Overwrite bytes with spaces, which JSON allows before a record.

    Never by truncating: running readers of ours and of others recover from blanks, and a racing append is not cut off.
    """
    overwrite(path, fd, start, b" " * (end - start))


def overwrite(path: str, fd: int, start: int, data: bytes) -> None:
    """Put ``data`` in the place of as many bytes, and on disk. Through another descriptor: O_APPEND would append it."""
    own = -1
    try:
        own = behind_standard(os.open(path, os.O_WRONLY | _O_CLOEXEC))
        if not os.path.samestat(os.fstat(own), os.fstat(fd)):
            raise MachineError(f"{path} was replaced by another file while it was in use")
        done = 0
        while done < len(data):
            done += system.pwrite(own, data[done:], start + done)
        system.fsync(own)
    except OSError as error:
        refuse(error, path, "mend")
    finally:
        if own >= 0:
            os.close(own)


def mode_of(path: str) -> int:
    """The mode of files beside the journal: for those who may read and write the journal. OSError as it comes."""
    return os.stat(path).st_mode & 0o666


def make_folder(path: str) -> str:
    """The journal's folder, made if it is not there. OSError as it comes."""
    folder = folder_of(path)
    make_plain_folder(folder, path)
    return folder


def make_plain_folder(folder: str, path: str) -> None:
    """A folder for those who may use the journal at ``path``; never a link, whose maker would choose where we write."""
    mode = mode_of(path)
    if not _is_folder(folder):
        try:
            system.mkdir(folder, 0o700 | mode | (mode & 0o444) >> 2)
        except FileExistsError:
            if not _is_folder(folder):  # made by another process just now
                raise
    there = os.stat(folder)
    if mode & 0o020 and there.st_mode & 0o070 == 0o050 and there.st_uid == os.geteuid():
        # A umask of 022 took the write permission of a group that shares the journal: its members could not mend it (EACCES).
        system.chmod(folder, there.st_mode & 0o7777 | 0o020)


def _is_folder(path: str) -> bool:
    return os.path.isdir(path) and not os.path.islink(path)


def write_all(fd: int, data: bytes | memoryview) -> None:
    """Write all of it, in as many writes as it takes. OSError as it comes."""
    view = memoryview(data)
    while view:
        view = view[system.write(fd, view) :]


def sync_folder(path: str) -> None:
    """Make the name of a new file survive a power cut, where folders can be synced."""
    try:
        fd = os.open(os.path.dirname(path), os.O_RDONLY | _O_CLOEXEC)
    except OSError:  # a folder that may be entered, but not read
        return
    try:
        system.fsync(fd)
    except OSError:
        pass
    finally:
        os.close(fd)


def remove(path: str) -> None:
    """Unlink a file if it is there; a folder stays. Other OSErrors as they come."""
    try:
        system.unlink(path)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        pass


def replace(path: str, data: Sequence[bytes | memoryview], mode: int) -> None:
    """Write a whole file beside its place and rename it there: readers see the old one or the new one. OSError as it comes."""
    own = f"{path}.{os.getpid()}.tmp"
    # A dead process left a file there, or somebody a trap: a FIFO would never open, a link would have its target overwritten.
    remove(own)
    fd = system.create(own, os.O_WRONLY | os.O_EXCL, mode)
    try:
        try:
            for part in data:
                write_all(fd, part)
            system.fsync(fd)
        finally:
            os.close(fd)
        system.rename(own, path)
    except BaseException:
        system.unlink(own)
        raise
