"""The parts of ``scripts/torture``, at a small share: that they find nothing, and that they would."""

from __future__ import annotations

import importlib
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tortures import clients, rounds

import journaltune
from journaltune.journal import stock_lock


@pytest.fixture(autouse=True)
def _the_grace_that_parts_shorten_is_as_it_was() -> Iterator[None]:
    """The parts are programs that end; here other tests follow in the same process."""
    before = stock_lock.GRACE_S
    yield
    stock_lock.GRACE_S = before


@pytest.fixture
def torture() -> Callable[[str], ModuleType]:
    """A module of ``scripts/tortures`` by name."""

    return lambda name: importlib.import_module(f"tortures.{name}")


@pytest.fixture
def tortured(torture: Callable[[str], ModuleType], tmp_path: Path) -> Callable[..., Any]:
    """What a part finds within so many runs."""
    return lambda name, n, seed=0: torture(name).run(n, seed, tmp_path, lambda text: None)


@pytest.fixture
def clean(tortured: Callable[..., Any]) -> Callable[..., Any]:
    """The same for a part that has to find nothing; all that it did find is in the message."""

    def check(name: str, n: int) -> Any:
        tally = tortured(name, n)
        assert tally.clean, "\n".join(tally.notes)
        assert tally.runs >= n
        return tally

    return check


@pytest.fixture(scope="session")
def history(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """A journal and the logs of two clients that made every kind of call in turns; all of them were answered."""
    folder = tmp_path_factory.mktemp("history")
    path = rounds.make(folder)
    lives = []
    for index in (1, 2):
        client = clients.Ours(clients.Log(folder / "logs", index), journaltune.load_study(path))
        lives.append(clients.Life(client, random.Random(index)))
    for _ in range(50):
        for life in lives:
            life.live()
    for life in lives:
        for way in life._ways:
            way()
        life.client.study.close()
        life.client.log.close()
    shutil.rmtree(f"{path}.d", ignore_errors=True)
    return folder


@pytest.fixture
def judge(torture: Callable[[str], ModuleType], history: Path) -> Callable[..., list[Any]]:
    """What the checker says of the journal, or of other bytes in its place, and of the calls, or of others."""
    checker = torture("history")

    def check(data: bytes | None = None, calls: Any = None) -> list[Any]:
        whole = (history / "s.journal").read_bytes() if data is None else data
        return list(checker.judge(whole, checker.read_calls(history / "logs") if calls is None else calls))

    return check
