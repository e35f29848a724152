"""SIGKILL at any moment, of 16 workers at a time and of whoever holds the lock: nothing acknowledged is lost or doubled.

Storms of workers that are killed and replaced; most are killed by a clock, the others at one of their system calls. Then the
lock's holder, at each step of each operation, with and without a child that inherited its descriptors; and the holder stopped
for longer than the others wait. After each, another client goes on, and the checker of histories looks at everything.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from torture import holders
from torture.checker import Finding, read_calls
from torture.children import Child
from torture.clients import Life, Log, Ours
from torture.faults import at, die
from torture.rounds import LAST, count, finish, idle, make, tell
from torture.share import Clean, Run, Share, chance, evenly

import journaltune
from journaltune.journal import stock_lock, system

_RUNS, _FEW = 2_000, 40
_WORKERS = 16
_PER_STORM = 100
_PAUSE_S = 0.02
_ENOUGH = 5  # workers that ended by themselves
_GRACE_S = 0.2  # Optuna's lock of a killed process: not the 30 s that Optuna gives it


@pytest.mark.torture(runs=_RUNS, few=_FEW)
def test_nothing_is_lost_or_doubled_by_kills(clean: Clean) -> None:
    tally = clean(kills)
    assert tally.counts["calls acknowledged"] >= 101 * tally.runs // 60
    assert tally.counts["calls in doubt"] >= 21 * tally.runs // 60


def test_every_step_of_every_operation_is_among_them() -> None:
    assert {step for _, step, _ in holders.KILLED} >= {
        "before flock", "after flock", "before write", "half write", "after write", "before read back", "after read back",
        "before fdatasync", "after fdatasync", "before release", "after release", "after ask lock", "before ask release",
    }  # fmt: skip
    _, n_killed, n_stopped = _split(_RUNS)
    assert len(holders.KILLED) <= n_killed
    assert len(holders.STOPPED) <= n_stopped


def _split(n: int) -> tuple[int, int, int]:
    """How many workers are killed in storms, how often a holder is killed, and how often it is stopped."""
    n_killed, n_stopped = n // 6, n // 40
    return n - n_killed - n_stopped, n_killed, n_stopped


def kills(share: Share) -> None:
    _, n_killed, n_stopped = _split(share.n)
    killed, stopped = evenly(holders.KILLED, n_killed), evenly(holders.STOPPED, n_stopped)
    size = share.size - sum(len(range(share.place, n, share.of)) for n in (len(killed), len(stopped)))
    n_storms = max(1, size // _PER_STORM)
    for number in range(n_storms):
        own = len(range(number, size, n_storms))
        share.run(share.place + number * share.of, lambda run, own=own: storm(run, own), own)  # type: ignore[misc]
    stock_lock.GRACE_S = _GRACE_S
    share.each(killed, lambda run, way: _held(run, holders.kill, *way))
    share.each(stopped, lambda run, way: _held(run, holders.stop, *way))


def _held(run: Run, how: Callable[..., list[Finding]], *way: Any) -> None:
    run.what = f"{how.__name__} {' '.join(map(str, way))}"
    make(run.folder)
    tell(run, how(run.folder, *way))


def storm(run: Run, size: int) -> None:
    """Kill ``size`` workers; each is replaced at once, and most calls that its death left in doubt are made again."""
    run.what = f"storm of {size}"
    dice = run.dice("storm", run.number)
    make(run.folder, dice.choice(["random", "random", "tpe"]), run.seed)
    workers = _Workers(run.folder, f"{run.seed}:{run.number}")
    for _ in range(min(_WORKERS, size)):
        workers.start()
    while workers.killed + len(workers.alive) < size and len(workers.findings) < _ENOUGH:
        time.sleep(dice.expovariate(1 / _PAUSE_S))
        workers.kill(dice)
        workers.start()
    time.sleep(dice.expovariate(1 / _PAUSE_S))
    while workers.alive:
        workers.kill(dice)
    tell(run, workers.findings + finish(run.folder))
    if size >= _WORKERS:
        tell(run, idle(run.folder, "the workers of the storm", lambda index: index != LAST))
    count(run)


class _Workers:
    """The workers of a storm, by number."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name
        self.alive: dict[int, Child] = {}
        self.findings: list[Finding] = []
        self.killed = self._n = 0
        self._heir_of: int | None = None

    def start(self) -> None:
        self._n += 1
        number, heir_of = self._n, self._heir_of
        self.alive[number] = Child(lambda: _live(self.folder, self.name, number, heir_of))
        self._heir_of = None

    def kill(self, dice: Random) -> None:
        """The next one that dies: one that already did, by its own hand, or one that is killed now."""
        dead = [number for number, child in self.alive.items() if not child.is_alive()]
        number = dead[0] if dead else dice.choice(list(self.alive))
        child = self.alive.pop(number)
        child.kill()
        ended = child.end()
        self._heir_of = number
        self.killed += 1
        if ended.status != -signal.SIGKILL:
            self.findings.append(Finding("wrong", f"worker {number} ended by itself with {ended.status}: {ended.error}"))


def _live(folder: Path, name: str, number: int, heir_of: int | None) -> None:
    """A worker's whole life, from fork to kill."""
    dice = chance(0, name, number)
    stock_lock.GRACE_S = _GRACE_S
    client = Ours(Log(folder / "logs", number), journaltune.load_study(folder / "s.journal", lock_timeout_s=60))
    if heir_of is not None:
        _repeat(client, folder, heir_of)
    if dice.random() < 0.35:
        system.fault = at(dice.choice(["before", "half", "after"]), die, dice.randrange(1, 30))
    life = Life(client, dice)
    while True:
        life.live()


def _repeat(client: Ours, folder: Path, number: int) -> None:
    """Make the call again that another one's death left in doubt, where a request id makes that safe."""
    for call in read_calls(folder / "logs", f"{number:06}.log"):
        if call.end is None and "request_id" in call.asked:
            getattr(client, call.what)(**call.asked)
