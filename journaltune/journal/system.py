"""The system calls that change files: the package makes all of them here, so that a test can make the Nth fail or kill.

``fault`` is None outside tests. A test sets it to ``fault(name, function, arguments)``, which is then called in the place of
each system call and gives its result.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Fault = Callable[[str, Callable[..., Any], tuple[Any, ...]], Any]

fault: Fault | None = None


def _passed(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any) -> Any:
        return function(*arguments) if fault is None else fault(name, function, arguments)

    return call


def _create(path: str, flags: int, mode: int = 0o666) -> int:
    return os.open(path, flags | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), mode)


create = _passed("create", _create)
"""``os.open`` of a file that may be new, and is not inherited."""
write = _passed("write", os.write)
pwrite = _passed("pwrite", os.pwrite)
fsync = _passed("fsync", os.fsync)
fdatasync = _passed("fdatasync", os.fdatasync if hasattr(os, "fdatasync") else os.fsync)
rename = _passed("rename", os.rename)
link = _passed("link", os.link)
unlink = _passed("unlink", os.unlink)
symlink = _passed("symlink", os.symlink)
mkdir = _passed("mkdir", os.mkdir)
chmod = _passed("chmod", os.chmod)
