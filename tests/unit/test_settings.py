"""The table of a study's settings: a new one is a row, and every face of the program takes it from there."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import journaltune.cli.create  # noqa: F401  # so that the import that saw a test's rows is undone with them
from journaltune import UsageError, create_study, load_study
from journaltune.base import checks
from journaltune.cli import main
from journaltune.engine.create import create
from journaltune.journal import records
from journaltune.study.settings import SETTINGS, Setting

NEW = (
    Setting(
        "calm",
        int,
        lambda given: checks.at_least(1, given, "calm", "stop after one trial"),
        default=9,
        status="calm {}",
        option="--calm",
        metavar="N",
        help="stop once N trials brought nothing better",
        least=1,
    ),
    Setting("goal", float, lambda given: checks.number(given, "a goal"), None, False, "goal {}", False, "--goal", "V", "t"),
    Setting("hints", dict, dict, {}, status="", option="--hint", metavar="KEY=JSON", help="p"),
    Setting("needs", list, list, [], status="", option="--need", metavar="EXPR", help="r"),
    Setting("stop", str, str, "never", option="--stop", metavar="never|soon", help="s", words=("never", "soon")),
)
Run = Callable[..., str]


@pytest.fixture
def new(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings that the program does not have: five rows of the table, one of each kind."""
    for setting in NEW:
        monkeypatch.setitem(SETTINGS, setting.name, setting)
    monkeypatch.delitem(sys.modules, "journaltune.cli.create")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in a folder of its own: what it prints, or the line with which it refuses."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> str:
        code = main(arguments)
        printed = capsys.readouterr()
        assert (code == 0) == (printed.err == "")
        return printed.err or printed.out

    return run


GIVEN = ["--calm", "3", "--goal", "0.5", "--hint", "a=1", "--hint", "b=[2]", "--need", "x", "--need", "y < 1"]
VALUES = {"calm": 3, "goal": 0.5, "hints": {"a": 1, "b": [2]}, "needs": ["x", "y < 1"], "stop": "soon"}


@pytest.mark.usefixtures("new")
def test_a_row_makes_an_option_a_setting_of_the_study_and_a_part_of_its_status(run: Run) -> None:
    run("create", "--param", "x: float(0, 1)", *GIVEN, "--stop", "soon")
    study = load_study("study.journal")._study
    assert {name: study.setting(name) for name in VALUES} == VALUES
    assert study.config.items() >= VALUES.items()
    status = json.loads(run("status", "--format", "json"))
    assert [status.get(name, "not shown") for name in VALUES] == [3, 0.5, {"a": 1, "b": [2]}, ["x", "y < 1"], "not shown"]
    assert f"sampler    auto, seed {study.seed}, calm 3, goal 0.5\n" in run("status")


@pytest.mark.usefixtures("new")
def test_the_help_shows_the_option_of_a_row(run: Run) -> None:
    page = run("create", "--help")
    assert "  --calm N                  stop once N trials brought nothing better\n" in page
    assert "  --need EXPR               r; repeatable\n" in page


@pytest.mark.usefixtures("new")
def test_what_an_option_takes_follows_from_the_row(run: Run) -> None:
    for option, text, reason in (
        ("--calm", "0", "must be a whole number of at least 1"),
        ("--goal", "low", "must be a number"),
        ("--hint", "a", "must be KEY=JSON"),
        ("--stop", "son", "must be one of never, soon, not 'son'; did you mean soon?"),
    ):
        assert f"create: {option} {reason}" in run("create", "--param", "x: float(0, 1)", option, text)
    assert "--hint is given twice for 'a'" in run("create", "--param", "x: 1|2", "--hint", "a=1", "--hint", "a=2")


@pytest.mark.usefixtures("new")
def test_the_default_of_a_row_is_what_older_studies_have(path: Path, run: Run) -> None:
    run("create", "-f", str(path), "--param", "x: float(0, 1)")
    study = load_study(path)._study
    assert {name: study.setting(name) for name in VALUES} == {setting.name: setting.default for setting in NEW}
    assert not study.config.keys() & VALUES.keys()
    assert "calm" not in run("status", "-f", str(path))


@pytest.mark.usefixtures("new")
def test_the_engine_checks_a_row_and_lays_it_over_what_a_study_has(path: Path) -> None:
    create_study(path, params={"x": "float(0, 1)"}, seed=7)
    with pytest.raises(UsageError, match="calm is at least 1"):
        create(path, calm=0, exist_ok=True)
    study = create(path, calm=4, exist_ok=True)
    assert (study.setting("calm"), study.seed) == (4, 7)


@pytest.mark.usefixtures("new")
def test_a_damaged_record_of_a_row_is_named_with_the_option_that_replaces_it(path: Path) -> None:
    study = create(path, calm=4)
    with study.journal.locked():
        attr = {records.CONFIG_ATTR: {**study.config, "calm": "4"}}
        study.journal.append([records.study_record(records.SET_STUDY_SYSTEM_ATTR, 0, system_attr=attr)])
    with pytest.raises(UsageError, match=r"has '4' as its calm, .* and --calm"):
        study.setting("calm")
    assert create(path, seed=1, exist_ok=True).setting("calm") == 9


OF_RUN = ("command", "trials", "run")  # what the command `run` goes on with, and nobody else gives


def test_every_setting_is_a_parameter_of_the_python_face() -> None:
    missing = SETTINGS.keys() - inspect.signature(create_study).parameters.keys()
    assert missing == {"objectives", *OF_RUN}, "objectives have directions only there, no names"


def test_what_the_python_face_is_given_reaches_the_study(path: Path, tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.write_text("x==1\n")
    given: dict[str, Any] = {
        "sampler": "random",
        "pruner": "percentile",
        "pruner_options": {"percentile": 25},
        "target": 0.5,
        "patience": 4,
        "seed": 5,
        "lag": 2,
        "duplicates": "reuse",
        "replicates": 3,
        "failures": "ignore",
        "attempts": 5,
        "lock_file": str(lock),
        "record": ["optuna"],
        "record_file": [str(lock)],
    }
    study = create_study(path, params={"x": "float(0, 1)"}, **given)._study
    assert {name: study.setting(name) for name in given} == given
    others = {"space", "objectives", "sampler_options", "all_studies", "min_gain", *OF_RUN}
    assert SETTINGS.keys() - given.keys() == others
    study = create_study(path, study_name="all", params={"x": "float(0, 1)"}, duplicates="reuse", all_studies=True)._study
    assert study.all_studies
    study = create_study(path, study_name="model", params={"x": "float(0, 1)"}, min_gain=0.25)._study
    assert study.setting("min_gain") == 0.25


def test_no_setting_hides_another_fact_of_the_status(run: Run) -> None:
    run("create", "--param", "x: float(0, 1)")
    shown = {name for name, setting in SETTINGS.items() if setting.status is not None}
    facts = {"study", "directions", "objectives", "trials", "running", "best", "no_best", "user_attrs", "environment", "journal"}
    facts |= {"size_bytes", "locks", "recommended", "expected_gain", "space", "require", "withdrawn", "hypervolume", "reference"}
    assert json.loads(run("status", "--format", "json")).keys() == facts | shown
    assert not facts & shown


def test_every_option_of_a_row_says_what_it_takes_and_does() -> None:
    for setting in SETTINGS.values():
        assert bool(setting.option) == bool(setting.metavar or setting.kind is bool) == bool(setting.help)
        assert setting.default is None or isinstance(setting.default, setting.kind)


def test_status_says_where_suggestions_take_longer_than_trials(run: Run) -> None:
    """Only where a Gaussian process suggests, and has something to suggest from."""
    short = "sampler tpe is faster (journaltune create --exist-ok --sampler tpe)"
    study = create_study("study.journal", params={"x": "float(0, 1)"}, seed=1)
    assert short not in run("status")
    for _ in range(11):
        study.tell(study.ask(), 1.0)
    assert short in run("status")
    create_study("study.journal", sampler="tpe", exist_ok=True)
    assert short not in run("status")
