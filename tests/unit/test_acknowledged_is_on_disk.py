"""What is acknowledged is on disk, also where the call itself wrote nothing, and so is the name of a new file."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from journaltune import create_study
from journaltune.engine.report import report
from journaltune.journal import system
from journaltune.journal.upkeep.compact import compact


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """The system calls that follow, each with the name of its file or folder."""
    calls: list[tuple[str, str]] = []

    def fault(name: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        answer = function(*arguments)
        fd = answer if name == "create" else arguments[0]
        calls.append((name, os.readlink(f"/proc/self/fd/{fd}") if isinstance(fd, int) else os.fspath(fd)))
        return answer

    monkeypatch.setattr(system, "fault", fault)
    return calls


@pytest.mark.parametrize(
    ("first", "again", "recorded"),
    [
        ((0.5, {"request_id": "r"}), (0.5, {"request_id": "r"}), True),
        ((0.5, {}), (0.5, {}), True),
        ((0.5, {}), (0.25, {}), False),
        ((math.nan, {"request_id": "r"}), (math.nan, {"request_id": "r"}), True),
    ],
)
def test_a_report_that_is_repeated_is_written_and_flushed_again(
    tmp_path: Path, made: list[tuple[str, str]], first: Any, again: Any, recorded: bool
) -> None:
    """The first one's fsync may have failed, or may not have come."""
    path = tmp_path / "s.journal"
    study = create_study(path, params={"x": "float(0, 1)"}, sampler="random", seed=1)
    study.ask()
    assert report(study._study, 0, 1, first[0], **first[1])
    del made[:]
    assert report(study._study, 0, 1, again[0], **again[1]) is recorded
    assert made == [("pwrite", str(path)), ("fsync", str(path))]


def test_the_name_of_a_new_journal_is_on_disk(tmp_path: Path, made: list[tuple[str, str]]) -> None:
    path = tmp_path / "s.journal"
    create_study(path, params={"x": "float(0, 1)"})
    assert made.index(("create", str(path))) < made.index(("fsync", str(tmp_path)))


def test_the_name_of_a_compacted_journal_is_on_disk(tmp_path: Path, made: list[tuple[str, str]]) -> None:
    source, dest = tmp_path / "s.journal", tmp_path / "to" / "d.journal"
    create_study(source, params={"x": "float(0, 1)"}).close()
    dest.parent.mkdir()
    del made[:]
    compact(source, dest)
    named = next(place for place, (name, _) in enumerate(made) if name in ("link", "rename"))
    assert ("fsync", str(dest.parent)) in made[named:]
