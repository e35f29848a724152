"""Builds that lack one of the things that make a journal safe, to see that the checker of histories finds each of them."""

from __future__ import annotations

import os
import signal
import time
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import journaltune
from journaltune.base.errors import ExhaustedError
from journaltune.engine import ask
from journaltune.engine.ask import _ask_new
from journaltune.journal import file as files
from journaltune.journal import journal as journals
from journaltune.journal import lock, system, tail
from journaltune.journal.replay import apply
from tortures.clients import Life, Log, Ours
from tortures.foreign import Foreigner, Stock
from tortures.rounds import finish, make

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from random import Random

    from tortures.history import Finding

_CLIENTS, _CALLS = 4, 80


def no_lock() -> None:
    """Writers don't wait for each other."""
    lock.acquire = lambda fd, path, timeout_s: None
    lock.release = lambda fd: None


def no_ask_lock() -> None:
    """Asks don't wait for each other, and don't look whether another one came first. The second alone makes up for the first."""
    lock.try_asks = lambda fd, study_id: True
    lock.release_asks = lambda fd, study_id: None
    ask_new = _ask_new
    ask._ask_new = lambda *arguments, insist=False: ask_new(*arguments, insist=True)


def no_read_back() -> None:
    """What was written counts as standing where it was meant to stand."""

    def read_back(self: Any, lines: list[bytes], data: bytes, batch: Any) -> list[Any]:
        self.offset += len(data)
        return [apply(self.state, record) for record in batch]

    journals.Journal._read_back = read_back  # type: ignore[method-assign]


def late_write() -> None:
    """What is acknowledged is written with the next call."""
    kept = [b""]

    def append(fd: int, data: bytes, path: str) -> None:
        data, kept[0] = kept[0], data
        os.write(fd, data)

    files.append = append
    no_read_back()


def no_mending() -> None:
    """A torn tail stays where it is."""
    tail.mend_tail = lambda fd, path, **options: False


def refusing() -> None:
    """Every ask says that the study has all its trials."""

    def exhausted(state: Any, max_trials: int | None) -> None:
        raise ExhaustedError(f"study {state.name!r} has its trials")

    ask._check_budget = exhausted


def play(folder: Path, break_it: Callable[[], None], dice: Random, *, stock: bool = False, kill: bool = False) -> list[Finding]:
    """A round of clients of a broken build; with stock Optuna beside them, or killed in the middle of a write."""
    path = make(folder)
    clients = 1 if break_it is late_write else _CLIENTS  # several would damage the journal before one is killed
    pids = [_start(folder, path, number, break_it, dice.random(), kill) for number in range(clients)]
    if stock:
        pids.append(_stock(folder, path, clients, dice.random()))
    for pid in pids:
        if break_it is late_write:
            time.sleep(0.1 * dice.random())
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return finish(folder, path)


def _start(folder: Path, path: Path, number: int, break_it: Callable[[], None], seed: float, kill: bool) -> int:
    def body() -> None:
        study = journaltune.load_study(path)
        break_it()
        life = Life(Ours(Log(folder / "logs", number), study), _dice(seed))
        if kill:
            system.fault = _torn(_dice(seed).randrange(1, 40))
        for _ in range(_CALLS):
            life.live()

    return _fork(body)


def _stock(folder: Path, path: Path, number: int, seed: float) -> int:
    def body() -> None:
        foreigner = Foreigner(Stock(Log(folder / "logs", number), path), _dice(seed))
        for _ in range(_CALLS // 2):
            foreigner.live()

    return _fork(body)


def _fork(body: Callable[[], None]) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            body()
            os._exit(0)
        except BaseException:
            if "JOURNALTUNE_DEBUG" in os.environ:
                traceback.print_exc()
        finally:
            os._exit(1)
    return pid


def _dice(seed: float) -> Random:
    from random import Random

    return Random(seed)


def _torn(count: int) -> Callable[..., Any]:
    """Die in the middle of the ``count``-th write."""
    left = count

    def fault(name: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        nonlocal left
        left -= name == "write"
        if left == 0:
            function(arguments[0], arguments[1][: len(arguments[1]) // 2], *arguments[2:])
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments)

    return fault
