"""Between a record and the disk: short writes, refusals, failed fsyncs, and stock writers that don't know our lock."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from journaltune.base.errors import JournalDamagedError, MachineError
from journaltune.journal import records, system
from journaltune.journal.journal import Journal

STUDY = {"op_code": 0, "worker_id": "w", "study_name": "s", "directions": [1]}
CREATE = {"op_code": 4, "worker_id": "w", "study_id": 0, "datetime_start": None}
Write = Callable[[int, bytes], int]


def line_of(record: dict[str, Any]) -> bytes:
    return json.dumps(record).encode() + b"\n"


def attr(value: object) -> dict[str, Any]:
    return records.study_record(records.SET_STUDY_USER_ATTR, 0, user_attr={"k": value})


def stock_attr(**attr: object) -> bytes:
    return line_of({"op_code": 2, "worker_id": "stock", "study_id": 0, "user_attr": attr})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "s.journal"
    path.write_bytes(line_of(STUDY))
    return path


@pytest.fixture
def journal(path: Path) -> Journal:
    journal = Journal(str(path))
    with journal.locked():
        journal.append([attr("first")])
    return journal


def append(journal: Journal, *batch: dict[str, Any]) -> list[Any]:
    with journal.locked():
        return journal.append(batch)


def writing(monkeypatch: pytest.MonkeyPatch, journal: Journal, instead: Callable[[Write, bytes], int]) -> pytest.MonkeyPatch:
    """Every ``os.write`` to the journal goes to ``instead(write, data)``."""
    real, own = os.write, os.fstat(journal._handle.fd).st_ino

    def write(fd: int, data: bytes) -> int:
        if os.fstat(fd).st_ino != own:
            return real(fd, data)
        return instead(lambda _, part: real(fd, part), data)

    monkeypatch.setattr(system, "write", write)
    return monkeypatch


def read_everywhere(path: Path, journal: Journal) -> Any:
    """The study's attributes, after checking that running, fresh and stock readers agree."""
    journal.sync()
    ours, fresh = journal.state.studies[0].user_attrs, Journal(str(path)).state.studies[0].user_attrs
    stock = JournalStorage(JournalFileBackend(str(path))).get_study_user_attrs(0)
    assert ours == fresh == stock
    return ours


@pytest.mark.parametrize("share", [0.001, 0.2, 0.45, 0.5, 0.51, 0.7, 0.999])
def test_a_short_write_leaves_nothing_but_blanks(
    path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch, share: float
) -> None:
    before, lengths = path.read_bytes(), []

    def short(write: Write, data: bytes) -> int:
        lengths.append(max(1, int(len(data) * share)))
        return write(0, data[: lengths[0]])

    watching = Journal(str(path))
    with monkeypatch.context() as patch:
        writing(patch, journal, short)
        with pytest.raises(MachineError, match="disk is full"):
            append(journal, attr("lost"), attr("lost"))
    assert path.read_bytes() == before + b" " * lengths[0]
    assert read_everywhere(path, watching) == {"k": "first"}
    assert append(journal, attr("again")) == [True]
    assert read_everywhere(path, watching) == {"k": "again"}
    assert read_everywhere(path, journal) == {"k": "again"}


def test_a_short_write_blanks_no_record_of_another(path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stock record lands right behind the part that was written, before that is blanked."""

    def short(write: Write, data: bytes) -> int:
        written = write(0, data[: data.index(b"\n") + 1])
        with path.open("ab") as file:
            file.write(stock_attr(stock=1))
        return written

    with monkeypatch.context() as patch:
        writing(patch, journal, short)
        with pytest.raises(MachineError):
            append(journal, attr("lost"), attr("lost"))
    assert read_everywhere(path, journal) == {"k": "first", "stock": 1}
    append(journal, attr("again"))
    assert read_everywhere(path, journal) == {"k": "again", "stock": 1}


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        (errno.ENOSPC, "disk is full"),
        (errno.EDQUOT, "quota"),
        (errno.EFBIG, "ulimit -f"),
        (errno.EIO, "Input/output error"),
        (errno.EROFS, "read-only"),
        (errno.EINTR, "Interrupted"),
    ],
)
def test_a_refused_write_leaves_the_journal_as_it_was(
    path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch, number: int, hint: str
) -> None:
    def refuse(write: Write, data: bytes) -> int:
        raise OSError(number, os.strerror(number))

    before = path.read_bytes()
    with monkeypatch.context() as patch:
        writing(patch, journal, refuse)
        with pytest.raises(MachineError, match=hint) as caught:
            append(journal, attr("lost"))
    assert caught.value.exit_code == 7
    assert path.read_bytes() == before
    assert append(journal, attr("again")) == [True]
    assert read_everywhere(path, journal) == {"k": "again"}


def test_where_blanking_is_refused_too_the_tail_is_mended_by_the_next(
    path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        writing(patch, journal, lambda write, data: write(0, data[:20]))
        patch.setattr(system, "pwrite", refuse)
        with pytest.raises(MachineError, match="Input/output error"):
            append(journal, attr("lost"))
    assert append(journal, attr("again")) == [True]
    assert read_everywhere(path, journal) == {"k": "again"}


def test_a_journal_that_may_not_be_opened_for_blanking_is_a_machine_error(
    path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody took the permission away while it was open for appending."""
    opened = os.open

    def refuse(name: Any, flags: int, *rest: Any, **more: Any) -> int:
        if os.fspath(name) == str(path) and not flags & os.O_APPEND:
            raise PermissionError(errno.EACCES, "Permission denied")
        return opened(name, flags, *rest, **more)

    with monkeypatch.context() as patch:
        writing(patch, journal, lambda write, data: write(0, data[:20]))
        patch.setattr(os, "open", refuse)
        with pytest.raises(MachineError, match="permission denied"):
            append(journal, attr("lost"))
    assert append(journal, attr("again")) == [True]


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_a_failed_fsync_is_in_doubt_and_not_tried_again(journal: Journal, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    calls = []

    def fail(fd: int) -> None:
        calls.append(fd)
        raise OSError(number, os.strerror(number))

    append(journal, attr(1))
    monkeypatch.setattr(system, "fdatasync", fail)
    monkeypatch.setattr(system, "fsync", fail)
    with pytest.raises(MachineError, match="in doubt") as caught:
        journal.flush()
    assert caught.value.exit_code == 7
    assert len(calls) == 1


# Optuna and Rustuna don't take our lock, so a record of theirs may land at any moment.


def slipping_in(monkeypatch: pytest.MonkeyPatch, path: Path, journal: Journal, stock: bytes) -> pytest.MonkeyPatch:
    """``stock`` is appended after we looked at the journal's end and before we write."""

    def write(real: Write, data: bytes) -> int:
        with path.open("ab") as file:
            file.write(stock)
        return real(0, data)

    return writing(monkeypatch, journal, write)


@pytest.mark.parametrize("count", [1, 2, 63, 64, 65, 127, 128, 129, 300])
def test_stock_records_slip_in_before_ours(path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    watching = Journal(str(path))
    stock = b"".join(stock_attr(stock=number) for number in range(count))
    with monkeypatch.context() as patch:
        slipping_in(patch, path, journal, stock)
        assert append(journal, attr("one"), attr("two")) == [True, True]
    assert append(journal, attr("three")) == [True]
    assert read_everywhere(path, journal) == {"k": "three", "stock": count - 1}
    assert read_everywhere(path, watching) == {"k": "three", "stock": count - 1}


def test_stock_records_slip_in_between_the_sync_and_the_append(path: Path, journal: Journal) -> None:
    with journal.locked():
        with path.open("ab") as file:
            file.write(stock_attr(stock=1) + stock_attr(stock=2))
        assert journal.append([attr("ours")]) == [True]
    assert read_everywhere(path, journal) == {"k": "ours", "stock": 2}


def test_stock_records_slip_in_after_blanks(path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    with path.open("ab") as file:
        file.write(b"     ")
    with monkeypatch.context() as patch:
        slipping_in(patch, path, journal, stock_attr(stock=1))
        assert append(journal, attr("ours")) == [True]
    append(journal, attr("more"))
    assert read_everywhere(path, journal) == {"k": "more", "stock": 1}


def test_a_record_that_slips_in_decides_whether_ours_takes_effect(
    path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log's order decides: whoever finishes a trial second is told so."""
    append(journal, CREATE)
    finish = {"op_code": 6, "worker_id": "stock", "trial_id": 0, "state": 1, "values": [7.0], "datetime_complete": "2024-01-01"}
    with monkeypatch.context() as patch:
        slipping_in(patch, path, journal, line_of(finish))
        assert append(journal, records.finish_trial(0, 1, [0.5])) == [False]
    assert Journal(str(path)).state.studies[0].finished.row_values(0) == [7.0]


def test_a_create_is_answered_with_the_number_that_it_got(path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        slipping_in(patch, path, journal, line_of(CREATE))
        (trial,) = append(journal, CREATE)
    assert (trial.number, trial.trial_id) == (1, 1)


def test_a_stock_record_right_behind_ours_is_no_trouble(path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(real: Write, data: bytes) -> int:
        written = real(0, data)
        with path.open("ab") as file:
            file.write(stock_attr(stock=1) + b'{"op_code":2,"worker_id":"half')
        return written

    with monkeypatch.context() as patch:
        writing(patch, journal, write)
        assert append(journal, attr("ours")) == [True]
    journal.sync()
    assert journal.state.studies[0].user_attrs == {"k": "ours", "stock": 1}


def test_garbage_that_slips_in_is_reported_and_counted_once(
    path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(journal, CREATE)
    with monkeypatch.context() as patch:
        slipping_in(patch, path, journal, line_of(CREATE) + b"garbage\n")
        with pytest.raises(JournalDamagedError):
            append(journal, CREATE)
    for _ in range(2):
        with pytest.raises(JournalDamagedError):
            journal.sync()
    path.write_bytes(path.read_bytes().replace(b"garbage\n", b"        "))
    journal.sync()
    assert journal.state.n_trials == Journal(str(path)).state.n_trials == 3


def test_what_cannot_be_read_back_is_not_acknowledged(path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    def vanish(real: Write, data: bytes) -> int:
        return real(0, b" " * (len(data) - 1) + b"\n") and len(data)

    with monkeypatch.context() as patch:
        writing(patch, journal, vanish)
        with pytest.raises((MachineError, JournalDamagedError)):
            append(journal, attr("lost"))


def test_a_write_that_fails_although_it_was_done_is_in_doubt(
    path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def done(write: Write, data: bytes) -> int:
        write(0, data)
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        writing(patch, journal, done)
        with pytest.raises(MachineError, match="in doubt"):
            append(journal, attr("done"))
    assert read_everywhere(path, journal) == {"k": "done"}
