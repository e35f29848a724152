"""A disk that fails for a moment: every error is one of ours, and the next call finds the journal as it is."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from journaltune import ConflictError, MachineError, create_study, load_study
from journaltune.api.study import Study
from journaltune.engine.verify import verify
from journaltune.journal import file as files
from journaltune.journal import lock, snapshot
from journaltune.journal.upkeep.check import check
from journaltune.journal.upkeep.compact import compact
from journaltune.journal.upkeep.repair import repair


@pytest.fixture
def study(tmp_path: Path) -> Study:
    study = create_study(tmp_path / "s.journal", params={"x": "float(0, 1)"}, sampler="random", seed=1)
    study.tell(study.ask(), 0.5)
    return study


def failing(monkeypatch: pytest.MonkeyPatch, holder: Any, name: str, code: int = errno.EIO) -> Callable[[], int]:
    """The next call of a function fails; how many calls did."""
    function, n_failed = getattr(holder, name), [0]

    def fail(*arguments: Any, **options: Any) -> Any:
        monkeypatch.setattr(holder, name, function)
        n_failed[0] += 1
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(holder, name, fail)
    return lambda: n_failed[0]


@pytest.mark.parametrize("give_up", [Study.close, lambda study: study._study.break_off()], ids=["close", "break off"])
@pytest.mark.parametrize("call", [lambda study: study.ask(), lambda study: study.trials], ids=["ask", "trials"])
def test_a_reload_that_failed_is_done_again(
    study: Study, monkeypatch: pytest.MonkeyPatch, give_up: Callable[[Study], None], call: Callable[[Study], Any]
) -> None:
    with monkeypatch.context() as patch:
        failing(patch, files, "fingerprint")  # what was read can't be told from other bytes later, so it is read again
        give_up(study)
    n_failed = failing(monkeypatch, files, "read_from")
    with pytest.raises(MachineError, match="cannot read"):
        call(study)
    assert n_failed() == 1
    study.tell(study.ask(), 0.25)
    assert [trial.value for trial in study.trials] == [0.5, 0.25]


def other_holder(study: Study) -> Any:
    return load_study(study._study.path)._study.journal


def test_an_ask_that_has_to_wait_and_gets_no_descriptor_says_so(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    with other_holder(study).asks(0), monkeypatch.context() as patch:
        failing(patch, files, "duplicate", errno.EMFILE)
        with pytest.raises(MachineError, match=r"cannot lock .*too many open files; close some, or raise `ulimit -n`"):
            study.ask()
    study.ask()


@pytest.mark.parametrize("name", ["flock", "fcntl"])
def test_a_lock_that_the_system_can_not_give_is_a_machine_error(study: Study, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    with monkeypatch.context() as patch:
        n_failed = failing(patch, lock.fcntl, name, errno.ENOLCK)
        with pytest.raises(MachineError, match="no lock left"):
            study.ask()
        assert n_failed() == 1
    study.tell(study.ask(), 0.25)


@pytest.mark.parametrize(
    "call",
    [lambda study: study.ask(), lambda study: study.tell(1, 0.5), lambda study: study.trials, lambda study: study.best_trial],
    ids=["ask", "tell", "trials", "best"],
)
@pytest.mark.parametrize(
    "prepare", [lambda _: None, Study.close, lambda study: study._study.break_off()], ids=["open", "closed", "broken off"]
)
def test_each_read_may_fail_once(
    study: Study, monkeypatch: pytest.MonkeyPatch, prepare: Callable[[Study], Any], call: Callable[[Study], Any]
) -> None:
    """In every call the first, the second … read of bytes fails: with an error of ours, or without any effect."""
    study.ask()
    pread, n_calls, nth = os.pread, 1, 0

    def fail(*arguments: Any) -> bytes:
        nonlocal n_calls
        n_calls += 1
        if n_calls == nth:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return pread(*arguments)

    while n_calls >= nth:
        load_study(study._study.path).enqueue({"x": 0.5})  # something to read
        prepare(study)
        n_calls, nth = 0, nth + 1

        with monkeypatch.context() as patch:
            patch.setattr(os, "pread", fail)
            try:
                call(study)
            except (MachineError, ConflictError):
                pass
        study.tell(study.ask(), 0.25)
        assert check(study._study.path).findings == []
    assert nth > 1


@pytest.mark.parametrize("code", [errno.EIO, errno.ESTALE])
def test_a_snapshot_on_a_bad_sector_is_passed_over_and_replaced(study: Study, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    study._study.journal.save_snapshot()
    place = Path(snapshot.path_of(study._study.path))
    before, pread = place.stat(), os.pread

    def bad_sector(fd: int, length: int, offset: int) -> bytes:
        if os.fstat(fd).st_ino == before.st_ino and offset > 28 and length < 100:
            raise OSError(code, os.strerror(code))
        return pread(fd, length, offset)

    with monkeypatch.context() as patch:
        patch.setattr(os, "pread", bad_sector)
        again = load_study(study._study.path)
        assert [trial.value for trial in again.trials] == [0.5]
        again.close()
    assert place.stat().st_ino != before.st_ino
    assert check(study._study.path).findings == []


USES = {"check": check, "repair": repair, "compact": lambda path: compact(path, f"{path}.shorter"), "verify": verify}


@pytest.mark.parametrize("use", USES)
def test_a_bad_sector_in_the_journal_is_a_machine_error(study: Study, monkeypatch: pytest.MonkeyPatch, use: str) -> None:
    inode, pread = os.stat(study._study.path).st_ino, os.pread

    def bad_sector(fd: int, length: int, offset: int) -> bytes:
        if os.fstat(fd).st_ino == inode:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return pread(fd, length, offset)

    monkeypatch.setattr(os, "pread", bad_sector)
    with pytest.raises(MachineError, match="Input/output error"):
        USES[use](study._study.path)
    assert not os.path.lexists(f"{study._study.path}.lock")
