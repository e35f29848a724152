"""Several writers on one journal: Optuna, Rustuna, threads, forks, processes of the command line, a clock that goes back

In each round some of them work at the same time, and some are killed meanwhile; then the checker of histories looks at all.
"""

from __future__ import annotations

import os
import signal
import threading
import time
import traceback
from itertools import count
from typing import TYPE_CHECKING, Any

from optuna.storages.journal import JournalFileSymlinkLock

import journaltune
from journaltune.journal import records, stock_lock
from tortures.clients import CommandLine, Life, Log, Ours
from tortures.foreign import Foreigner, Rust, Stock
from tortures.history import Finding
from tortures.machinery import chance, evenly
from tortures.rounds import counted, finish, idle, make, told
from tortures.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from random import Random

TARGET = 160
_CALLS = 60
_LEAST = 3  # asks and tells of a client that nobody kills
_LIMIT_S = 60.0
_PASS_BY_S = 1.5
_CHILD_INDEX = 1000  # clients of forked children and of threads are numbered from here on, by their parent


class _Round:
    """Where a round takes place, and what is drawn for it."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name
        self.path = folder / "s.journal"

    def log(self, index: int) -> Log:
        return Log(self.folder / "logs", index)

    def dice(self, index: int) -> Random:
        return chance(0, self.name, index)

    def open(self) -> journaltune.Study:
        return journaltune.load_study(self.path, "study")


def _ours(place: _Round, index: int) -> None:
    _work(Life(Ours(place.log(index), place.open()), place.dice(index)))


def _work(life: Life | Foreigner, calls: int = _CALLS) -> None:
    for _ in range(calls):
        life.live()


def _optuna(place: _Round, index: int) -> None:
    _work(Foreigner(Stock(place.log(index), place.path), place.dice(index)), _CALLS // 2)


def _rustuna(place: _Round, index: int) -> None:
    _work(Foreigner(Rust(place.log(index), place.path), place.dice(index)))


def _threads(place: _Round, index: int) -> None:
    """Four threads that share a study; one of them forks meanwhile, and the child uses it too."""
    study, failed = place.open(), list[str]()

    def live(number: int) -> None:
        try:
            life = Life(Ours(place.log(index * _CHILD_INDEX + number), study), place.dice(index * _CHILD_INDEX + number))
            _work(life, _CALLS // 4)
            if number == 3:
                _forked(place, study, index * _CHILD_INDEX + 100)
            _work(life, _CALLS // 4)
        except BaseException:
            failed.append(traceback.format_exc())

    threads = [threading.Thread(target=live, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise RuntimeError(failed[0])


def _forked(place: _Round, study: journaltune.Study, index: int) -> None:
    """A child that uses the study that its parent has open; an error in it is one of the parent."""
    pid = os.fork()
    if pid == 0:
        try:
            _work(Life(Ours(place.log(index), study), place.dice(index)), _CALLS // 4)
            os._exit(0)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    if os.waitpid(pid, 0)[1] != 0:
        raise RuntimeError("a forked child that used its parent's study failed")


def _forks(place: _Round, index: int) -> None:
    """A process that forks again and again with a study open, and uses it itself between."""
    study = place.open()
    life = Life(Ours(place.log(index), study), place.dice(index))
    for number in range(4):
        _work(life, _CALLS // 8)
        _forked(place, study, index * _CHILD_INDEX + number)


def _backwards(place: _Round, index: int) -> None:
    """A process whose clock goes back by an hour with each look at it."""
    hours = count()

    def now_iso() -> str:
        hour = 200_000 - next(hours)
        return f"{2000 + hour // 8760}-01-{1 + hour % 8760 // 24 % 28:02}T{hour % 24:02}:00:00.000000+00:00"

    records.now_iso = now_iso
    _ours(place, index)


def _command_line(place: _Round, index: int) -> None:
    """One process for each call."""
    client, dice = CommandLine(place.log(index), place.path), place.dice(index)
    for _ in range(_CALLS // 20):
        asked = client.ask()
        if asked is not None:
            result: dict[str, Any] = {"attrs": {"k": [dice.random(), "ü"]}} if dice.random() < 0.5 else {}
            client.tell(asked["number"], [dice.random()], **result)


def _dies_with_the_lock(place: _Round, index: int) -> None:
    """A stock writer that is killed as it holds its lock."""
    JournalFileSymlinkLock(str(place.path)).acquire()


_ROUNDS: dict[str, list[Callable[[_Round, int], None]]] = {
    "beside Optuna": [_ours, _ours, _optuna],
    "beside Rustuna": [_ours, _ours, _rustuna],
    "all libraries": [_ours, _ours, _ours, _optuna, _optuna, _rustuna],
    "a lock left behind": [_rustuna, _rustuna, _dies_with_the_lock],
    "threads": [_threads, _ours],
    "forks": [_forks, _forks, _ours],
    "clock goes back": [_backwards, _ours, _ours],
    "command line": [_command_line, _command_line, _ours],
    "everything": [_threads, _forks, _backwards, _optuna, _rustuna, _ours],
}


def run(n: int, seed: int, folder: Path, say: Callable[[str], None]) -> Tally:
    say(f"{len(_ROUNDS)} kinds of rounds")
    stock_lock.GRACE_S = 1.0
    return sum(
        (play(folder / f"round{index}", kind, seed, index) for index, kind in enumerate(evenly(list(_ROUNDS), n))), Tally()
    )


def play(folder: Path, kind: str, seed: int, index: int) -> Tally:
    """One round: fork its clients, kill some of them in every second round of a kind, check."""
    name = f"{kind} {index} seed {seed}"
    dice = chance(seed, "writers", kind, index)
    make(folder, "random", seed)
    place = _Round(folder, name)
    pids = [_start(place, body, number) for number, body in enumerate(_ROUNDS[kind], 1)]
    doomed = [pid for pid in pids if dice.random() < 0.5] if index // len(_ROUNDS) % 2 else []
    for pid in doomed:
        time.sleep(dice.expovariate(1 / 0.1))
        os.kill(pid, signal.SIGKILL)
    found = [finding for number, pid in enumerate(pids, 1) for finding in _ended(place, pid, number, pid in doomed)]
    found += finish(folder, place.path)
    for number, body in enumerate(_ROUNDS[kind], 1):
        if pids[number - 1] not in doomed and body is not _dies_with_the_lock:
            found += idle(folder, f"client {number}, which nobody killed", _of_client(number), _LEAST)
    counts = counted(folder)
    tally = told(found, folder, name)
    tally.counts = counts
    return tally


def _of_client(number: int) -> Callable[[int], bool]:
    """Whether an index is a client's own, or one of its threads or children."""
    return lambda index: number in (index, index // _CHILD_INDEX)


def _start(place: _Round, body: Callable[[_Round, int], None], number: int) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            os.setpgid(0, 0)
            body(place, number)
            os._exit(0)
        except BaseException:
            (place.folder / f"client{number}.err").write_text(traceback.format_exc(), encoding="utf-8")
        finally:
            os._exit(1)
    return pid


def _ended(place: _Round, pid: int, number: int, doomed: bool) -> list[Finding]:
    """Wait for a client, but not for ever; the children that it had end with it."""
    until, pass_by_at = time.monotonic() + _LIMIT_S, time.monotonic() + _PASS_BY_S
    while (ended := os.waitpid(pid, os.WNOHANG))[0] == 0:
        if time.monotonic() > until:
            os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return [Finding("wrong", f"client {number} hung for {_LIMIT_S:g} s")]
        if time.monotonic() > pass_by_at:
            pass_by_at += _PASS_BY_S
            _pass_by(place)
        time.sleep(0.005)
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    status = os.waitstatus_to_exitcode(ended[1])
    if status == 0 or (doomed and status == -signal.SIGKILL):
        return []
    why = place.folder / f"client{number}.err"
    return [Finding("wrong", f"client {number} ended with {status}: {why.read_text(encoding='utf-8') if why.exists() else ''}")]


def _pass_by(place: _Round) -> None:
    """A writer of ours comes by. When all others have ended, Rustuna waits for ever for a lock that a killed one left."""
    with place.open() as study, study._study.journal.locked():
        pass
