"""Who works on a trial: what is stored of an owner, so that others can tell later whether it is still there."""

from __future__ import annotations

import os

from journaltune.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def describe(pid: int) -> dict[str, Any]:
    """What tells this process from every other one: boot, PID namespace, pid and start time, as far as /proc says.

    UsageError when there is no such process: nobody could ever prove that it is dead.
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        raise UsageError(f"there is no process {pid}; --owner takes the pid of one that lives, such as $$") from None
    except OverflowError:
        raise UsageError(f"{pid} is no process number") from None
    except PermissionError:
        pass
    owner: dict[str, Any] = {"pid": pid}
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            owner["boot"] = file.read().strip()
        owner["ns"] = os.stat(f"/proc/{pid}/ns/pid").st_ino
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            # The command's name stands in parentheses and may hold some; the start time is field 22, counted from the pid.
            owner["start"] = int(file.read().rpartition(")")[2].split()[19])
    except OSError:
        pass
    return owner
