"""A disk that fills up leaves the old state or the new one."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tortures import full_disk

from journaltune.journal import file, tail
from journaltune.journal.journal import Journal


def test_a_full_disk_leaves_the_old_state_or_the_new_one(clean: Callable[..., Any]) -> None:
    clean("full_disk", 160)


def test_runs_are_those_in_which_the_disk_was_full(tortured: Callable[..., Any]) -> None:
    tally = tortured("full_disk", 300)
    assert tally.runs == 300
    (just_fitted,) = tally.counts.values()
    assert just_fitted == len(full_disk._OPERATIONS)


def test_no_two_runs_are_alike(tmp_path: Path) -> None:
    bases = [full_disk._Base(name, tmp_path, 0) for name in list(full_disk._OPERATIONS)]
    ways = [[full_disk._Limit(base, more) for more in base.rooms] for base in bases]
    for n in (100, 1500):
        limits = full_disk._shares(ways, n)
        assert len({(limit.base.name, limit.more) for limit in limits}) == len(limits) == n
        assert {limit.base.name for limit in limits} == set(full_disk._OPERATIONS)
    assert sum(len(kinds) for base in bases for _, kinds in base.calls) > 100


def test_an_operation_that_is_written_in_two_steps_is_found(
    tortured: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    append = file.append

    def in_steps(fd: int, data: bytes, path: str) -> None:
        for line in data.splitlines(keepends=True):
            append(fd, line, path)

    monkeypatch.setattr(file, "append", in_steps)
    assert any("neither the old state nor the new one" in note for note in tortured("full_disk", 160).notes)


def test_a_call_that_is_left_half_done_is_found(tortured: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "take_back", lambda *_: False)
    assert any("after the next command" in note for note in tortured("full_disk", 400).notes)


def test_a_reader_that_keeps_what_was_taken_back_is_found(tortured: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Journal, "_taken_back", lambda _: False)
    assert any("who had the journal open" in note for note in tortured("full_disk", 400).notes)


def test_a_short_write_that_is_taken_back_too_far_is_found(tortured: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    blank = file.blank

    def cut(path: str, fd: int, start: int, end: int) -> None:
        if resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY:
            blank(path, fd, start, end)
        else:
            os.truncate(path, start - 1)

    monkeypatch.setattr(file, "blank", cut)
    assert not tortured("full_disk", 160).clean
