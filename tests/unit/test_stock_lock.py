"""The lock of Optuna's and Rustuna's writers, left behind by one that died: whoever of us writes next removes it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import journaltune
from journaltune.cli import main
from journaltune.journal import stock_lock
from journaltune.journal.upkeep.check import check


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "s.journal"
    journaltune.create_study(path, params={"x": "float(0, 1)"}, sampler="random")
    return path


@pytest.fixture
def lock(path: Path) -> Path:
    return Path(f"{path}.lock")


def left_behind(lock: Path, age_s: float) -> None:
    os.symlink(lock.name.removesuffix(".lock"), lock)
    made = time.time() - age_s
    os.utime(lock, (made, made), follow_symlinks=False)


def write(path: Path) -> journaltune.Study:
    study = journaltune.load_study(path)
    study.tell(study.ask(), 1.0)
    return study


def meanwhile(monkeypatch: pytest.MonkeyPatch, do: Callable[[], None]) -> list[float]:
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        do()

    monkeypatch.setattr(time, "sleep", pause)
    return pauses


def test_the_next_writer_removes_a_lock_that_is_half_a_minute_old(path: Path, lock: Path) -> None:
    left_behind(lock, age_s=31)
    write(path)
    assert not os.path.lexists(lock)


def test_readers_go_on_beside_it_and_status_names_it(path: Path, lock: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(path)
    assert main(["status", "-f", str(path)]) == 0
    assert "lock " not in capsys.readouterr().out
    left_behind(lock, age_s=95)
    for command in (["best"], ["trials"], ["lookup", "0"], ["verify"], ["studies"], ["attr"], ["status"]):
        assert main([*command, "-f", str(path)]) in (0, 1)
    assert f"lock       {lock}, 95 s old: " in capsys.readouterr().out
    assert os.path.lexists(lock)


def test_a_younger_lock_is_left_alone_and_not_waited_for(path: Path, lock: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left_behind(lock, age_s=29)
    pauses = meanwhile(monkeypatch, lambda: None)
    write(path)
    assert os.path.lexists(lock)
    assert pauses == []


def test_a_lock_of_the_future_is_removed_too(path: Path, lock: Path) -> None:
    """It was left before the clock was set back; nobody holds one for longer than a write."""
    left_behind(lock, age_s=-3600)
    assert check(path).leftovers[0].startswith(f"{lock}, of a time to come: Optuna and Rustuna wait")
    write(path)
    assert not os.path.lexists(lock)


def test_a_lock_that_a_clock_a_little_ahead_made_is_left_alone(path: Path, lock: Path) -> None:
    left_behind(lock, age_s=-20)
    write(path)
    assert os.path.lexists(lock)


def test_a_lock_that_changes_hands_at_the_second_look_is_not_of_the_dead(
    path: Path, lock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def change_hands() -> None:
        lock.unlink()
        left_behind(lock, age_s=40)

    left_behind(lock, age_s=31)
    pauses = meanwhile(monkeypatch, change_hands)
    write(path)
    assert os.path.lexists(lock)
    assert len(pauses) == 1


def test_a_lock_that_one_of_us_died_with_is_removed_whatever_its_age(
    path: Path, lock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stock_lock.take(str(path), 0)
    pauses = meanwhile(monkeypatch, lambda: None)
    write(path)
    assert not os.path.lexists(lock)
    assert pauses == []


def test_a_folder_in_the_place_of_the_lock_keeps_nobody_from_writing(path: Path, lock: Path) -> None:
    lock.mkdir()
    write(path)
    assert lock.is_dir()


def test_a_lock_that_can_not_be_removed_keeps_nobody_from_writing(
    path: Path, lock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_behind(lock, age_s=31)
    meanwhile(monkeypatch, lambda: None)

    def refuse(_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(stock_lock.files.system, "unlink", refuse)
    assert write(path).best_value == 1.0


def test_a_writer_that_lives_looks_again_and_again(path: Path, lock: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = write(path)
    left_behind(lock, age_s=31)
    clock = time.monotonic() + 2
    monkeypatch.setattr("journaltune.journal.journal.monotonic", lambda: clock)
    study.tell(study.ask(), 2.0)
    assert not os.path.lexists(lock)
