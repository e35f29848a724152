"""What others do to the journal's files and folders is refused in words, at once, and harms nothing outside."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from journaltune.journal import file, system
from journaltune.journal.handle import Handle


def test_moved_planted_and_read_only_files_are_survived(clean: Callable[..., Any]) -> None:
    clean("paths", 450)


def test_a_journal_that_is_used_although_it_was_replaced_is_found(
    tortured: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Handle, "size_bytes", lambda handle, _: os.fstat(handle.fd).st_size)
    assert any("the call went through" in note for note in tortured("paths", 60).notes)


def test_writing_through_a_planted_link_is_found(tortured: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file, "_is_folder", os.path.isdir)
    assert any("outside the folder" in note for note in tortured("paths", 450).notes)


def test_waiting_for_a_planted_fifo_is_found(
    torture: Callable[..., Any], tortured: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    create = system.create
    monkeypatch.setattr(system, "create", lambda path, flags: create(path, flags & ~os.O_EXCL))
    monkeypatch.setattr(file, "remove", lambda path: None)
    paths = torture("paths")
    monkeypatch.setattr(paths, "LIMIT_S", 0.5)
    fifos = [found for found in paths._planted() if found.name == "save a snapshot, a FIFO in the place of the new snapshot"]
    monkeypatch.setattr(paths, "_planted", lambda: fifos)
    for other in ("_under_an_open_study", "_read_only", "_clocks"):
        monkeypatch.setattr(paths, other, list)
    assert tortured("paths", 1).notes[0].endswith("took longer than 0.5 s")
