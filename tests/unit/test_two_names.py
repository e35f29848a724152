"""A journal with several names: Optuna's lock stands beside the one that is used, all of ours beside the real one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from journaltune import LockTimeoutError, MachineError, load_study
from journaltune.api.study import Study
from journaltune.journal import file as files
from journaltune.journal import stock_lock
from journaltune.journal.journal import Journal
from journaltune.journal.upkeep.check import check
from journaltune.journal.upkeep.repair import repair

HALF = b'{"op_code":2,"worker_id":"stock","study_id":0,'
REST = b'"user_attr":{"k":1}}\n'


@pytest.fixture
def link(path: Path, study: Study, tmp_path: Path) -> Path:
    study.tell(study.ask(), 0.5)
    study.close()
    (tmp_path / "links").mkdir()
    link = tmp_path / "links" / "l.journal"
    link.symlink_to(path)
    return link


def write(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


@pytest.mark.parametrize("used", ["path", "link"])
def test_an_append_in_flight_of_a_writer_who_uses_the_real_name_or_ours_is_not_blanked(path: Path, link: Path, used: str) -> None:
    name = path if used == "path" else link
    os.symlink(name, f"{name}.lock")
    write(path, HALF)
    with pytest.raises(LockTimeoutError):
        load_study(link, lock_timeout_s=0.05).ask()
    assert sorted(os.listdir(link.parent) + os.listdir(path.parent)).count(f"{name.name}.lock") == 1
    write(path, REST)
    os.unlink(f"{name}.lock")
    assert Journal(str(link)).state.studies[0].user_attrs == {"k": 1}


def test_both_locks_are_taken_and_given_back(path: Path, link: Path) -> None:
    stock_lock.take(str(link), 0)
    assert os.path.lexists(f"{path}.lock")
    assert os.path.lexists(f"{link}.lock")
    stock_lock.release(str(link))
    assert not os.path.lexists(f"{path}.lock")
    assert not os.path.lexists(f"{link}.lock")


def test_a_lock_that_somebody_died_with_is_removed_beside_the_real_name(path: Path, link: Path) -> None:
    os.symlink(path, f"{path}.lock")
    os.utime(f"{path}.lock", (1, 1), follow_symlinks=False)
    assert [left.partition(",")[0] for left in check(link).leftovers] == [f"{path}.lock"]
    load_study(link).ask()
    assert not os.path.lexists(f"{path}.lock")


def test_all_links_share_one_folder(path: Path, link: Path) -> None:
    Journal(str(link)).save_snapshot()
    assert os.listdir(link.parent) == ["l.journal"]
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:1], b"x" * (len(lines[1]) - 1) + b"\n", *lines[2:]]))
    repair(path)
    assert [trial.user_attrs for trial in load_study(link).trials] == [{"fail_reason": "damaged"}]


def torn_and_refused(path: Path, why: str) -> None:
    write(path, HALF)
    torn = path.read_bytes()
    for use in (lambda: load_study(path).ask(), lambda: repair(path)):
        with pytest.raises(MachineError, match=why):
            use()
    assert path.read_bytes() == torn
    assert not os.path.lexists(f"{path}.lock")
    assert len(load_study(path).trials) == 1


def test_a_file_with_several_names_is_used_but_not_mended(path: Path, link: Path) -> None:
    """A backup by hard links is one, too."""
    os.link(path, path.parent / "backup.journal")
    study = load_study(path)
    study.enqueue({"x": 0.5})
    study.tell(study.ask(), 0.25)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:3]))
    torn_and_refused(path, r"several names \(hard links\).*remove the others")
    os.unlink(path.parent / "backup.journal")
    load_study(path).ask()
    assert check(path).findings == []


def test_a_file_that_is_mounted_without_its_folder_is_not_mended(path: Path, link: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(files, "is_mounted_alone", lambda _: True)
        torn_and_refused(path, "mounted here without its folder.*mount the folder")
    load_study(path).ask()


def test_a_mount_is_told_by_its_place(tmp_path: Path) -> None:
    path, mountinfo = tmp_path / "my study\\.journal", tmp_path / "mountinfo"
    path.touch()
    place = str(path).replace("\\", "\\134").replace(" ", "\\040")
    mounts = ["broken", "22 1 8:1 / / rw - ext4 /dev/sda1 rw", f"23 22 8:1 /s.journal {place} rw shared:2 - ext4 /dev/sda1 rw"]
    mountinfo.write_text("\n".join(mounts) + "\n")
    assert files.is_mounted_alone(str(path), str(mountinfo))
    assert not files.is_mounted_alone(str(mountinfo), str(mountinfo))
    assert not files.is_mounted_alone(str(path), str(tmp_path / "none"))
