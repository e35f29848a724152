"""What a runner's trainers are right now: one line for each slot in the runner's own file in ``workers/``, behind one for itself.

``status`` shows it, and when both processes of a runner were killed, so that nobody waits for their trainers, the next runner
ends by it what they left. It is written in place, so it never grows, and a power cut may lose it: nothing of it counts for a
result.

A process is a dead runner's where its environment says so (``JT_DIR`` of this journal, and an owner that is proven dead), or
where it is in a process group that the runner noted. A group's id stays taken while it has members, and a leader that started
at another time is another program: so no other program is ended.
"""

from __future__ import annotations

import os
from signal import SIGKILL
from time import monotonic, sleep

from journaltune.base.frozen import Frozen
from journaltune.base.jsontext import dumps, loads
from journaltune.engine.owners import DEAD, Probe, dead_workers, describe
from journaltune.run import processes
from journaltune.run.folders import trials_folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

OWNER = "JOURNALTUNE_OWNER"  # in a trainer's environment: the runner that answers for it
_LINE_BYTES = 256
_PLACE = ("boot", "ns", "time_ns")  # of an owner: where its pids and start times mean something
_GONE_WITHIN_S = 5.0


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


def sweep(journal_path: str) -> list[int]:
    """End what dead runners of this journal left; the processes that were ended. Those of other users stay."""
    found = {*_by_group(journal_path), *_by_environment(journal_path)} - {os.getpid()}
    everything = {*found, *(below for pid in found for below in processes.descendants(pid))}
    processes.send(everything, SIGKILL)
    until = monotonic() + _GONE_WITHIN_S
    while not all(map(processes.is_gone, everything)) and monotonic() < until:
        sleep(0.002)
    return sorted(everything)


def _by_group(journal_path: str) -> Iterator[int]:
    """Members of the process groups that dead runners noted, if their leader is the one that was noted."""
    here = place_of(describe(os.getpid()))
    for path in dead_workers(journal_path):
        place, entries = read(path)
        for entry in entries if place == here else ():
            try:
                is_same = processes.start_ticks(entry.pid) == entry.start_ticks and processes.group_of(entry.pid) == entry.pid
            except OSError:  # its leader is gone: what is left of it is found by its environment
                continue
            if is_same:
                members = [pid for pid in processes.all_pids() if processes.group_of(pid) == entry.pid]
                yield from (pid for pid in members if not processes.is_gone(pid))


def _by_environment(journal_path: str) -> Iterator[int]:
    probe, folder = Probe(journal_path), f"{os.path.realpath(trials_folder(journal_path, 0))}/"
    for pid in processes.all_pids():
        variables = processes.variables(pid)
        place = variables.get(b"JT_DIR", b"").decode("utf-8", "surrogateescape")
        if not place or not os.path.realpath(place).startswith(folder):
            continue
        try:
            owner = loads(variables.get(OWNER.encode(), b"").decode())
        except (ValueError, RecursionError):
            continue
        if isinstance(owner, dict) and probe.standing(owner) == DEAD:
            yield pid
