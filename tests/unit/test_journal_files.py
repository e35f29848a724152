"""What can be at a journal's path, and what can become of it while it is in use."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from shutil import which

import pytest

from journaltune.base.errors import JournalDamagedError, JournaltuneError, MachineError, NotFoundError
from journaltune.journal import file as files
from journaltune.journal import records
from journaltune.journal.journal import Journal


def contents(n_trials: int, value: float = 0.5) -> bytes:
    study = {"op_code": 0, "worker_id": "w", "study_name": "s", "directions": [1]}
    trial = {"op_code": 4, "worker_id": "w", "study_id": 0, "datetime_start": None, "state": 1, "value": value}
    return b"".join(json.dumps(record).encode() + b"\n" for record in (study, *[trial] * n_trials))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "s.journal"
    path.write_bytes(contents(3))
    return path


@pytest.fixture
def journal(path: Path) -> Journal:
    journal = Journal(str(path))
    assert values(journal) == [[0.5]] * 3
    return journal


def values(journal: Journal) -> list[list[float] | None]:
    finished = journal.state.studies[0].finished
    return [finished.row_values(row) for row in range(len(finished))]


def append(journal: Journal) -> None:
    with journal.locked():
        journal.append([records.study_record(records.SET_STUDY_USER_ATTR, 0, user_attr={"k": 1})])


def replace(path: Path) -> None:
    Path(f"{path}.new").write_bytes(contents(9, 7.0))
    os.replace(f"{path}.new", path)


def truncate(path: Path) -> None:
    os.truncate(path, len(contents(1)))


def truncate_and_grow(path: Path) -> None:
    """The same inode, longer than before: an editor that writes in place, a `cp` over it, a restored backup."""
    with path.open("r+b") as file:
        file.truncate()
        file.write(contents(9, 7.0))


def delete(path: Path) -> None:
    path.unlink()


def move_away(path: Path) -> None:
    path.rename(f"{path}.old")


CHANGES = {
    replace: JournalDamagedError,
    truncate: JournalDamagedError,
    delete: NotFoundError,
    move_away: NotFoundError,
}


@pytest.mark.parametrize("closed", [False, True], ids=["open", "closed"])
@pytest.mark.parametrize("use", [Journal.sync, append], ids=["read", "append"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_journal_that_changed_under_a_running_one_is_no_longer_used(
    path: Path, journal: Journal, change: object, use: object, closed: bool
) -> None:
    if closed:
        journal.close()
    change(path)  # type: ignore[operator]
    there = path.read_bytes() if path.exists() else None
    for _ in range(2):
        with pytest.raises(CHANGES[change]):  # type: ignore[index]
            use(journal)  # type: ignore[operator]
    assert (path.read_bytes() if path.exists() else None) == there, "it was written to"


@pytest.mark.parametrize("use", [Journal.sync, append], ids=["read", "append"])
def test_a_file_written_anew_in_place_is_noticed_when_it_is_opened_again(path: Path, journal: Journal, use: object) -> None:
    journal.close()
    truncate_and_grow(path)
    with pytest.raises(JournalDamagedError):
        use(journal)  # type: ignore[operator]
    assert path.read_bytes() == contents(9, 7.0)


def test_a_journal_that_was_moved_away_and_back_is_used_on(path: Path, journal: Journal) -> None:
    move_away(path)
    with pytest.raises(NotFoundError, match="put it back"):
        append(journal)
    Path(f"{path}.old").rename(path)
    append(journal)
    assert Journal(str(path)).state.studies[0].user_attrs == {"k": 1}


def test_a_closed_journal_opens_by_itself_and_sees_what_was_appended(path: Path, journal: Journal) -> None:
    for count in (1, 2):
        journal.close()
        append(Journal(str(path)))
        with path.open("ab") as file:
            file.write(contents(1).splitlines(keepends=True)[1])
        append(journal)
        assert len(values(journal)) == 3 + count


def test_a_forked_child_may_end_without_having_used_the_journal(journal: Journal) -> None:
    child = os.fork()
    if child == 0:
        try:
            journal.save_snapshot()
            journal.close()
        except BaseException:
            os._exit(1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0


def test_a_forked_child_opens_the_journal_for_itself(path: Path, journal: Journal) -> None:
    for _ in range(2):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                append(journal)
                status = 0
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        journal.close()
        append(journal)


def test_reading_leaves_the_file_as_it_is(path: Path, journal: Journal) -> None:
    journal.sync()
    with journal.locked():
        pass
    assert path.read_bytes() == contents(3)
    assert os.listdir(path.parent) == ["s.journal"]


# What is no journal at all.


def test_a_missing_journal_names_the_command_that_makes_one(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="journaltune create -f"):
        Journal(str(tmp_path / "none.journal"))
    assert os.listdir(tmp_path) == []


def _folder(path: Path) -> None:
    path.mkdir()


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _device(path: Path) -> None:
    path.symlink_to(os.devnull)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


def _loop(path: Path) -> None:
    path.symlink_to(path)


def _below_a_file(path: Path) -> None:
    path.parent.rmdir()
    path.parent.write_text("")


@pytest.mark.parametrize("make", [_folder, _fifo, _device, _socket, _loop, _below_a_file])
@pytest.mark.parametrize("create", [False, True])
def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path, make: object, create: bool) -> None:
    path = tmp_path / "f" / "x.journal"
    path.parent.mkdir()
    make(path)  # type: ignore[operator]
    with pytest.raises(MachineError) as caught:
        Journal(str(path), create=create)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["a\0b", "x" * 300, "\ud800/x"])
def test_what_is_no_file_name_is_an_error_of_ours(tmp_path: Path, name: str) -> None:
    with pytest.raises(JournaltuneError):
        Journal(f"{tmp_path}/{name}", create=True)


def test_a_symbolic_link_to_a_journal_is_that_journal(path: Path, journal: Journal, tmp_path: Path) -> None:
    link = tmp_path / "link.journal"
    link.symlink_to(path)
    append(Journal(str(link)))
    journal.sync()
    assert journal.state.studies[0].user_attrs == {"k": 1}
    with journal.locked():
        impatient = Journal(str(link), lock_timeout_s=0.0)
        with pytest.raises(JournaltuneError, match="locked by"):
            append(impatient)


def test_a_link_that_is_turned_to_another_journal_is_noticed(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.journal"
    link.symlink_to(path)
    journal = Journal(str(link))
    replace(tmp_path / "other.journal")
    link.unlink()
    link.symlink_to(tmp_path / "other.journal")
    with pytest.raises(JournalDamagedError, match="replaced"):
        append(journal)


def test_a_relative_path_holds_after_chdir(path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(path.parent)
    journal = Journal("s.journal")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    journal.close()
    append(journal)
    assert Journal(str(path)).state.studies[0].user_attrs == {"k": 1}


def test_an_empty_file_is_a_journal_without_studies(tmp_path: Path) -> None:
    (tmp_path / "s.journal").touch()
    assert Journal(str(tmp_path / "s.journal")).state.studies == {}


@pytest.mark.skipif(os.geteuid() == 0 and not which("setpriv"), reason="root may write everywhere")
def test_a_read_only_journal_can_be_read_and_not_written(path: Path) -> None:
    path.chmod(0o444)
    script = (
        "import os, sys\n"
        "from journaltune.journal.journal import Journal\n"
        "from journaltune.base.errors import MachineError\n"
        "journal = Journal(sys.argv[1])\n"
        "assert journal.state.n_trials == 3\n"
        "try:\n    with journal.locked(): raise SystemExit('writable')\n"
        "except MachineError as error: print(error)\n"
    )
    powerless = ["setpriv", "--bounding-set=-dac_override"] if os.geteuid() == 0 else []
    done = subprocess.run([*powerless, sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=False)
    assert (done.returncode, "permission denied" in done.stdout) == (0, True), done


# Network file systems, from what the kernel says of mounts.

MOUNTINFO = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
23 22 0:{minor} / /home rw,relatime shared:2 master:3 - {kind} server:/home rw,vers=4.2
broken
"""


@pytest.mark.parametrize(
    ("kind", "refused"),
    [
        *((kind, True) for kind in ("nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "fuse.s3fs", "lustre", "gpfs", "ceph", "9p")),
        *((kind, False) for kind in ("ext4", "xfs", "btrfs", "tmpfs", "overlay", "zfs", "fuseblk", "f2fs")),
    ],
)
def test_network_file_systems_are_refused(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, refused: bool
) -> None:
    mountinfo = tmp_path / "mountinfo"
    mountinfo.write_text(MOUNTINFO.format(minor=99, kind=kind))
    device = os.makedev(0, 99)
    assert files.file_system_of(device, str(mountinfo)) == kind
    real = files.file_system_of
    monkeypatch.setattr(files, "file_system_of", lambda _: real(device, str(mountinfo)))
    if refused:
        with pytest.raises(MachineError, match=rf"network file system \({kind}\).*--allow-network-fs") as caught:
            Journal(str(path))
        assert caught.value.exit_code == 7
    else:
        append(Journal(str(path)))
    append(Journal(str(path), allow_network_fs=True))


def test_a_file_system_that_is_not_told_counts_as_local(tmp_path: Path) -> None:
    mountinfo = tmp_path / "mountinfo"
    mountinfo.write_text(MOUNTINFO.format(minor=99, kind="nfs"))
    assert files.file_system_of(os.makedev(0, 7), str(mountinfo)) == ""
    assert files.file_system_of(os.makedev(0, 7), str(tmp_path / "none")) == ""
