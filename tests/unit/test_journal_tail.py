"""A journal whose last line has no newline: mended with blanks, without a loss, while others go on reading."""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock, JournalFileSymlinkLock
from rustuna.storages import JournalFileStorage

from journaltune.base.errors import JournalDamagedError, LockTimeoutError, MachineError
from journaltune.journal import records, stock_lock, system
from journaltune.journal.journal import Journal
from journaltune.journal.upkeep.repair import repair

SOUND = b"".join(
    json.dumps({"worker_id": "w", **record}).encode() + b"\n"
    for record in (
        {"op_code": 0, "study_name": "s", "directions": [1]},
        {"op_code": 4, "study_id": 0, "datetime_start": "2024-01-01T00:00:00+00:00"},
    )
)
STOCK = json.dumps({"op_code": 2, "worker_id": "w", "study_id": 0, "user_attr": {"k": "ü" * 9}}).encode()
SET_ATTR = {"op_code": 2, "worker_id": "journaltune", "study_id": 0, "user_attr": {"k": 1}}
OURS = records.seal(records.placed(SET_ATTR, len(SOUND)), 0)
TAILS = {
    "one byte": b"{",
    "half a stock record": STOCK[: len(STOCK) // 2],
    "half a character": '{"k": "ü'.encode()[:-1],
    "a whole record but for its newline": STOCK,
    "half a record of ours": OURS[:-9],
    "a whole record of ours but for its newline": OURS,
    "bytes that are no text": bytes(range(256)).replace(b"\n", b""),
    "zeros": bytes(100),
    "carriage return": b"\r",
    "blanks and more": b"   {",
    "longer than what is looked at first": b'{"k": "' + b"x" * 40_000,
}


@pytest.fixture(params=TAILS)
def torn(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, bytes]:
    path = tmp_path / "s.journal"
    tail = TAILS[request.param]
    path.write_bytes(SOUND + tail)
    return path, tail


def note(journal: Journal, **attr: object) -> list[Any]:
    with journal.locked():
        return journal.append([records.study_record(records.SET_STUDY_USER_ATTR, 0, user_attr=attr)])


def attrs(journal: Journal) -> dict[str, Any]:
    journal.sync()
    return journal.state.studies[0].user_attrs


def stock_attrs(path: Path) -> dict[str, Any]:
    return JournalStorage(JournalFileBackend(str(path))).get_study_user_attrs(0)


def test_reading_leaves_a_torn_tail_as_it_is(torn: tuple[Path, bytes]) -> None:
    path, tail = torn
    assert attrs(Journal(str(path))) == {}
    assert path.read_bytes() == SOUND + tail


def test_appending_blanks_a_torn_tail(torn: tuple[Path, bytes]) -> None:
    path, tail = torn
    assert note(Journal(str(path)), after=1) == [True]
    data = path.read_bytes()
    assert data.startswith(SOUND + b" " * len(tail) + b'{"op_code":2,')
    assert data.count(b"\n") == 3
    assert not os.path.lexists(f"{path}.lock")
    assert attrs(Journal(str(path))) == stock_attrs(path) == {"after": 1}
    assert JournalFileStorage(str(path)).get_study(0).user_attrs == {"after": 1}


def test_a_copy_of_what_was_blanked_is_kept(torn: tuple[Path, bytes]) -> None:
    path, tail = torn
    note(Journal(str(path)), after=1)
    (copy,) = Path(f"{path}.d/quarantine").iterdir()
    assert copy.read_bytes() == tail
    assert copy.name.startswith(f"{len(SOUND)}-{len(tail)}-")


@pytest.fixture
def umask() -> Iterator[Callable[[int], int]]:
    before = os.umask(0)
    os.umask(before)
    yield os.umask
    os.umask(before)


@pytest.mark.parametrize(
    ("journal", "mask", "copy", "folder"),
    [(0o600, 0o022, 0o600, 0o700), (0o640, 0o000, 0o640, 0o750), (0o660, 0o000, 0o660, 0o770), (0o666, 0o077, 0o600, 0o700)],
)
def test_a_copy_is_for_nobody_who_may_not_read_the_journal(
    tmp_path: Path, umask: Callable[[int], int], journal: int, mask: int, copy: int, folder: int
) -> None:
    path = tmp_path / "s.journal"
    path.write_bytes(SOUND + STOCK[:9])
    path.chmod(journal)
    umask(mask)
    note(Journal(str(path)), after=1)
    quarantine = Path(f"{path}.d/quarantine")
    (kept,) = quarantine.iterdir()
    assert [stat.S_IMODE(there.stat().st_mode) for there in (kept, quarantine, quarantine.parent)] == [copy, folder, folder]


@pytest.mark.parametrize("made_before", [False, True])
def test_the_folders_of_a_journal_that_a_group_shares_are_the_groups(
    tmp_path: Path, umask: Callable[[int], int], made_before: bool
) -> None:
    """With the usual umask of 022 only one member could mend it."""
    path = tmp_path / "s.journal"
    path.write_bytes(SOUND + STOCK[:9])
    path.chmod(0o664)
    umask(0o022)
    folders = Path(f"{path}.d"), Path(f"{path}.d/quarantine")
    for folder in folders if made_before else ():
        folder.mkdir()
        folder.chmod(0o2755)  # as in a folder whose group new files get
    note(Journal(str(path)), after=1)
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in folders] == [0o2775 if made_before else 0o775] * 2


def test_running_readers_go_on_over_a_mended_tail(torn: tuple[Path, bytes]) -> None:
    path, _ = torn
    ours, snapshot_of_ours = Journal(str(path)), Journal(str(path))
    snapshot_of_ours.save_snapshot()
    optunas, rustunas = JournalStorage(JournalFileBackend(str(path))), JournalFileStorage(str(path))
    note(Journal(str(path)), after=1)
    note(Journal(str(path)), again=2)
    expected = {"after": 1, "again": 2}
    resumed = Journal(str(path))
    assert resumed.opened_at == len(SOUND)
    assert attrs(ours) == attrs(resumed) == expected
    assert optunas.get_study_user_attrs(0) == expected
    assert rustunas.get_study(0).user_attrs == expected
    # And they write on as well.
    optunas.set_study_user_attr(0, "optuna", 3)
    rustunas.set_study_user_attrs(0, {"rustuna": 4})
    note(ours, ours=5)
    assert attrs(Journal(str(path))) == stock_attrs(path) == {**expected, "optuna": 3, "rustuna": 4, "ours": 5}


def test_a_tail_in_the_very_first_line_is_mended(tmp_path: Path) -> None:
    path = tmp_path / "s.journal"
    path.write_bytes(STOCK)
    journal = Journal(str(path))
    with journal.locked():
        assert journal.append([records.create_study("s", [1], None)]) == [True]
    assert path.read_bytes().startswith(b" " * len(STOCK) + b'{"op_code":0')
    assert [study.study_name for study in JournalStorage(JournalFileBackend(str(path))).get_all_studies()] == ["s"]


def test_a_blank_tail_needs_no_mending(tmp_path: Path) -> None:
    path = tmp_path / "s.journal"
    path.write_bytes(SOUND + b"     ")
    note(Journal(str(path)), after=1)
    assert attrs(Journal(str(path))) == stock_attrs(path) == {"after": 1}
    assert not Path(f"{path}.d/quarantine").exists()


def test_a_tail_is_mended_when_no_copy_can_be_kept(tmp_path: Path) -> None:
    path = tmp_path / "s.journal"
    path.write_bytes(SOUND + STOCK[:9])
    Path(f"{path}.d").write_text("not a folder")
    note(Journal(str(path)), after=1)
    assert stock_attrs(path) == {"after": 1}


@pytest.fixture
def torn_and_locked(tmp_path: Path) -> Path:
    """A torn tail whose writer holds Optuna's lock."""
    path = tmp_path / "s.journal"
    path.write_bytes(SOUND + STOCK[:20])
    assert JournalFileSymlinkLock(str(path)).acquire()
    return path


def while_waiting(monkeypatch: pytest.MonkeyPatch, do: Callable[[int], None]) -> list[float]:
    """Instead of every pause: ``do`` with its count, and a clock that goes on. The pauses that were asked for."""
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        do(len(pauses))

    monkeypatch.setattr(time, "sleep", pause)
    monkeypatch.setattr(time, "monotonic", lambda: 1e6 + sum(pauses))
    return pauses


def test_a_stock_append_in_flight_is_waited_for(torn_and_locked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = torn_and_locked

    def finish(count: int) -> None:
        assert path.read_bytes() == SOUND + STOCK[:20], "blanked although its writer is at work"
        if count == 3:
            with path.open("ab") as file:
                file.write(STOCK[20:] + b"\n")
            JournalFileSymlinkLock(str(path)).release()

    pauses = while_waiting(monkeypatch, finish)
    note(Journal(str(path)), after=1)
    assert len(pauses) == 3
    assert path.read_bytes().startswith(SOUND + STOCK + b"\n")
    assert attrs(Journal(str(path))) == stock_attrs(path) == {"k": "ü" * 9, "after": 1}
    assert not Path(f"{path}.d/quarantine").exists()
    assert not os.path.lexists(f"{path}.lock")


def test_a_stock_lock_that_nobody_gives_back_is_broken_after_half_a_minute(
    torn_and_locked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses = while_waiting(monkeypatch, lambda _: None)
    note(Journal(str(torn_and_locked)), after=1)
    assert 30 <= sum(pauses) <= 60
    assert stock_attrs(torn_and_locked) == {"after": 1}
    assert not os.path.lexists(f"{torn_and_locked}.lock")


def test_a_stock_lock_that_goes_from_hand_to_hand_is_not_broken(torn_and_locked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, lock = torn_and_locked, f"{torn_and_locked}.lock"
    holders = [JournalFileSymlinkLock(str(path)), JournalFileOpenLock(str(path))]

    def next_holder(count: int) -> None:
        assert os.path.lexists(lock), "broken although its holder lives"
        os.unlink(lock)
        if count < 2000:
            holders[count % 2].acquire()
            os.utime(lock, ns=(count, count), follow_symlinks=False)

    pauses = while_waiting(monkeypatch, next_holder)
    note(Journal(str(path), lock_timeout_s=1000), after=1)
    assert len(pauses) == 2000
    assert stock_attrs(path) == {"after": 1}


@pytest.mark.parametrize("timeout_s", [0, 0.5, 29.5])
def test_a_stock_lock_is_waited_for_no_longer_than_the_lock_timeout(
    torn_and_locked: Path, monkeypatch: pytest.MonkeyPatch, timeout_s: float
) -> None:
    path = torn_and_locked
    pauses = while_waiting(monkeypatch, lambda _: None)
    said = rf"{path}\.lock, .* for more than {timeout_s:g} s; try again, or raise"
    calls: list[Callable[[], object]] = [
        lambda: note(Journal(str(path), lock_timeout_s=timeout_s), after=1),
        lambda: repair(path, lock_timeout_s=timeout_s),
    ]
    for call in calls:
        pauses.clear()
        with pytest.raises(LockTimeoutError, match=said) as caught:
            call()
        assert sum(pauses) == pytest.approx(timeout_s, abs=1e-3)
        assert (caught.value.exit_code, caught.value.holder_pids) == (5, ())
        assert path.read_bytes() == SOUND + STOCK[:20]
        assert os.path.lexists(f"{path}.lock")


def test_no_command_waits_for_a_stock_lock_that_is_marked_as_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "s.journal"
    path.write_bytes(SOUND + STOCK[:20])
    stock_lock.take(str(path), 0)
    while_waiting(monkeypatch, lambda _: pytest.fail("waited for a lock that its holder left behind"))
    note(Journal(str(path), lock_timeout_s=0), after=1)
    assert stock_attrs(path) == {"after": 1}


def test_a_lock_that_is_dead_after_half_a_minute_is_broken_by_who_waits_just_so_long(
    torn_and_locked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    while_waiting(monkeypatch, lambda _: None)
    note(Journal(str(torn_and_locked), lock_timeout_s=31), after=1)
    assert stock_attrs(torn_and_locked) == {"after": 1}


def test_a_claim_waits_for_a_stock_lock_no_longer_than_the_lock_timeout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "s.journal"
    path.write_bytes(SOUND)
    assert JournalFileSymlinkLock(str(path)).acquire()
    while_waiting(monkeypatch, lambda _: None)
    journal = Journal(str(path), lock_timeout_s=2)
    with pytest.raises(LockTimeoutError, match="for more than 2 s"), journal.locked(alone=True):
        pytest.fail("not alone")
    with pytest.raises(LockTimeoutError), journal.locked(alone=True):
        pytest.fail("not alone")
    note(journal, after=1)
    assert attrs(Journal(str(path))) == {"after": 1}


def test_a_stock_lock_that_vanishes_at_the_last_moment_is_no_error(
    torn_and_locked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, unlink = f"{torn_and_locked}.lock", os.unlink

    def gone_already(path: Any, **options: Any) -> None:
        unlink(path, **options)
        if os.fspath(path) == lock:
            raise FileNotFoundError(path)

    while_waiting(monkeypatch, lambda _: None)
    with monkeypatch.context() as patch:
        patch.setattr(system, "unlink", gone_already)
        note(Journal(str(torn_and_locked)), after=1)
    assert stock_attrs(torn_and_locked) == {"after": 1}


def test_where_no_stock_lock_can_be_made_nothing_is_blanked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "s.journal"
    path.write_bytes(SOUND + STOCK[:20])

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(system, "symlink", refuse)
    with pytest.raises(MachineError, match="permission denied"):
        note(Journal(str(path)), after=1)
    assert path.read_bytes() == SOUND + STOCK[:20]


def test_what_stock_optuna_glued_onto_a_tail_is_damage_with_its_offset(tmp_path: Path) -> None:
    path = tmp_path / "s.journal"
    path.write_bytes(SOUND + STOCK[:20] + STOCK + b"\n")
    with pytest.raises(JournalDamagedError) as caught:
        Journal(str(path))
    assert caught.value.offset == len(SOUND)


def test_optuna_opens_a_mended_file_as_a_study(tmp_path: Path) -> None:
    path = tmp_path / "s.journal"
    path.write_bytes(SOUND + STOCK[:20])
    note(Journal(str(path)), after=1)
    study = optuna.load_study(study_name="s", storage=JournalStorage(JournalFileBackend(str(path))))
    study.tell(study.ask(), 1.0)
    assert [trial.state.name for trial in study.trials] == ["RUNNING", "COMPLETE"]
