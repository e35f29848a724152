"""Creating, opening, listing and deleting studies, and what `exist_ok` may change."""

from __future__ import annotations

import errno
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from journaltune import create_study, load_study
from journaltune.base.errors import (
    ConflictError,
    JournaltuneError,
    LockTimeoutError,
    MachineError,
    NotFoundError,
    SpaceError,
    UsageError,
)
from journaltune.engine.create import create, delete
from journaltune.journal import records
from journaltune.space import space_from_params
from journaltune.study.studies import list_studies

X = {"x": "float(0, 1)"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "study.journal"


def storage(path: Path) -> JournalStorage:
    return JournalStorage(JournalFileBackend(str(path)))


def refused(path: Path, error: type[JournaltuneError], **options: Any) -> JournaltuneError:
    before = path.read_bytes() if path.exists() else None
    with pytest.raises(error) as caught:
        create_study(path, **{"params": X, **options})
    assert (path.read_bytes() if path.exists() else None) == before
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("file", "name"), [("study.journal", "study"), ("digits.v2.journal", "digits"), ("plain", "plain"), (".hidden", "study")]
)
def test_a_study_without_a_name_is_called_after_the_file(tmp_path: Path, file: str, name: str) -> None:
    assert create_study(tmp_path / file, params=X).study_name == name
    assert load_study(tmp_path / file).study_name == name


def test_a_study_can_be_opened_by_any_path_that_leads_to_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    study = create_study("study.journal", params=X, seed=1)
    (path.parent / "sub").mkdir()
    (path.parent / "link").symlink_to(path)
    monkeypatch.chdir("sub")
    numbers = [load_study(found).ask().number for found in ("../study.journal", str(path), path, "../link")]
    assert [study.ask().number, *numbers] == [4, 0, 1, 2, 3]


def test_a_second_study_of_that_name_is_a_conflict(path: Path) -> None:
    create_study(path, params=X)
    error = refused(path, ConflictError, seed=3)
    assert error.exit_code == 4
    assert "--exist-ok" in str(error)


def test_exist_ok_writes_nothing_where_nothing_differs(path: Path) -> None:
    first = create_study(path, params=X, seed=1, sampler="random", directions="maximize", failures="ignore")
    before = path.read_bytes()
    for options in ({}, {"params": X}, {"seed": 1, "sampler": "random"}, {"directions": ["maximize"]}, {"failures": "ignore"}):
        again = create_study(path, exist_ok=True, **options)
        assert (again.seed, again.directions) == (1, ("maximize",))
    assert path.read_bytes() == before
    assert first.ask().params == create_study(path.with_name("b"), params=X, seed=1, sampler="random").ask().params


def test_exist_ok_makes_what_is_missing(path: Path) -> None:
    assert create_study(path, params=X, exist_ok=True).ask().number == 0


@pytest.mark.parametrize("directions", ["maximize", ["minimize", "minimize"]])
def test_directions_can_not_change(path: Path, directions: Any) -> None:
    create_study(path, params=X)
    assert "directions" in str(refused(path, ConflictError, directions=directions, exist_ok=True))


def test_exist_ok_lays_what_is_given_over_what_is_there(path: Path) -> None:
    study = create_study(path, params=X, seed=1, sampler="tpe", sampler_options={"n_startup_trials": 5})
    study.tell(study.ask(), 1.0)
    create_study(path, params={"x": "float(0, 1)", "y": "a | b"}, exist_ok=True)
    assert (study.ask().params.keys(), study.seed) == ({"x", "y"}, 1)
    assert study._study.config["sampler_options"] == {"n_startup_trials": 5}
    create_study(path, failures="ignore", exist_ok=True)
    assert (study.counts()["running"], study._study.failures) == (1, "ignore")
    assert study._study.space == space_from_params({"x": "float(0, 1)", "y": "a | b"})


def test_another_sampler_does_not_inherit_the_options_of_the_old_one(path: Path) -> None:
    study = create_study(path, params=X, sampler="tpe", sampler_options={"n_startup_trials": 5})
    create_study(path, sampler="random", exist_ok=True)
    assert study.ask().number == 0
    create_study(path, sampler="tpe", sampler_options={"n_startup_trials": 7}, exist_ok=True)
    assert study.ask().number == 1


def test_options_alone_are_checked_against_the_sampler_that_the_study_has(path: Path) -> None:
    study = create_study(path, params=X, sampler="optuna.TPESampler")
    create_study(path, sampler_options={"multivariate": True}, exist_ok=True)
    assert study.ask().number == 0
    refused(path, UsageError, sampler_options={"no_such": 1}, exist_ok=True)
    assert study.ask().number == 1


def test_a_study_that_stock_optuna_made_can_be_given_a_space(path: Path) -> None:
    stock = optuna.create_study(storage=storage(path), study_name="theirs", directions=["maximize"])
    stock.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)
    stock.set_user_attr("note", "kept")
    bare = load_study(path)
    assert (len(bare.trials), bare.directions) == (3, ("maximize",))
    with pytest.raises(SpaceError):
        bare.ask()
    given = create_study(path, study_name="theirs", params=X, exist_ok=True)
    assert (given.ask().number, bare.ask().number) == (3, 4)
    assert load_study(path).seed == given.seed == bare.seed
    given.tell(3, 100.0)
    stock = optuna.load_study(storage=storage(path), study_name="theirs")
    assert (stock.best_value, len(stock.trials), stock.user_attrs) == (100.0, 5, {"note": "kept"})
    assert stock.ask().suggest_float("x", 0, 1) <= 1


def test_a_drawn_seed_stays_what_it_is(path: Path) -> None:
    optuna.create_study(storage=storage(path), study_name="theirs")
    seeds = {create_study(path, study_name="theirs", params=X, exist_ok=True).seed for _ in range(3)}
    assert len(seeds) == 1


@pytest.mark.parametrize(
    "options",
    [
        {"sampler": "nsga"},
        {"sampler": "optuna.NoSampler"},
        {"sampler": "optuna.create_study"},
        {"sampler": ""},
        {"sampler": "tpe", "sampler_options": {"no_such": 1}},
        {"sampler": "tpe", "sampler_options": {"seed": 1}},
        {"sampler": "optuna.TPESampler", "sampler_options": {"seed": 1}},
        {"sampler": "optuna.TPESampler", "sampler_options": {"no_such": 1}},
        {"sampler": "optuna.RandomSampler", "sampler_options": {"n_startup_trials": 1}},
        {"sampler_options": {"n_startup_trials": 4}},
        {"sampler": "tpe", "sampler_options": {"n_startup_trials": "many"}},
        {"sampler": "tpe", "sampler_options": {"n_startup_trials": -1}},
        {"sampler_options": {"\ud800": 1}},
        {"seed": -1},
        {"seed": 2**63},
        {"seed": 1.0},
        {"seed": True},
        {"failures": "best"},
        {"directions": []},
        {"directions": "up"},
        {"directions": ["minimize", "up"]},
        {"study_name": ""},
        {"study_name": "\ud800"},
        {"study_name": 5},
        {"params": {}},
        {"params": {"x": "float(1, 0)"}},
        {"params": {"\ud800": "float(0, 1)"}},
        {"params": {"x": "a | \ud800"}},
        {"params": {"x": "1 | 123456789012345678901234567890"}},
        {"params": {"x": "int(0, 1000000000000000000000000000000)"}},
    ],
)
def test_what_is_wrong_is_refused_before_there_is_a_file(path: Path, options: dict[str, Any]) -> None:
    assert refused(path, UsageError, **options).exit_code == 2
    assert not path.exists()
    create_study(path, params=X, seed=1)
    refused(path, JournaltuneError, **{**options, "exist_ok": True})


def test_names_of_objectives_are_as_many_as_objectives(path: Path) -> None:
    for names, directions in ((["a", "b"], ["minimize"]), (["a"], ["minimize", "maximize"])):
        with pytest.raises(UsageError):
            create(path, objectives=names, directions=directions)
    study = create(path, objectives=["a", None], directions=["minimize", "maximize"])
    assert study.objective_names == ("a", None)


def test_a_full_disk_leaves_no_file_behind(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("journaltune.journal.system.write", full)
        assert refused(path, MachineError).exit_code == 7
    assert not path.exists()
    assert create_study(path, params=X).ask().number == 0


@pytest.mark.parametrize("name", ["create", "create --exist-ok", "enqueue", "delete"])
def test_what_is_acknowledged_was_flushed(path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    study = create_study(path, params=X)

    def failing(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    calls: dict[str, Callable[[], object]] = {
        "create": lambda: create_study(path, study_name="another", params=X),
        "create --exist-ok": lambda: create_study(path, seed=7, exist_ok=True),
        "enqueue": lambda: study.enqueue({"x": 0.5}),
        "delete": lambda: delete(path, "study"),
    }
    with monkeypatch.context() as patch:
        patch.setattr("journaltune.journal.system.fdatasync", failing)
        with pytest.raises(MachineError, match="in doubt"):
            calls[name]()
    assert list_studies(path) or name == "delete"


def test_a_create_that_fails_never_takes_away_what_another_one_made(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def meanwhile(name: str) -> None:
        monkeypatch.undo()
        try:
            made.append(create_study(path, params=X, lock_timeout_s=0).study_name)
        except LockTimeoutError:
            pass
        os.unlink(name)

    monkeypatch.setattr("journaltune.journal.system.unlink", meanwhile)
    with pytest.raises(UsageError):
        create_study(path, params=X, sampler="no such")
    monkeypatch.undo()
    assert [load_study(path).study_name for _ in made] == made


def test_a_place_that_is_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place, error in (
        (tmp_path, MachineError),
        (tmp_path / "file" / "study.journal", MachineError),
        (Path("/dev/full"), MachineError),
        (tmp_path / "no" / "such" / "folder", NotFoundError),
        (tmp_path / ("x" * 300), MachineError),
    ):
        with pytest.raises(error):
            create_study(place, params=X)
    assert sorted(found.name for found in tmp_path.iterdir()) == ["file"]


@pytest.mark.parametrize(
    ("place", "message"),
    [
        (":memory:", "':memory:' is no file, and a study is always one; name a file, in a temporary folder"),
        ("", "'' is no file"),
        ("sqlite:///a.db", "'sqlite:///a.db' is a URL, and a study is a file here; name one, such as study.journal"),
        ("postgresql+psycopg2://host/db", "is a URL"),
    ],
)
def test_the_name_of_a_database_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, message: str) -> None:
    monkeypatch.chdir(tmp_path)
    for exist_ok in (False, True):
        with pytest.raises(UsageError) as caught:
            create_study(place, params=X, exist_ok=exist_ok)
        assert str(caught.value).startswith(message) or message in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_named_with_the_command_that_makes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotFoundError, match=r"there is no folder a b/c for the journal; make it with `mkdir -p 'a b/c'`"):
        create_study("a b/c/s.journal", params=X)
    subprocess.run(["sh", "-c", "mkdir -p 'a b/c'"], check=True)
    assert create_study("a b/c/s.journal", params=X).ask().number == 0
    (tmp_path / "link").symlink_to(tmp_path / "gone" / "s.journal")
    with pytest.raises(NotFoundError, match=f"there is no folder {re.escape(str(tmp_path))}/gone "):
        create_study("link", params=X)


def test_unicode_names_are_read_by_every_program(tmp_path: Path) -> None:
    path = tmp_path / "größe 🌱.journal"
    study = create_study(path, study_name="größe\u2028 🌱", params={"größe": "ü | 'a b' | '🌱'"}, seed=1)
    asked = study.ask()
    study.tell(asked, 1.0, attrs={"ключ": "значение"})
    other = optuna.load_study(storage=storage(path), study_name="größe\u2028 🌱")
    assert other.trials[0].params == asked.params
    assert other.trials[0].user_attrs == {"ключ": "значение"}


class TestSeveralStudies:
    @pytest.fixture
    def shared(self, path: Path) -> Path:
        for seed, name in enumerate(("a", "b", "c")):
            create_study(path, study_name=name, params={name: "float(0, 1)"}, seed=seed)
        return path

    def test_without_a_name_they_are_named(self, shared: Path) -> None:
        with pytest.raises(UsageError, match="'a', 'b', 'c'"):
            load_study(shared)

    def test_numbers_and_results_are_each_their_own(self, shared: Path) -> None:
        studies = [load_study(shared, name) for name in "abc"]
        for number in range(3):
            for study in studies:
                trial = study.ask()
                assert (trial.number, list(trial.params)) == (number, [study.study_name])
                study.tell(trial, float(number))
        assert [len(study.trials) for study in studies] == [3, 3, 3]
        alone = create_study(shared.with_name("alone"), study_name="b", params={"b": "float(0, 1)"}, seed=1)
        for number, trial in enumerate(studies[1].trials):
            asked = alone.ask()
            assert asked.params == trial.params
            alone.tell(asked, float(number))

    def test_summaries_tell_each_study_apart(self, shared: Path) -> None:
        study = load_study(shared, "b")
        study.tell(study.ask(), 0.5)
        study.ask()
        found = {summary.name: summary for summary in list_studies(shared)}
        assert list(found) == ["a", "b", "c"]
        assert (found["b"].best_value, found["a"].best_value) == (0.5, None)
        assert (found["b"].counts["running"], found["b"].counts["complete"]) == (1, 1)
        assert (found["b"].sampler, found["b"].directions) == ("auto", ("minimize",))

    def test_a_deleted_study_is_gone_for_every_program_and_the_others_go_on(self, shared: Path) -> None:
        load_study(shared, "b").ask()
        delete(shared, "b")
        assert [summary.name for summary in list_studies(shared)] == ["a", "c"]
        assert optuna.get_all_study_names(storage(shared)) == ["a", "c"]
        with pytest.raises(NotFoundError, match="'a', 'c'"):
            load_study(shared, "b")
        with pytest.raises(NotFoundError):
            delete(shared, "b")
        assert load_study(shared, "c").ask().number == 0

    def test_when_all_are_deleted_there_is_none(self, shared: Path) -> None:
        for name in "abc":
            delete(shared, name)
        assert list_studies(shared) == []
        for name in (None, "a"):
            with pytest.raises(NotFoundError) as caught:
                load_study(shared, name)
            assert caught.value.exit_code == 3


@pytest.mark.parametrize("name", [None, "study"])
def test_a_missing_journal_is_named_and_not_made(path: Path, name: str | None) -> None:
    for call in (load_study, lambda *_: list_studies(path), lambda *_: delete(path, "study")):
        with pytest.raises(NotFoundError, match=r"there is no journal .*study\.journal; make one"):
            call(path, name)
    assert not path.exists()


@pytest.mark.parametrize(
    ("setting", "wrong"),
    [("seed", ""), ("sampler_options", 17), ("sampler", 5), ("space", []), ("failures", 0), ("lag", "1"), ("replicates", {})],
)
def test_a_setting_that_a_repair_kept_changed_is_named_and_can_be_replaced(path: Path, setting: str, wrong: object) -> None:
    create_study(path, params=X, seed=1, sampler="random")
    study = load_study(path)
    changed = {**(study._study.state().config or {}), setting: wrong}
    with study._study.journal.locked():
        attr = records.study_record(records.SET_STUDY_SYSTEM_ATTR, 0, system_attr={records.CONFIG_ATTR: changed})
        study._study.journal.append([attr])
    with pytest.raises(UsageError, match=f"has {re.escape(repr(wrong))} as its {setting}, .*create --exist-ok --study study"):
        load_study(path).ask()
    assert load_study(path).trials == []
    assert create_study(path, params=X, sampler="random", exist_ok=True).ask().number == 0


def test_what_is_no_configuration_at_all_counts_for_none(path: Path) -> None:
    create_study(path, params=X, seed=1)
    with path.open("ab") as file:
        file.write(b'{"op_code":3,"worker_id":"w","study_id":0,"system_attr":{"journaltune:config":5}}\n')
    with pytest.raises(SpaceError, match="no search space"):
        load_study(path).ask()
    assert create_study(path, params=X, exist_ok=True).ask().number == 0


def test_studies_that_will_try_the_same_are_named(path: Path) -> None:
    import warnings

    create_study(path, study_name="a", params={"x": "float(0, 1)"}, seed=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        create_study(path, study_name="b", params={"x": "float(0, 1)"}, seed=2)
        create_study(path, study_name="c", params={"x": "float(0, 2)"}, seed=1)
        create_study(path, study_name="e", params={"x": "float(0, 1)"}, seed=2, duplicates="reuse", all_studies=True)
        create_study(path, study_name="a", params={"x": "float(0, 1)"}, seed=1, exist_ok=True)
    with pytest.warns(UserWarning, match="study 'd' has the seed 1 and the space of 'a', so it tries the same"):
        create_study(path, study_name="d", params={"x": "float(0, 1)"}, seed=1)
