"""Appends whose answer is not what became of them, lines that were slipped in, and a lock that the system can't give."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from journaltune.api.study import Study
from journaltune.base.errors import JournalDamagedError, MachineError
from journaltune.journal import file as files
from journaltune.journal import lock, system
from journaltune.journal.journal import Journal
from journaltune.journal.upkeep import compare

STOCK = b'{"op_code":2,"worker_id":"stock","study_id":0,"user_attr":{"k":1}}\n'


def appended(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


@pytest.mark.parametrize("behind", [b"", STOCK, STOCK * 100], ids=len)
def test_a_write_that_fails_although_it_was_done_is_in_doubt_wherever_others_went_on(
    path: Path, study: Study, monkeypatch: pytest.MonkeyPatch, behind: bytes
) -> None:
    def fault(name: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        answer = function(*arguments)
        if name == "write":
            appended(path, behind)
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return answer

    monkeypatch.setattr(system, "fault", fault)
    with pytest.raises(MachineError, match="in doubt"):
        study.enqueue({"x": 0.5})


@pytest.mark.parametrize("next_writer", ["ours", "stock"])
def test_who_read_half_a_batch_that_was_taken_back_reads_on(
    path: Path, study: Study, monkeypatch: pytest.MonkeyPatch, next_writer: str
) -> None:
    """The disk is full, or the file may not grow: the write stops between two records, and the first is blanked again."""
    reader, trial = Journal(str(path)), study.ask()

    def fault(name: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        if name == "write":
            fd, data = arguments
            n_written = function(fd, data[: data.index(b"\n") + 1])
            reader.sync()
            return n_written
        return function(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(system, "fault", fault)
        with pytest.raises(MachineError, match="the disk is full"):
            study.tell(trial, 0.5, attrs={"half": 1})
    assert reader.state.studies[0].live[trial.number].user_attrs == {"half": 1}
    if next_writer == "ours":
        study.tell(trial, 0.25)
    else:
        appended(path, STOCK)
    for _ in range(2):
        reader.sync()
        assert compare.difference(reader.state, Journal(str(path)).state) is None
    study.ask()


def test_what_loses_its_last_record_on_the_way_is_not_acknowledged(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    append = files.append

    def losing(fd: int, data: bytes, path: str) -> None:
        append(fd, data[: data.rfind(b"\n", 0, -1) + 1], path)

    trial = study.ask()
    monkeypatch.setattr(files, "append", losing)
    with pytest.raises(MachineError, match="can't be read back"):
        study.tell(trial, 0.5, attrs={"a": 1})


@pytest.mark.parametrize("changed", [(b"1}", b"2}"), (b'"k":1', b'"longer":22'), (b"stock", b"s")], ids=ascii)
def test_a_line_that_was_slipped_in_before_a_record_of_ours_is_found(
    path: Path, study: Study, changed: tuple[bytes, bytes]
) -> None:
    """Not one that equals the line before which it stands: a stock writer may have written that behind our look."""
    at = path.stat().st_size
    appended(path, STOCK)
    study.ask()
    study.close()
    data = path.read_bytes()
    path.write_bytes(data[:at] + STOCK.replace(*changed) + data[at:])
    with pytest.raises(JournalDamagedError):
        Journal(str(path))


def test_a_lock_that_the_system_cannot_give_is_not_had(path: Path, study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits does so in a thread: what it is told there has to come out here."""

    def flock(fd: int, operation: int) -> None:
        raise BlockingIOError() if operation & fcntl.LOCK_NB else OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    fd = os.open(path, os.O_RDWR)
    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "flock", flock)
        with pytest.raises(OSError, match=os.strerror(errno.ENOLCK)):
            lock.acquire(fd, str(path), 60)
    os.close(fd)
