"""How a server ends: at a signal no call is broken off, and no trial stays behind."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from time import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from threading import Thread

    from journaltune.serve.connection import Connection

_GRACE_S = 5.0  # for calls under way; the locks of a process that ends all the same prove that its trials are free
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Ended(BaseException):
    """A signal that ends a program. It comes in the main thread, which waits for others and does nothing else."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextmanager
def ends_by_signal() -> Iterator[None]:
    """Signals that end a program raise Ended inside, and do nothing after it."""

    def end(number: int, _: object) -> None:
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        raise Ended(number)

    for number in _SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:  # as `nohup` and a shell's background leave them
            signal.signal(number, end)
    try:
        yield
    finally:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)


def finish(connections: Sequence[Connection], threads: Sequence[Thread]) -> None:
    """Let calls under way come to their end, and give all trials back."""
    deadline = monotonic() + _GRACE_S
    for connection in connections:
        connection.dismiss()  # all before the first one gives its trials back: another's ask would take them up, for nobody
    for connection in connections:
        connection.end()
    for thread in threads:
        if thread.ident is not None:  # the signal came before it was started
            thread.join(max(0.0, deadline - monotonic()))
