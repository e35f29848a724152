"""What a runner left of which both processes were killed by pid: trainers that nobody waits for.

A process is a dead runner's where its environment says so (``JT_DIR`` of this journal, and an owner that is proven dead), or
where it is in a process group that the runner noted. A group's id stays taken while it has members, and a leader that started
at another time is another program: so no other program is ended.
"""

from __future__ import annotations

import os
from signal import SIGKILL
from time import monotonic, sleep

from journaltune.base.jsontext import loads
from journaltune.engine.owners import DEAD, Probe, describe, lock_standing, workers_folder
from journaltune.run import environment, processes, roster
from journaltune.run.folders import trials_folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_GONE_WITHIN_S = 5.0


def sweep(journal_path: str) -> list[int]:
    """End what dead runners of this journal left; the processes that were ended. Those of other users stay."""
    found = {*_by_group(journal_path), *_by_environment(journal_path)} - {os.getpid()}
    everything = {*found, *(below for pid in found for below in processes.descendants(pid))}
    processes.send(everything, SIGKILL)
    until = monotonic() + _GONE_WITHIN_S
    while not all(map(processes.is_gone, everything)) and monotonic() < until:
        sleep(0.002)
    return sorted(everything)


def _dead_workers(journal_path: str) -> Iterator[str]:
    folder = workers_folder(journal_path)
    try:
        names = os.listdir(folder)
    except OSError:
        return
    for name in names:
        if not name.startswith(".") and lock_standing(f"{folder}/{name}") == DEAD:
            yield f"{folder}/{name}"


def _by_group(journal_path: str) -> Iterator[int]:
    """Members of the process groups that dead runners noted, if their leader is the one that was noted."""
    here = roster.place_of(describe(os.getpid()))
    for path in _dead_workers(journal_path):
        place, entries = roster.read(path)
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
            owner = loads(variables.get(environment.OWNER.encode(), b"").decode())
        except (ValueError, RecursionError):
            continue
        if isinstance(owner, dict) and probe.standing(owner) == DEAD:
            yield pid
