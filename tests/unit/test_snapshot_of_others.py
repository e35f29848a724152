"""A snapshot that somebody else may have put there is not read, and nobody may read more in a snapshot than in the journal."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from journaltune.api.study import Study
from journaltune.journal import snapshot, system
from journaltune.journal.journal import Journal
from journaltune.journal.upkeep.check import check


@pytest.fixture
def saved(path: Path, study: Study) -> Path:
    study.tell(study.ask(), 0.5)
    study._study.journal.save_snapshot()
    return Path(snapshot.path_of(str(path)))


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], list[int]]:
    """How many bytes were to be read from a file at a time."""
    lengths = list[tuple[int, int]]()
    pread = os.pread

    def read(fd: int, length: int, offset: int) -> bytes:
        lengths.append((os.fstat(fd).st_ino, length))
        return pread(fd, min(length, 1 << 24), offset)

    monkeypatch.setattr(os, "pread", read)
    return lambda path: [length for inode, length in lengths if inode == path.stat().st_ino]


def is_used(path: Path) -> bool:
    return (Journal(str(path)).opened_at > 0, snapshot.offset_of(str(path)) > 0) == (True, True)


def test_a_header_that_is_longer_than_a_journal_can_make_it_is_not_read(
    path: Path, saved: Path, reads: Callable[[Path], list[int]]
) -> None:
    """A file with holes may claim gigabytes."""
    size = 3 << 30
    saved.write_bytes(saved.read_bytes()[:8] + b"%012d%08x" % (size - 28, 0))
    os.truncate(saved, size)
    assert not is_used(path)
    assert max(reads(saved)) < 100
    (finding,) = check(path).findings
    assert "a header longer than the journal can have" in finding.what


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file away")
def test_a_snapshot_that_another_user_put_into_a_folder_for_everybody_is_not_read(
    path: Path, saved: Path, reads: Callable[[Path], list[int]]
) -> None:
    os.chown(saved, 12345, -1)
    assert is_used(path), "nobody else may make files here"
    path.parent.chmod(0o1777)
    n_reads = len(reads(saved))
    assert not is_used(path)
    assert len(reads(saved)) == n_reads
    assert "another user's" in check(path).findings[0].what


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o600), (0o022, 0o640), (0o077, 0o600)])
def test_a_snapshot_may_be_read_by_those_who_may_read_the_journal(path: Path, study: Study, umask: int, mode: int) -> None:
    path.chmod(mode)
    before = os.umask(umask)
    try:
        study._study.journal.save_snapshot()
    finally:
        os.umask(before)
    assert Path(snapshot.path_of(str(path))).stat().st_mode & 0o777 == mode


def test_a_snapshot_is_hidden_with_its_journal(path: Path, saved: Path) -> None:
    """As soon as somebody uses the journal, a reader too."""
    assert saved.stat().st_mode & 0o044 == 0o044
    path.chmod(0o600)
    assert is_used(path)
    assert saved.stat().st_mode & 0o777 == 0o600


def test_a_snapshot_that_can_not_be_hidden_is_used_all_the_same(path: Path, saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(system, "chmod", refuse)
    path.chmod(0o600)
    assert is_used(path)


@pytest.mark.parametrize("length", [0, 8, 40])
def test_a_file_that_a_link_leads_to_keeps_its_mode(path: Path, saved: Path, tmp_path: Path, length: int) -> None:
    """In a folder for everybody, somebody may put a link there, and root may use the journal."""
    other = tmp_path / "other"
    other.write_bytes(saved.read_bytes()[:length])
    other.chmod(0o644)
    saved.unlink()
    saved.symlink_to(other)
    path.chmod(0o600)
    assert not is_used(path)
    assert other.stat().st_mode & 0o777 == 0o644
