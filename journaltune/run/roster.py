"""What a runner's trainers are right now: one line for each slot in the runner's own file in ``workers/``, behind one for itself.

``status`` shows it, and when both processes of a runner were killed the next one ends by it what they left. It is written in
place, so it never grows, and a power cut may lose it: nothing of it counts for a result.
"""

from __future__ import annotations

import os

from journaltune.base.frozen import Frozen
from journaltune.base.jsontext import dumps, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_LINE_BYTES = 256
_PLACE = ("boot", "ns", "time_ns")  # of an owner: where its pids and start times mean something


class Entry(Frozen):
    """One trainer. ``pid`` is its process group too; ``start_ticks`` tells it from another process with that pid."""

    number: int
    attempt: int
    pid: int
    start_ticks: int
    peak_bytes: int | None = None


class Roster:
    """The lines of one runner; on a file that can't be written to it does nothing."""

    __slots__ = ("_fd",)

    def __init__(self, fd: int, owner: Mapping[str, Any]) -> None:
        self._fd = fd
        self._write(0, place_of(owner))

    def put(self, slot: int, entry: Entry) -> None:
        self._write(slot + 1, {name: getattr(entry, name) for name in Entry._fields})

    def clear(self, slot: int) -> None:
        self._write(slot + 1, {})

    def _write(self, line: int, facts: Mapping[str, Any]) -> None:
        if self._fd < 0:
            return
        try:
            os.pwrite(self._fd, dumps(facts).encode().ljust(_LINE_BYTES - 1) + b"\n", line * _LINE_BYTES)
        except OSError:  # a full disk
            self._fd = -1


def place_of(owner: Mapping[str, Any]) -> dict[str, Any]:
    """Of what is recorded of an owner, where it was: elsewhere its pids are those of others."""
    return {name: owner[name] for name in _PLACE if name in owner}


def read(path: str) -> tuple[dict[str, Any], list[Entry]]:
    """Where a runner was, and its trainers; nothing where nothing is noted."""
    try:
        with open(path, "rb") as file:
            first, *lines = map(_facts, file.read().split(b"\n"))
    except OSError:
        return {}, []
    return first, [entry for entry in map(_entry, lines) if entry is not None]


def _facts(line: bytes) -> dict[str, Any]:
    """Nothing for an empty line, and for one that is just being written."""
    try:
        facts = loads(line.strip(b"\0 ").decode())
    except (ValueError, RecursionError):
        return {}
    return facts if isinstance(facts, dict) else {}


def _entry(facts: dict[str, Any]) -> Entry | None:
    if facts.keys() != set(Entry._fields):
        return None
    entry = Entry(**facts)
    numbers = (entry.number, entry.attempt, entry.pid, entry.start_ticks, entry.peak_bytes or 0)
    return entry if all(isinstance(number, int) and number >= 0 for number in numbers) else None
