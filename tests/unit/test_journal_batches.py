"""A call that writes several records: where they broke off before the last one, the next writer takes them back."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from rustuna.storages import JournalFileStorage

from journaltune.base.errors import MachineError
from journaltune.engine.ask import ask
from journaltune.engine.create import create
from journaltune.engine.enqueue import enqueue
from journaltune.engine.report import report
from journaltune.engine.tell import tell
from journaltune.engine.verify import verify
from journaltune.journal import records, snapshot, system
from journaltune.journal.journal import Journal
from journaltune.journal.upkeep.check import check
from journaltune.journal.upkeep.compact import compact
from journaltune.space import space_from_params
from journaltune.study import open_study

ATTRS = {"k": "✓", "more": {"x": 1, "from": 2}}


@pytest.fixture
def told(tmp_path: Path) -> tuple[Path, int]:
    """A journal whose last three records are those of one tell, and where they begin."""
    path = tmp_path / "s.journal"
    study = create(path, name="s", space=space_from_params({"x": "float(0, 1)"}), seed=1, sampler="random")
    tell(study, ask(study).number, 0.5)
    ask(study)
    enqueue(study, {})
    start = path.stat().st_size
    tell(study, 1, 0.25, attrs=ATTRS)
    study.close()
    return path, start


def broken_off(path: Path, start: int, missing: int) -> int:
    """Leave out the last bytes; the size now."""
    whole = path.read_bytes()
    at = len(whole) - missing
    assert start <= at
    path.write_bytes(whole[:at])
    return at


def attrs_of(path: Path) -> list[dict[str, Any]]:
    """The attributes of trial 1 as journaltune, Optuna and Rustuna read them."""
    journal = Journal(str(path))
    trial = journal.state.studies[0].live[1]
    journal.close()
    stock = JournalStorage(JournalFileBackend(str(path))).get_trial(1)
    return [trial.user_attrs, stock.user_attrs, JournalFileStorage(str(path)).get_trial(1).user_attrs]


def full_from(nth: int) -> Callable[..., Any]:
    """A disk that is full from the ``nth`` system call on; a first one that overwrites gets half of it done."""
    count = 0

    def fault(name: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        nonlocal count
        count += 1
        if count <= nth or name == "unlink":
            return function(*arguments)
        if count == nth + 1 and name == "pwrite":
            return function(arguments[0], arguments[1][: len(arguments[1]) // 2], *arguments[2:])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    return fault


def ends_of(path: Path, start: int) -> list[int]:
    """How many bytes are missing where the tell broke off: behind each of its records, and somewhere in the next one."""
    size, at, found = path.stat().st_size, start, []
    for line in path.read_bytes()[start:].splitlines(keepends=True):
        at += len(line)
        found += [size - at, size - at - 1, size - at - len(line) // 2]
    return [missing for missing in found if 0 < missing <= size - start]


def test_what_is_left_of_a_tell_is_taken_back_by_the_next_command(told: tuple[Path, int]) -> None:
    path, start = told
    whole = path.read_bytes()
    for missing in ends_of(path, start):
        path.write_bytes(whole[: len(whole) - missing])
        with open_study(path) as study:
            report(study, 1, 3, 0.75)
        assert attrs_of(path) == [{}, {}, {}]
        assert path.read_bytes()[:start] == whole[:start]
        assert not path.read_bytes()[start : len(whole) - missing].strip(b" ")
        assert not os.path.lexists(f"{path}.lock")
        assert not check(path).findings


def test_a_trial_whose_tell_broke_off_takes_another_result(told: tuple[Path, int]) -> None:
    path, start = told
    broken_off(path, start, 20)
    with open_study(path) as study:
        tell(study, 1, state="fail", reason="oom")
    assert JournalStorage(JournalFileBackend(str(path))).get_trial(1).user_attrs == {"fail_reason": "oom"}


def test_who_has_read_what_is_taken_back_reads_again(told: tuple[Path, int]) -> None:
    path, start = told
    whole = path.read_bytes()
    for missing in ends_of(path, start):
        path.write_bytes(whole[: len(whole) - missing])
        reader, writer, closed = (Journal(str(path)) for _ in range(3))
        closed.close()
        with open_study(path) as study:
            report(study, 1, 3, 0.75)
        for journal in (reader, closed):
            journal.sync()
            assert journal.state.studies[0].live[1].user_attrs == {}
            assert journal.state.studies[0].live[1].intermediate == {3: 0.75}
        with writer.locked():
            assert writer.state.studies[0].live[1].user_attrs == {}


def test_a_writer_looks_again_where_another_only_took_back(told: tuple[Path, int]) -> None:
    path, start = told
    broken_off(path, start, 20)
    writer = Journal(str(path))
    assert writer.state.studies[0].live[1].user_attrs == ATTRS
    with Journal(str(path)).locked():
        pass
    with writer.locked():
        assert writer.state.studies[0].live[1].user_attrs == {}


def test_no_snapshot_holds_what_may_be_taken_back(told: tuple[Path, int]) -> None:
    path, start = told
    broken_off(path, start, 20)
    journal = Journal(str(path))
    journal.save_snapshot()
    assert snapshot.offset_of(str(path)) == -1
    with Journal(str(path)).locked():
        pass
    journal.save_snapshot()
    assert snapshot.offset_of(str(path)) == -1
    journal.sync()
    with journal.locked():
        pass
    journal.save_snapshot()
    assert snapshot.offset_of(str(path)) == start


def test_reading_takes_nothing_back(told: tuple[Path, int]) -> None:
    path, start = told
    broken_off(path, start, 20)
    before = path.read_bytes()
    assert attrs_of(path) == [ATTRS, ATTRS, ATTRS]
    assert path.read_bytes() == before


def test_what_a_stock_writer_wrote_behind_stays_and_so_do_the_records_before_it(told: tuple[Path, int]) -> None:
    path, start = told
    last = path.read_bytes().splitlines(keepends=True)[-1]
    broken_off(path, start, len(last))
    JournalStorage(JournalFileBackend(str(path))).set_study_user_attr(0, "stock", 1)
    before = path.read_bytes()
    with Journal(str(path)).locked():
        pass
    assert path.read_bytes() == before


def test_what_a_stock_writer_wrote_while_its_lock_was_waited_for_stays(
    told: tuple[Path, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, start = told
    last = path.read_bytes().splitlines(keepends=True)[-1]
    broken_off(path, start, len(last))
    symlink = system.symlink

    def stock_was_first(source: str, target: str) -> None:
        monkeypatch.setattr(system, "symlink", symlink)
        JournalStorage(JournalFileBackend(str(path))).set_study_user_attr(0, "stock", 1)
        symlink(source, target)

    monkeypatch.setattr(system, "symlink", stock_was_first)
    before = path.read_bytes()
    with Journal(str(path)).locked():
        pass
    assert path.read_bytes().startswith(before)
    assert JournalStorage(JournalFileBackend(str(path))).get_study_user_attrs(0) == {"stock": 1}


def test_taking_back_that_is_broken_off_anywhere_is_finished_by_the_next_command(
    told: tuple[Path, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, start = told
    whole, done, ways = path.read_bytes(), False, ends_of(path, start)
    for nth in range(25):
        for missing in ways:
            path.write_bytes(whole[: len(whole) - missing])
            reader = Journal(str(path))
            monkeypatch.setattr(system, "fault", full_from(nth))
            try:
                with Journal(str(path)).locked():
                    done = True
            except MachineError:
                done = False
            monkeypatch.setattr(system, "fault", None)
            assert attrs_of(path)[0] == attrs_of(path)[1]
            with open_study(path) as study:
                report(study, 1, 3, 0.75)
            reader.sync()
            assert attrs_of(path) == [{}, {}, {}]
            assert reader.state.studies[0].live[1].user_attrs == {}
            assert not check(path).findings
    assert done, "25 system calls were not enough"


def test_an_ask_that_broke_off_while_it_claimed_an_enqueued_trial_leaves_it_waiting(told: tuple[Path, int]) -> None:
    path, _ = told
    start = path.stat().st_size
    with open_study(path) as study:
        first = ask(study)
    whole = path.read_bytes()
    for missing in ends_of(path, start):
        path.write_bytes(whole[: len(whole) - missing])
        with open_study(path) as study:
            assert ask(study) == first
            tell(study, first.number, 0.5)
        assert verify(path).difference is None
        assert not check(path).findings


def test_a_compact_journal_holds_no_marks_of_batches(told: tuple[Path, int], tmp_path: Path) -> None:
    path, _ = told
    with (journal := Journal(str(path))).locked():
        journal.append([records.study_record(records.SET_STUDY_USER_ATTR, 0, user_attr={name: 1}) for name in "ab"])
    assert b',"from":' in path.read_bytes().splitlines()[-2]
    compact(path, tmp_path / "c.journal")
    marks = [line.partition(b'"jt"')[2].count(b'"from"') for line in (tmp_path / "c.journal").read_bytes().splitlines()]
    assert len(marks) > 3
    assert not any(marks)
