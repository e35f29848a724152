"""Calls of the command line inside this process, with what they print, and what may be said of any of them."""

from __future__ import annotations

import ctypes
import io
import os
import re
import resource
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from journaltune import cli

if TYPE_CHECKING:
    from collections.abc import Sequence

EXIT_CODES = (0, 1, 2, 3, 4, 5, 6, 7, 10, 11)
_CAPABILITY_VERSION_3, _CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH = 0x20080522, 1 << 1, 1 << 2
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.\d]*(\+00:00)?")
_DURATION = re.compile(r'"(duration_s|age_s)": [-+.e\d]+')


@dataclass(frozen=True)
class Answer:
    """What a call answered: exit code, stdout, stderr."""

    code: int
    out: bytes
    err: bytes


def timeless(text: str) -> str:
    """A text without what no two runs have alike."""
    return _DURATION.sub("DURATION", _MOMENT.sub("TIME", text))


def call(*arguments: object) -> Answer:
    """Run one command in this process. What it raises is a bug of its own, and comes as it is."""
    out, err = io.BytesIO(), io.BytesIO()
    before = sys.stdout, sys.stderr
    sys.stdout = io.TextIOWrapper(out, encoding="utf-8", write_through=True)
    sys.stderr = io.TextIOWrapper(err, encoding="utf-8", errors="backslashreplace", write_through=True)
    try:
        code = cli.main(list(map(str, arguments)))
        return Answer(code, out.getvalue(), err.getvalue())
    finally:
        sys.stdout, sys.stderr = before


def complaint(answer: Answer) -> str:
    """What is wrong with an answer, whatever was asked; empty when nothing is."""
    lines = answer.err.decode(errors="replace").splitlines()
    if answer.code not in EXIT_CODES:
        return f"exit code {answer.code}"
    if b"Traceback" in answer.err or b"bug in journaltune" in answer.err:
        return "a traceback"
    if answer.code == 6 and answer.out and not lines:
        return ""  # `check` says on stdout what it found
    if answer.code not in (0, 1, 10, 11) and (len(lines) != 1 or not lines[0].startswith("journaltune: ")):
        return f"exit code {answer.code} with {len(lines)} lines on stderr"
    if answer.code in (2, 3) and answer.out:
        return f"exit code {answer.code} with data on stdout"
    return ""


def limit_memory(more_bytes: int) -> None:
    """From here on this process may take so much more memory, then allocations fail."""
    for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("VmSize:"):
            most = int(line.split()[1]) * 1024 + more_bytes
            resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))


def obey_modes() -> bool:
    """Make root a user like any other, whom file modes bind, in this process; False where that can't be had.

    Not by another user id: that one may not be able to read the interpreter's own files.
    """
    if os.geteuid() != 0:
        return True
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable, for the lower 32 capabilities; then for the others
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.capget(header, sets) != 0:
        return False
    for place in range(3):
        sets[place] &= ~(_CAP_DAC_OVERRIDE | _CAP_DAC_READ_SEARCH)
    return bool(libc.capset(header, sets) == 0)


def digest(folder: Path, skip: Sequence[str] = ()) -> dict[str, object]:
    """What lies in a folder, names beginning with one of ``skip`` left out: contents, targets of links, kinds."""
    contents: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if not name.startswith(tuple(skip)):
            contents[name] = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else "other"
    return contents
