"""A snapshot that is torn, random, changed, old, of another journal, or no file at all: the answers are those without it.

Each run puts something into the place of the snapshot, calls every command in a child with little memory and time, and compares
with what the same calls answer beside no snapshot. Then a snapshot is saved, and nothing outside the folder may have changed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from torture import journals
from torture.bad_snapshots import BELIEVED, KINDS, UNREADABLE, Answers, Base, left
from torture.calls import digest, limit_memory, obey_modes
from torture.children import Child
from torture.plants import lay_out
from torture.share import Clean, Finds, Part, Run, Share

from journaltune.journal import file, snapshot
from journaltune.journal.journal import Journal
from journaltune.study import open_study

_LIMIT_S = 5.0
_MEMORY_BYTES = 256 * 1024 * 1024


@pytest.mark.torture(runs=1_000, few=len(KINDS))
def test_a_bad_snapshot_changes_no_answer(clean: Clean) -> None:
    clean(snapshots)


def snapshots(share: Share, kinds: Sequence[str] = tuple(KINDS)) -> None:
    first, second = (Base(share.folder / f"base{number}", share.seed + number, 30 * number) for number in range(2))
    ways = [(kind, *bases) for bases in ((first, second), (second, first)) for kind in kinds]
    share.each([ways[number % len(ways)] for number in range(share.n)], _snapshot)


def _snapshot(run: Run, way: tuple[str, Base, Base]) -> None:
    run.what, base, other = way
    path, outside = lay_out(run)
    path.with_name("s.journal.d").mkdir()
    path.write_bytes(base.journal)
    expected = KINDS[run.what](base, other, path, run.dice("snapshots", run.number)) or base.answers
    before = digest(outside)
    ended = Child(lambda: _answers(path, run.what), _LIMIT_S).end()
    if ended.late or ended.status != 0:
        run.find("wrong", f"{'took too long' if ended.late else 'ended'} with {ended.status}: {ended.error}")
    elif problem := ended.result.differs(expected):
        run.find("wrong", problem)
    if digest(outside) != before:
        run.find("wrong", "a file outside the folder was changed")


def _answers(path: Path, kind: str) -> Answers:
    if kind == UNREADABLE:
        obey_modes()
    if kind in BELIEVED:
        assert Journal(str(path)).opened_at > 0, "a snapshot that is right is not taken"
    limit_memory(_MEMORY_BYTES)
    answers = Answers(path)
    if isinstance(answers.left, dict):
        journals.save_snapshot(path)
    assert left(path) == answers.left, "with a snapshot that was saved now"
    return answers


def test_a_copy_of_a_journal_and_its_folder_gets_a_snapshot_of_its_own(tmp_path: Path) -> None:
    path, copy = tmp_path / "first" / "s.journal", tmp_path / "copy" / "s.journal"
    path.parent.mkdir()
    journals.make(path, 0, n_more=130)
    journals.save_snapshot(path)
    shutil.copytree(path.parent, copy.parent)
    for opened_at in (0, copy.stat().st_size):
        with open_study(copy) as study:
            assert study.journal.opened_at == opened_at


def _only(*kinds: str) -> Part:
    """The part with those of its kinds that can find a fault."""
    return lambda share: snapshots(share, kinds)


class TestAFaultIsFound:
    def test_a_snapshot_that_is_believed_without_a_look_at_the_journal(
        self, finds: Finds, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(file, "fingerprint", lambda fd, offset: [0, 0])
        assert finds(_only("journal replaced"), 1, "journal replaced")

    def test_a_section_that_takes_all_memory(self, finds: Finds, monkeypatch: pytest.MonkeyPatch) -> None:
        def greedy(source: Any, start: int, length: int) -> bytes:
            return os.pread(source._fd, length, start)

        monkeypatch.setattr(snapshot.Source, "_read", greedy)
        assert finds(_only("huge section"), 1, "huge section")

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to somebody else")
    def test_a_snapshot_that_somebody_else_planted(self, finds: Finds, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(snapshot, "_may_be_planted", lambda *_: False)
        assert finds(_only("planted in a folder like /tmp"), 1, "planted")

    def test_a_snapshot_that_is_written_through_a_link(self, finds: Finds, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(file, "replace", lambda path, data, *_: Path(path).write_bytes(b"".join(data)) and None)
        assert finds(_only("a link to another file", "a link to a new file elsewhere"), 2, "outside the folder")
