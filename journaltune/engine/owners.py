"""Who works on a trial: what is stored of an owner, so that others can tell later whether it is still there."""

from __future__ import annotations

import os

from journaltune.base import checks
from journaltune.base.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def describe(pid: int) -> dict[str, Any]:
    """What tells this process from every other one: boot, PID namespace, pid and start time, as far as /proc says.

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
    for key, read in (("boot", _boot), ("start", _start), ("ns", _namespace)):
        try:
            owner[key] = read(pid)
        except OSError:  # another user's process doesn't show everything, and not every system has /proc
            continue
    return owner


def _boot(_: int) -> str:
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()


def _start(pid: int) -> int:
    """Start time in clock ticks after boot: field 22, counted from the pid; the command's name may hold parentheses itself."""
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        return int(file.read().rpartition(")")[2].split()[19])


def _namespace(pid: int) -> int:
    return os.stat(f"/proc/{pid}/ns/pid").st_ino
