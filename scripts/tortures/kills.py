"""SIGKILL at any moment, of 16 workers at a time and of whoever holds the lock: nothing acknowledged is lost or doubled

Storms of workers that are killed and replaced; most are killed by a clock, the others at one of their system calls. Then the
lock's holder, at each step of each operation, with and without a child that inherited its descriptors; and the holder stopped
for longer than the others wait. After each, another client goes on, and the checker of histories looks at everything.
"""

from __future__ import annotations

import os
import signal
import time
import traceback
from typing import TYPE_CHECKING, Any

import journaltune
from journaltune.journal import stock_lock, system
from tortures import holders
from tortures.clients import Life, Log, Ours
from tortures.history import Finding, read_calls
from tortures.machinery import chance, evenly, spread
from tortures.rounds import LAST, counted, finish, idle, make, told
from tortures.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from random import Random

TARGET = 2_000
_WORKERS = 16
_PER_STORM = 100
_PAUSE_S = 0.02
_ENOUGH = 5  # workers that ended by themselves
_GRACE_S = 0.2  # Optuna's lock of a killed process: not the 30 s that Optuna gives it
_STEPS_SHARE, _STOPPED_SHARE = 6, 40


def run(n: int, seed: int, folder: Path, say: Callable[[str], None]) -> Tally:
    n_steps, n_stopped = n // _STEPS_SHARE, n // _STOPPED_SHARE
    left, number, tally = n - n_steps - n_stopped, 0, Tally()
    say(f"{left} in storms, {n_steps} of the lock's holder, {n_stopped} stops of it")
    while left > 0:
        size = min(left, _PER_STORM)
        tally += storm(folder / f"storm{number}", seed, number, size)
        left, number = left - size, number + 1
    stock_lock.GRACE_S = _GRACE_S
    killed = evenly(holders.KILLED, n_steps)
    tally += spread(n_steps, lambda share, own: _each(holders.kill, killed, share, own), folder / "steps")
    stopped = evenly(holders.STOPPED, n_stopped)
    return tally + spread(n_stopped, lambda share, own: _each(holders.stop, stopped, share, own), folder / "stopped")


def _each(way: Callable[..., list[Finding]], ways: Sequence[tuple[Any, ...]], share: range, folder: Path) -> Tally:
    tally = Tally()
    for index in share:
        own = folder / f"run{index}"
        make(own)
        found = way(own, *ways[index])
        tally += told(found, own, f"{way.__name__} {index} {' '.join(map(str, ways[index]))}")
    return tally


def storm(folder: Path, seed: int, number: int, size: int) -> Tally:
    """Kill ``size`` workers; each is replaced at once, and most calls that its death left in doubt are made again."""
    dice = chance(seed, "storm", number)
    path = make(folder, dice.choice(["random", "random", "tpe"]), seed)
    workers = _Workers(folder, path, f"{seed}:{number}")
    for _ in range(min(_WORKERS, size)):
        workers.start()
    while workers.killed + len(workers.alive) < size and len(workers.findings) < _ENOUGH:
        time.sleep(dice.expovariate(1 / _PAUSE_S))
        workers.kill(dice)
        workers.start()
    time.sleep(dice.expovariate(1 / _PAUSE_S))
    while workers.alive:
        workers.kill(dice)
    found = workers.findings + finish(folder, path)
    if size >= _WORKERS:
        found += idle(folder, "the workers of the storm", lambda index: index != LAST)
    counts = counted(folder)
    tally = told(found, folder, f"storm {number} seed {seed}", size)
    tally.counts = counts
    return tally


class _Workers:
    """The workers of a storm, by process id."""

    def __init__(self, folder: Path, path: Path, name: str) -> None:
        self.folder, self.path, self.name = folder, path, name
        self.alive: dict[int, int] = {}
        self.findings: list[Finding] = []
        self.killed = self._n = 0
        self._heir_of: int | None = None

    def start(self) -> None:
        self._n += 1
        pid = os.fork()
        if pid == 0:
            _live(self.folder, self.path, self.name, self._n, self._heir_of)
        self.alive[pid] = self._n
        self._heir_of = None

    def kill(self, dice: Random) -> None:
        """The next one that dies: one that already did, by its own hand, or one that is killed now."""
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            pid = dice.choice(sorted(self.alive, key=self.alive.__getitem__))
            os.kill(pid, signal.SIGKILL)
            pid, status = os.waitpid(pid, 0)
        self._heir_of = self.alive.pop(pid)
        self.killed += 1
        if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
            why = self.folder / f"worker{self._heir_of}.err"
            text = why.read_text(encoding="utf-8") if why.exists() else f"status {status:#x}"
            self.findings.append(Finding("wrong", f"worker {self._heir_of} ended by itself: {text}"))


def _live(folder: Path, path: Path, name: str, number: int, heir_of: int | None) -> None:
    """A worker's whole life, from fork to kill."""
    try:
        dice = chance(0, name, number)
        stock_lock.GRACE_S = _GRACE_S
        client = Ours(Log(folder / "logs", number), journaltune.load_study(path, lock_timeout_s=60))
        if heir_of is not None:
            _repeat(client, folder, heir_of)
        if dice.random() < 0.35:
            system.fault = _doom(dice.randrange(1, 30), dice.choice(["before", "half", "after"]))
        life = Life(client, dice)
        while True:
            life.live()
    except BaseException:
        (folder / f"worker{number}.err").write_text(traceback.format_exc(), encoding="utf-8")
    finally:
        os._exit(1)


def _repeat(client: Ours, folder: Path, number: int) -> None:
    """Make the call again that another one's death left in doubt, where a request id makes that safe."""
    for call in read_calls(folder / "logs", f"{number:06}.log"):
        if call.end is None and "request_id" in call.asked:
            options = {key: value for key, value in call.asked.items() if key not in ("params", "attrs", "number", "values")}
            if call.what == "enqueue":
                client.enqueue(call.asked["params"], token=call.asked["attrs"]["token"], **options)
            elif call.what == "tell":
                attrs = {"attrs": call.asked["attrs"]} if "attrs" in call.asked else {}
                client.tell(call.asked["number"], call.asked["values"], **options, **attrs)
            elif call.what == "report":
                client.report(**call.asked)


def _doom(count: int, moment: str) -> Callable[..., Any]:
    """Die at the ``count``-th system call that changes a file."""
    left = count

    def fault(name: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        nonlocal left
        left -= 1
        if left == 0 and moment != "after":
            if moment == "half" and name in ("write", "pwrite"):
                function(arguments[0], arguments[1][: len(arguments[1]) // 2], *arguments[2:])
            os.kill(os.getpid(), signal.SIGKILL)
        answer = function(*arguments)
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    return fault
