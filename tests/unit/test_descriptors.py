"""The journal's descriptor: nobody's copy closes it, nothing printed goes into it, and what closes it is found out."""

from __future__ import annotations

import copy
import errno
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import journaltune
from journaltune.base.errors import MachineError
from journaltune.journal import file as files
from journaltune.journal import lock
from journaltune.journal.mirror import since
from journaltune.journal.upkeep.check import check


@pytest.fixture
def study(tmp_path: Path) -> journaltune.Study:
    return journaltune.create_study(tmp_path / "s.journal", params={"x": "float(0, 1)"}, sampler="random")


def path_of(study: journaltune.Study) -> Path:
    return Path(study._study.path)


def goes_on(study: journaltune.Study) -> None:
    n_trials = len(study.trials)
    study.tell(study.ask(), 1.0)
    assert [trial.number for trial in study.trials] == list(range(n_trials + 1))
    assert check(path_of(study)).findings == []


@pytest.mark.parametrize("copied", [copy.deepcopy, copy.copy, lambda study: pickle.loads(pickle.dumps(study))])
def test_a_copy_of_a_study_opens_the_file_by_itself(study: journaltune.Study, copied: Any) -> None:
    study.tell(study.ask(), 0.5)
    other = copied(study)
    assert other._study.journal._handle.fd != study._study.journal._handle.fd
    other.tell(other.ask(), 0.25)
    other.close()
    assert [trial.value for trial in study.trials] == [0.5, 0.25]
    goes_on(study)


def test_an_open_journal_that_can_not_be_copied_stays_open(study: journaltune.Study) -> None:
    with pytest.raises(TypeError):
        copy.deepcopy(study._study)
    assert os.fstat(study._study.journal._handle.fd)
    goes_on(study)


def test_a_file_that_got_the_number_of_a_closed_descriptor_is_not_written_to(study: journaltune.Study, tmp_path: Path) -> None:
    """As after ``os.closerange`` in a program that becomes a daemon."""
    number = study._study.journal._handle.fd
    os.close(number)
    own = os.open(tmp_path / "results.csv", os.O_RDWR | os.O_CREAT)
    if own != number:  # a lower one became free meanwhile, of a study that nobody holds
        os.dup2(own, number)
        os.close(own)
        own = number
    goes_on(study)
    study.close()
    os.write(own, b"mine")
    assert (tmp_path / "results.csv").read_bytes() == b"mine"
    os.close(own)


def test_a_closed_descriptor_is_opened_again(study: journaltune.Study) -> None:
    os.close(study._study.journal._handle.fd)
    study.close()
    os.close(os.open(os.devnull, os.O_RDONLY))
    goes_on(study)
    os.close(study._study.journal._handle.fd)
    goes_on(study)


@pytest.mark.parametrize("taken", [False, True])
def test_what_was_read_before_is_read_again_from_the_journal_alone(study: journaltune.Study, tmp_path: Path, taken: bool) -> None:
    """Nothing is new in the journal, so nothing shows that its descriptor is gone, or another file's."""
    study.tell(study.ask(), 0.5)
    journal, there = study._study.journal, path_of(study).read_bytes()
    os.close(journal._handle.fd)
    own = os.open(tmp_path / "results.csv", os.O_RDWR | os.O_CREAT) if taken else -1
    assert since(journal, 0) == (0, there, False)
    assert b"".join(journal.chunks()) == there
    assert journal._handle.fd != own
    goes_on(study)


@pytest.mark.parametrize("closed", ["2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_what_is_printed_to_a_closed_stream_does_not_go_into_the_journal(study: journaltune.Study, closed: str) -> None:
    program = f"""
import os, journaltune
study = journaltune.load_study({str(path_of(study))!r})
trial = study.ask()
for descriptor in (1, 2):
    try:
        os.write(descriptor, b"printed")
    except OSError:
        pass
study.tell(trial, 1.0)
"""
    subprocess.run(["sh", "-c", f'exec "$0" -c "$1" {closed}', sys.executable, program], check=True)
    assert b"printed" not in path_of(study).read_bytes()
    goes_on(study)


def test_a_study_that_was_read_only_writes_once_it_may(study: journaltune.Study, monkeypatch: pytest.MonkeyPatch) -> None:
    allowed, open_journal = False, files.open_journal

    def guarded(path: str, *, readable: bool = False, **options: Any) -> int:
        if not readable and not allowed:
            raise MachineError("permission denied")
        return open_journal(path, readable=readable, **options)

    monkeypatch.setattr(files, "open_journal", guarded)
    other = journaltune.load_study(path_of(study))
    with pytest.raises(MachineError):
        other.ask()
    allowed = True
    goes_on(other)


def test_a_write_that_can_not_be_read_back_is_in_doubt(study: journaltune.Study, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    number = study.ask().number
    with monkeypatch.context() as patch:
        patch.setattr(files, "pread", fail)
        with pytest.raises(MachineError, match="in doubt"):
            study.tell(number, 0.5)
    study.tell(number, 0.5)
    assert [trial.value for trial in study.trials] == [0.5]


def test_an_error_of_reading_names_the_file(study: journaltune.Study, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    other = journaltune.load_study(path_of(study))
    study.ask()
    with monkeypatch.context() as patch:
        patch.setattr(files, "read_from", fail)
        with pytest.raises(MachineError, match=r"cannot read .*s\.journal: Input/output error"):
            other.ask()
    goes_on(other)


def test_a_folder_that_may_not_be_looked_into_is_no_moved_journal(
    study: journaltune.Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "stat", refuse)
    with pytest.raises(MachineError, match="permission denied"):
        study.ask()


def test_a_process_that_may_start_no_thread_says_so_where_it_would_wait(
    study: journaltune.Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    other = journaltune.load_study(path_of(study))
    monkeypatch.setattr(lock._thread, "start_new_thread", refuse)
    with other._study.journal.locked():
        n_open = len(os.listdir("/proc/self/fd"))
        with pytest.raises(MachineError, match="no thread can be started"):
            study.ask()
        assert len(os.listdir("/proc/self/fd")) < n_open
    goes_on(study)
