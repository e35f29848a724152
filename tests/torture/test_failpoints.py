"""System calls that die, stop short or fail, and what is to be found when the package does not cope."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from journaltune.base.errors import MachineError
from journaltune.journal import file


def test_every_broken_system_call_leaves_old_or_new(clean: Callable[..., Any]) -> None:
    clean("failpoints", 50)


def test_each_way_to_break_each_system_call_is_among_them(torture: Callable[[str], ModuleType], tmp_path: Any) -> None:
    failpoints = torture("failpoints")
    ways = [way for alone in (True, False) for way in _ways(failpoints, tmp_path / str(alone), alone)]
    assert 1000 < len(ways) <= failpoints.TARGET


def _ways(failpoints: ModuleType, folder: Any, alone: bool) -> list[str]:
    names, found = failpoints._rehearse(folder, alone)
    assert found == []
    assert {"create", "write", "pwrite", "fsync", "fdatasync", "rename", "unlink", "symlink", "mkdir"} == set(names)
    return [way for name in names for way in failpoints._ways_of(name)]


def test_a_short_write_that_is_left_as_it_is_would_be_found(
    tortured: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(path: str, fd: int, start: int, end: int) -> None:
        raise MachineError("not blanked, and nobody says so")

    monkeypatch.setattr(file, "blank", refused)
    assert not tortured("failpoints", 50).clean
