"""Builds that lack one of the things that make a journal safe: the checker of histories finds each within so many rounds.

Leaving out the fsync is not among them: no kill shows that. ``test_failpoints`` counts writes and fsyncs for it.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from torture.checker import Finding
from torture.children import Child
from torture.clients import Life, Log, Ours
from torture.faults import at, die
from torture.foreign import Foreigner, Stock
from torture.rounds import finish, make

import journaltune
from journaltune.base.errors import ExhaustedError
from journaltune.engine import ask
from journaltune.engine.ask import _ask_new
from journaltune.journal import file, journal, lock, system, tail
from journaltune.journal.replay import apply

_ROUNDS, _CLIENTS, _CALLS = 12, 4, 80


def no_lock() -> None:
    """Writers don't wait for each other."""
    lock.acquire = lambda fd, path, timeout_s: None
    lock.release = lambda fd: None


def no_ask_lock() -> None:
    """Asks don't wait for each other, and don't look whether another one came first. The second alone makes up for the first."""
    lock.try_asks = lambda fd, study_id: True
    lock.release_asks = lambda fd, study_id: None
    ask._ask_new = lambda *arguments, insist=False: _ask_new(*arguments, insist=True)


def no_read_back() -> None:
    """What was written counts as standing where it was meant to stand."""

    def read_back(self: Any, lines: list[bytes], data: bytes, batch: Any) -> list[Any]:
        self.offset += len(data)
        return [apply(self.state, record) for record in batch]

    journal.Journal._read_back = read_back  # type: ignore[method-assign]


def late_write() -> None:
    """What is acknowledged is written with the next call."""
    waiting = [b""]

    def append(fd: int, data: bytes, path: str) -> None:
        data, waiting[0] = waiting[0], data
        os.write(fd, data)

    file.append = append
    no_read_back()


def no_mending() -> None:
    """A torn tail stays where it is."""
    tail.mend_tail = lambda fd, path, **options: False


def refusing() -> None:
    """Every ask says that the study has all its trials."""

    def exhausted(state: Any, max_trials: int | None) -> None:
        raise ExhaustedError(f"study {state.name!r} has its trials")

    ask._check_budget = exhausted


def play(folder: Path, break_it: Callable[[], None], dice: random.Random, *, stock: bool, kill: bool) -> list[Finding]:
    """A round of clients of a broken build; with stock Optuna beside them, or killed in the middle of a write."""
    make(folder)
    clients = 1 if break_it is late_write else _CLIENTS  # several would damage the journal before one is killed
    children = [_start(folder, number, break_it, dice.random(), kill) for number in range(clients)]
    if stock:
        children.append(_stock(folder, clients, dice.random()))
    for child in children:
        if break_it is late_write:
            time.sleep(0.1 * dice.random())
            child.kill()
        child.end()
    return finish(folder)


def _start(folder: Path, number: int, break_it: Callable[[], None], seed: float, kill: bool) -> Child:
    def body() -> None:
        study = journaltune.load_study(folder / "s.journal")
        break_it()
        life = Life(Ours(Log(folder / "logs", number), study), random.Random(seed))
        if kill:
            system.fault = at("half", die, random.Random(seed).randrange(1, 40), ("write",))
        for _ in range(_CALLS):
            life.live()

    return Child(body)


def _stock(folder: Path, number: int, seed: float) -> Child:
    def body() -> None:
        foreigner = Foreigner(Stock(Log(folder / "logs", number), folder / "s.journal"), random.Random(seed))
        for _ in range(_CALLS // 2):
            foreigner.live()

    return Child(body)


@pytest.mark.parametrize(("stock", "kill"), [(False, False), (True, False), (False, True)])
def test_the_build_as_it_is_is_never_caught(tmp_path: Path, stock: bool, kill: bool) -> None:
    assert play(tmp_path / "0", lambda: None, random.Random(2), stock=stock, kill=kill) == []


@pytest.mark.parametrize(
    ("break_it", "stock", "kill"),
    [
        (no_lock, False, False),
        (no_ask_lock, False, False),
        (no_read_back, True, False),
        (late_write, False, True),
        (no_mending, False, True),
    ],
)
def test_a_broken_build_is_caught(tmp_path: Path, break_it: Callable[[], None], stock: bool, kill: bool) -> None:
    dice = random.Random(1)
    assert any(play(tmp_path / str(number), break_it, dice, stock=stock, kill=kill) for number in range(_ROUNDS))


def test_a_build_that_refuses_what_it_should_do_is_caught_at_once(tmp_path: Path) -> None:
    assert play(tmp_path / "0", refusing, random.Random(1), stock=False, kill=False)
