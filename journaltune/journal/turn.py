"""One call at a time on an open journal that several threads share."""

from __future__ import annotations

import _thread
import os
from _weakref import ref

from journaltune.base.errors import JournaltuneError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Breakable(Protocol):
        def break_off(self) -> None:
            """Forget whatever an exception may have left half done."""


class Turn:
    """One call at a time on an open journal that several threads share: ``with turn.lock, turn:``.

    An exception that is not a JournaltuneError (Ctrl-C, out of memory) may come between any two instructions, so the journal is
    read anew after it. Only the interpreter's own locks are taken and given back without an instruction between.
    """

    __slots__ = ("_inside", "_intruded", "_lock", "_owner", "_pid")

    def __init__(self, owner: Breakable) -> None:
        self._owner, self._lock, self._pid = ref(owner), _thread.RLock(), os.getpid()
        self._inside = self._intruded = False

    @property
    def lock(self) -> _thread.RLock:
        """The lock that keeps other threads out. UsageError where a signal handler or a finalizer interrupted a call on it."""
        if self._pid != os.getpid():  # a forked child, which does not have the thread that held the lock
            self._lock, self._pid = _thread.RLock(), os.getpid()
        if self._lock._is_owned():  # type: ignore[attr-defined]
            self._intruded = True
            raise UsageError(
                "a signal handler or a finalizer can't use a study in the middle of another call on it; let it set a flag, or "
                "raise SystemExit and use the study where that is caught"
            )
        return self._lock

    def __enter__(self) -> None:
        if self._inside:  # the last call never came to its end
            self._break_off()
        self._inside, self._intruded = True, False

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and (self._intruded or not issubclass(kind, JournaltuneError)):
            self._break_off()
        self._inside = False

    def _break_off(self) -> None:
        owner = self._owner()  # a weak reference: a study that nobody holds gives its descriptor back at once
        if owner is not None:
            owner.break_off()
