"""What happens to a process at one of its system calls that change files; for ``system.fault``."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from journaltune.journal.system import Fault

WRITES = ("write", "pwrite")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def at(moment: str, act: Callable[[], object], count: int = 1, names: Container[str] | None = None) -> Fault:
    """Act before, after, or in the middle of (``half``) the ``count``-th call, of all or of those with these names."""
    left = count

    def fault(name: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        nonlocal left
        counts = names is None or name in names
        left -= counts
        if left != 0 or not counts:
            return function(*arguments)
        if moment == "half" and name in WRITES:
            fd, data, *place = arguments
            function(fd, data[: len(data) // 2], *place)
        if moment != "after":
            act()
        answer = function(*arguments)
        if moment == "after":
            act()
        return answer

    return fault
