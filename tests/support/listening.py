"""Servers of a test's own, at ports of loopback."""

from __future__ import annotations

import socket
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

LOOPBACK = "127.0.0.1"
_START_S = 60


def free_port(address: str = LOOPBACK) -> int:
    """A port that was free a moment ago."""
    with socket.socket() as free:
        free.bind((address, 0))
        port: int = free.getsockname()[1]
        return port


@contextmanager
def listening(
    command: Sequence[str | Path], port: int, address: str = LOOPBACK, **options: Any
) -> Iterator[subprocess.Popen[Any]]:
    """A server that answers at the port when this yields, and is asked to end afterwards. ``options`` are Popen's."""
    with subprocess.Popen(command, **options) as server:
        try:
            deadline = time.monotonic() + _START_S
            while not answers(port, address):
                assert server.poll() is None, f"{command[0]} ended with {server.returncode}"
                assert time.monotonic() < deadline, f"{command[0]} does not answer at port {port}"
                time.sleep(0.02)
            yield server
        finally:
            server.terminate()


def answers(port: int, address: str = LOOPBACK) -> bool:
    try:
        socket.create_connection((address, port), timeout=1).close()
    except OSError:
        return False
    return True
