"""A call is repeated because the first one was in doubt: what it acknowledges is on the disk, whatever became of that one."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import journaltune
from journaltune.base.errors import InDoubtError
from journaltune.engine.report import report
from journaltune.journal import system
from journaltune.journal.upkeep.check import check

CALLS: dict[str, Callable[[journaltune.Study], object]] = {
    "tell": lambda study: study.tell(0, 0.5, attrs={"a": 1}),
    "report": lambda study: report(study._study, 0, 1, 0.5),
    "report by id": lambda study: report(study._study, 0, 1, 0.5, request_id="r"),
    "enqueue": lambda study: study.enqueue({"x": 0.5}, request_id="e"),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "s.journal"


@pytest.fixture
def study(path: Path) -> journaltune.Study:
    study = journaltune.create_study(path, params={"x": "float(0, 1)"}, sampler="random")
    study.ask()
    return study


class Disk:
    """Remembers which bytes were written since the last fsync, as the kernel does: one that fails forgets them."""

    def __init__(self, path: Path, failing: int) -> None:
        self.path, self.failing = path, failing
        self.dirty, self.stored = set[int](), set[int]()

    def __call__(self, name: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        if name in ("fsync", "fdatasync"):
            return self._sync(function, arguments)
        answer = function(*arguments)
        if name == "write":
            end = os.lseek(arguments[0], 0, os.SEEK_CUR)
            self.dirty.update(range(end - answer, end))
        elif name == "pwrite":
            self.dirty.update(range(arguments[2], arguments[2] + answer))
        return answer

    def _sync(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        written, self.dirty = self.dirty, set()
        if self.failing:
            self.failing -= 1
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        self.stored |= written
        return function(*arguments)


@pytest.mark.parametrize("name", CALLS)
def test_what_a_repeated_call_acknowledges_is_on_the_disk(
    path: Path, study: journaltune.Study, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = path.stat().st_size
    disk = Disk(path, failing=2)
    monkeypatch.setattr(system, "fault", disk)
    for _ in range(2):
        with pytest.raises(InDoubtError, match="in doubt"):
            CALLS[name](study)
    CALLS[name](journaltune.load_study(path))
    assert disk.stored >= set(range(before, path.stat().st_size))
    assert check(path).findings == []


@pytest.mark.parametrize("name", CALLS)
def test_repeating_changes_no_byte(path: Path, study: journaltune.Study, name: str) -> None:
    CALLS[name](study)
    before = path.read_bytes()
    CALLS[name](study)
    assert path.read_bytes() == before
