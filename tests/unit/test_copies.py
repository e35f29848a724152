"""Copies of a study: to another journal, to SQLite, and back."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import optuna
import pytest
from copying import facts, write_rich_study

import journaltune
from journaltune.base.errors import ConflictError, MachineError, NotFoundError, UsageError
from journaltune.optuna_bridge import copies
from journaltune.optuna_bridge.copies import copy_study


@pytest.fixture
def rich(tmp_path: Path) -> Path:
    path = tmp_path / "rich.journal"
    write_rich_study(path)
    return path


@pytest.fixture(params=["journal", "sqlite"])
def dest(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "copy.journal") if request.param == "journal" else f"sqlite:///{tmp_path}/copy.db"


def storage_at(place: str) -> Any:
    return optuna.storages.RDBStorage(place) if "://" in place else journaltune.storage(place)


def test_everything_is_the_same_after_the_round_trip(rich: Path, dest: str, tmp_path: Path) -> None:
    copied = copy_study(str(rich), None, dest)
    assert (copied.study, copied.n_trials, copied.n_running) == ("rich", 17, 1)
    original = facts(journaltune.storage(rich))
    assert len(original["trials"]) == 17
    assert facts(storage_at(dest)) == original
    back = tmp_path / "back.journal"
    copy_study(dest, "rich", str(back))
    assert facts(journaltune.storage(back)) == original
    studies = [journaltune.load_study(path) for path in (rich, back)]
    ours = [[(each.number, each.seed, each.params, each.constraints) for each in study.trials] for study in studies]
    assert ours[0] == ours[1]
    assert studies[0]._study.config == studies[1]._study.config
    assert studies[0].best_trial.number == studies[1].best_trial.number


def test_a_search_that_goes_on_in_the_copy_suggests_the_same(rich: Path, dest: str, tmp_path: Path) -> None:
    copy_study(str(rich), None, dest)
    copy_study(dest, None, str(tmp_path / "back.journal"))
    first, second = (journaltune.load_study(path) for path in (rich, tmp_path / "back.journal"))
    assert [first.ask().params for _ in range(3)] == [second.ask().params for _ in range(3)]


def test_a_study_of_optunas_becomes_one_without_settings(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/theirs.db"
    optuna.create_study(storage=url, study_name="theirs").optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)
    copy_study(url, None, str(tmp_path / "ours.journal"))
    study = journaltune.load_study(tmp_path / "ours.journal")
    assert not study._study.is_ours
    assert facts(storage_at(str(tmp_path / "ours.journal")), "theirs") == facts(storage_at(url), "theirs")


def test_a_study_that_is_there_is_not_touched(rich: Path, dest: str) -> None:
    copy_study(str(rich), None, dest)
    before = facts(storage_at(dest))
    with pytest.raises(ConflictError, match="already"):
        copy_study(str(rich), None, dest)
    assert facts(storage_at(dest)) == before


def test_a_copy_that_fails_is_taken_back(rich: Path, dest: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = type(storage_at(dest))
    set_attr = kind.set_study_user_attr

    def full(self: Any, *_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(kind, "set_study_user_attr", full)
    with pytest.raises(OSError, match="No space"):
        copy_study(str(rich), None, dest)
    monkeypatch.setattr(kind, "set_study_user_attr", set_attr)
    assert storage_at(dest).get_all_studies() == []
    copy_study(str(rich), None, dest)


def test_a_copy_that_was_killed_is_made_anew(rich: Path, dest: str, monkeypatch: pytest.MonkeyPatch) -> None:
    child = os.fork()
    if child == 0:
        vars(copies)["_write_trials"] = lambda *_: os._exit(9)
        copy_study(str(rich), None, dest)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert [study.study_name for study in storage_at(dest).get_all_studies()] == ["rich"]
    copy_study(str(rich), None, dest)
    assert facts(storage_at(dest)) == facts(journaltune.storage(rich))


def test_places_that_can_not_be_used_are_named(rich: Path, tmp_path: Path) -> None:
    (tmp_path / "no.db").write_text("no database " * 100, encoding="utf-8")
    link = tmp_path / "link.journal"
    link.symlink_to(rich)
    for dest, kind, said in (
        (f"sqlite:///{tmp_path}/no.db", MachineError, "no.db"),
        ("nosuchdb://host/x", MachineError, "nosuchdb"),
        ("mysql://host/x", UsageError, "driver"),
        (str(rich), ConflictError, "itself"),
        (str(link), ConflictError, "itself"),
    ):
        with pytest.raises(kind, match=said):
            copy_study(str(rich), None, dest)
    with pytest.raises(NotFoundError, match=r"missing\.db"):
        copy_study(f"sqlite:///{tmp_path}/missing.db", None, str(tmp_path / "x.journal"))
    assert not (tmp_path / "missing.db").exists()
    copy_study(str(rich), None, f"sqlite:///{tmp_path}/copy.db")
    with pytest.raises(NotFoundError, match="'rich'"):
        copy_study(f"sqlite:///{tmp_path}/copy.db", "poor", str(tmp_path / "x.journal"))
