"""Several writers on one journal: Optuna, Rustuna, threads, forks, processes of the command line, a clock that goes back.

In each round some of them work at the same time, and some are killed meanwhile; then the checker of histories looks at all.
"""

from __future__ import annotations

import itertools
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from optuna.storages.journal import JournalFileSymlinkLock
from torture.checker import Finding
from torture.children import Child
from torture.clients import CommandLine, Life, Log, Ours
from torture.foreign import Foreigner, Rust, Stock
from torture.rounds import count, finish, idle, make, tell
from torture.share import Clean, Run, Share, chance, evenly

import journaltune
from journaltune.journal import records, stock_lock
from journaltune.journal.journal import Journal

_FEW = 9
_CALLS = 60
_LEAST = 3  # asks and tells of a client that nobody kills
_LIMIT_S = 60.0
_PASS_BY_S = 1.5
_CHILD_INDEX = 1000  # clients of forked children and of threads are numbered from here on, by their parent


@pytest.mark.torture(runs=160, few=_FEW)
def test_all_kinds_of_writers_at_once(clean: Clean) -> None:
    tally = clean(writers)
    assert tally.counts["calls acknowledged"] >= 201 * tally.runs // _FEW


def writers(share: Share) -> None:
    stock_lock.GRACE_S = 1.0
    share.each(evenly(list(_ROUNDS), share.n), _play)


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
    ended = Child(lambda: _work(Life(Ours(place.log(index), study), place.dice(index)), _CALLS // 4)).end()
    if ended.status != 0:
        raise RuntimeError(f"a forked child that used its parent's study failed: {ended.error}")


def _forks(place: _Round, index: int) -> None:
    """A process that forks again and again with a study open, and uses it itself between."""
    study = place.open()
    life = Life(Ours(place.log(index), study), place.dice(index))
    for number in range(4):
        _work(life, _CALLS // 8)
        _forked(place, study, index * _CHILD_INDEX + number)


def _backwards(place: _Round, index: int) -> None:
    """A process whose clock goes back by an hour with each look at it."""
    hours = itertools.count()

    def now_iso() -> str:
        hour = 200_000 - next(hours)
        return f"{2000 + hour // 8760}-01-{1 + hour % 8760 // 24 % 28:02}T{hour % 24:02}:00:00.000000+00:00"

    records.now_iso = now_iso
    _ours(place, index)


def _command_line(place: _Round, index: int) -> None:
    """One process for each call, until enough are acknowledged: others may tell of its trials before it does."""
    client, dice = CommandLine(place.log(index), place.path), place.dice(index)
    while client.log.acknowledged["tell"] < _LEAST:
        asked = client.ask()
        if asked is not None:
            result: dict[str, Any] = {"attrs": {"k": [dice.random(), "ü"]}} if dice.random() < 0.5 else {}
            client.tell(asked["number"], [dice.random()], **result)


def _dies_with_the_lock(place: _Round, index: int) -> None:
    """A stock writer that ends as it holds its lock."""
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


def _play(run: Run, kind: str) -> None:
    """One round: fork its clients, kill some of them in every second round of a kind, check."""
    run.what = kind
    dice = run.dice("writers", kind, run.number)
    make(run.folder, "random", run.seed)
    place = _Round(run.folder, f"{kind} {run.number} seed {run.seed}")
    clients = {number: _Client(place, body, number) for number, body in enumerate(_ROUNDS[kind], 1)}
    doomed = [number for number in clients if dice.random() < 0.5] if run.number // len(_ROUNDS) % 2 else []
    for number in doomed:
        time.sleep(dice.expovariate(1 / 0.1))
        clients[number].kill()
    for number, client in clients.items():
        tell(run, client.findings(number in doomed))
    tell(run, finish(run.folder))
    for number, body in enumerate(_ROUNDS[kind], 1):
        if number not in doomed and body is not _dies_with_the_lock:
            tell(run, idle(run.folder, f"client {number}, which nobody killed", _of_client(number), _LEAST))
    count(run)


def _of_client(number: int) -> Callable[[int], bool]:
    """Whether an index is a client's own, or one of its threads or children."""
    return lambda index: number in (index, index // _CHILD_INDEX)


class _Client(Child):
    """A client in a process group of its own, which its children end with."""

    def __init__(self, place: _Round, body: Callable[[_Round, int], None], number: int) -> None:
        def live() -> None:
            os.setpgid(0, 0)
            body(place, number)

        super().__init__(live, _LIMIT_S)
        self._place, self._number = place, number

    def kill(self) -> None:
        """With the commands that it has started: one that outlives its reader gives its trial back, which is tested elsewhere."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:  # it has no group of its own yet
            super().kill()

    def findings(self, doomed: bool) -> list[Finding]:
        """Wait for its end, and let a writer of ours come by meanwhile."""
        pass_by_at = time.monotonic() + _PASS_BY_S
        try:
            while os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                if time.monotonic() > pass_by_at:
                    pass_by_at += _PASS_BY_S
                    _pass_by(self._place)
                time.sleep(0.005)
            os.killpg(self.pid, signal.SIGKILL)  # before it is reaped: until then no other process gets its number
        except (ChildProcessError, ProcessLookupError):
            pass
        ended = self.end()
        if ended.status == 0 or (doomed and ended.status == -signal.SIGKILL):
            return []
        why = f"hung for {_LIMIT_S:g} s" if ended.late else f"ended with {ended.status}: {ended.error}"
        return [Finding("wrong", f"client {self._number} {why}")]


def _pass_by(place: _Round) -> None:
    """A writer of ours comes by. When all others have ended, Rustuna waits for ever for a lock that a killed one left."""
    with place.open() as study, study._study.journal.locked():
        pass


def test_only_a_claim_keeps_stock_optuna_out_while_it_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Optuna may claim the same trial, and would get our parameters into its own trial."""
    path, append, held = tmp_path / "s.journal", Journal.append, list[bool]()

    def watched(self: Journal, batch: Any) -> Any:
        held.append(os.path.lexists(f"{path}.lock"))
        return append(self, batch)

    study = journaltune.create_study(path, params={"x": "float(0, 1)"}, sampler="random")
    monkeypatch.setattr(Journal, "append", watched)
    study.enqueue({"x": 0.5})
    claimed, asked = study.ask(), study.ask()
    study.tell(claimed, 1.0)
    assert (claimed.params, asked.number) == ({"x": 0.5}, 1)
    assert held == [False, True, False, False]
    assert not os.path.lexists(f"{path}.lock")


def test_a_claim_does_not_wait_for_the_lock_of_a_killed_claim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "s.journal"
    study = journaltune.create_study(path, params={"x": "float(0, 1)"}, sampler="random")
    study.enqueue({"x": 0.5})
    stock_lock.take(str(path), 0)
    assert Path(f"{path}.lock").resolve() == path
    monkeypatch.setattr(stock_lock, "GRACE_S", float("inf"))
    assert study.ask().params == {"x": 0.5}
