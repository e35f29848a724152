"""One client at the other end of stdin and stdout."""

from __future__ import annotations

import os
import sys
import threading
from select import POLLIN, poll

from journaltune.serve.connection import Connection
from journaltune.serve.ending import Ended, ends_by_signal, finish

TYPE_CHECKING = False
if TYPE_CHECKING:
    from journaltune.serve.connection import Commands


def serve_stdio(commands: Commands) -> int:
    """Answer what comes by stdin until it ends, or until a signal: its number, else 0."""
    connection, ended_by = Connection(commands, _Pipes(0, _own_stdout())), 0
    thread = threading.Thread(target=connection.serve, daemon=True)
    try:
        with ends_by_signal():
            thread.start()
            thread.join()
    except Ended as end:
        ended_by = end.number
    finish([connection], [thread])
    commands.studies.close()
    return ended_by


class _Pipes:
    """A client's two descriptors."""

    def __init__(self, reading: int, writing: int) -> None:
        self._reading, self._writing = reading, writing
        self._wake, self._waker = os.pipe()
        self._poll = poll()
        for fd in (reading, self._wake):
            self._poll.register(fd, POLLIN)

    def read(self, n: int) -> bytes:
        ready = {fd for fd, _ in self._poll.poll()}
        return b"" if self._wake in ready else os.read(self._reading, n)

    def write(self, line: bytes) -> None:
        rest = memoryview(line)
        while rest:
            rest = rest[os.write(self._writing, rest) :]

    def interrupt(self) -> None:
        os.write(self._waker, b"x")


def _own_stdout() -> int:
    """A descriptor for answers alone. Whatever else prints, a user's sampler perhaps, prints to stderr from now on."""
    stdout = os.dup(1)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return stdout
