"""What the tests of the checker of histories share."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from torture import checker, clients, rounds
from torture.checker import Call, Finding, read_calls

import journaltune


@pytest.fixture(scope="session")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal and the logs of two clients that made every kind of call in turns; all of them were answered."""
    folder = tmp_path_factory.mktemp("history")
    path = rounds.make(folder)
    lives = []
    for index in (1, 2):
        client = clients.Ours(clients.Log(folder / "logs", index), journaltune.load_study(path))
        lives.append(clients.Life(client, random.Random(index)))
    for _ in range(32):
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
def judge(history: Path) -> Callable[..., list[Finding]]:
    """What the checker says of the journal, or of other bytes in its place, and of the calls, or of others."""

    def check(data: bytes | None = None, calls: Iterable[Call] | None = None) -> list[Finding]:
        whole = (history / "s.journal").read_bytes() if data is None else data
        return checker.judge(whole, read_calls(history / "logs") if calls is None else calls)

    return check
