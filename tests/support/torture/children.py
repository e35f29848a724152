"""Forked processes: for what may spoil a process, hang, or be killed."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from dataclasses import dataclass
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

_fork = get_context("fork")
_parent: Connection[Any, Any] | None = None


@dataclass(frozen=True)
class Ended:
    """How a child ended: its exit status (negative: a signal), and what it returned, or the traceback."""

    status: int | None
    result: Any
    error: str

    @property
    def late(self) -> bool:
        """Whether its time was up."""
        return self.status == -signal.SIGALRM


class Child(_fork.Process):  # type: ignore[name-defined,misc]
    """A forked process that runs ``body()`` and hands its result over; after ``limit_s`` the kernel ends it.

    What it says (``say``) can be heard while it runs, and also when it was killed right after.
    """

    def __init__(self, body: Callable[[], Any], limit_s: float = 0) -> None:
        self._pipe, parent = _fork.Pipe(duplex=False)
        super().__init__(target=_live, args=(body, parent, limit_s))
        self.heard: list[list[Any]] = []
        self._last: tuple[Any, str] = (None, "it ended without a result")
        self.start()
        parent.close()

    def hear(self) -> list[Any] | None:
        """The next thing that it says; None after the last one."""
        try:
            what = self._pipe.recv()
        except (OSError, EOFError):  # the end, or it was killed while it said something
            return None
        if isinstance(what, tuple):
            self._last = what
            return None
        self.heard.append(what)
        return self.heard[-1]

    def end(self) -> Ended:
        """Let it end by itself; what it still says is heard."""
        while self.hear():
            pass
        return self.reap()

    def reap(self) -> Ended:
        """Wait for its end, whoever else may hold its pipe."""
        self.join()
        self._pipe.close()
        return Ended(self.exitcode, *self._last)


def say(*what: Any) -> None:
    """In a child: tell the parent."""
    assert _parent is not None, "only a child can say something"
    _parent.send(list(what))


def _live(body: Callable[[], Any], parent: Connection[Any, Any], limit_s: float) -> None:
    global _parent
    _parent = parent
    # A limit on file sizes leaves torn bytecode behind, and Python believes it.
    sys.dont_write_bytecode = True
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, limit_s)
    try:
        parent.send((body(), ""))
        os._exit(0)
    except BaseException:
        parent.send((None, traceback.format_exc()))
    finally:  # nothing that the parent registered for its own end may run here
        os._exit(1)
