"""Whatever stands in the place of the snapshot, the answers are those without it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from journaltune.journal import file, snapshot
from journaltune.study.open_study import open_study


def test_a_bad_snapshot_changes_no_answer(clean: Callable[..., Any]) -> None:
    clean("snapshots", 58)


def test_a_snapshot_that_is_believed_without_a_look_at_the_journal_is_found(
    tortured: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "windows", lambda fd, offset: [0, 0])
    assert any("journal replaced" in note for note in tortured("snapshots", 29).notes)


def test_a_section_that_takes_all_memory_is_found(tortured: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot.Source, "_read", lambda source, start, length: os.pread(source._fd, length, start))
    assert any("huge section" in note for note in tortured("snapshots", 29).notes)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to somebody else")
def test_a_snapshot_that_somebody_else_planted_is_found(tortured: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "_may_be_planted", lambda *_: False)
    assert any("planted" in note for note in tortured("snapshots", 29).notes)


def test_a_snapshot_that_is_written_through_a_link_is_found(
    tortured: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file, "replace", lambda path, data: Path(path).write_bytes(b"".join(data)) and None)
    assert any("outside the folder" in note for note in tortured("snapshots", 29).notes)


def test_a_copy_of_a_journal_and_its_folder_gets_a_snapshot_of_its_own(torture: Callable[..., Any], tmp_path: Path) -> None:
    path, copy = tmp_path / "first" / "s.journal", tmp_path / "copy" / "s.journal"
    path.parent.mkdir()
    torture("journals").make(path, 0, n_more=130)
    with open_study(path) as study:
        study.journal.save_snapshot()
    shutil.copytree(path.parent, copy.parent)
    for opened_at in (0, copy.stat().st_size):
        with open_study(copy) as study:
            assert study.journal.opened_at == opened_at
