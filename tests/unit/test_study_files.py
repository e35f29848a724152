"""A study file holds a whole study: `create` and `run` take all of it, and what a call says wins."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import forked
import pytest

from journaltune import create_study, load_study
from journaltune.base.errors import SpaceError
from journaltune.space import load_space_file
from journaltune.space.yaml_reader import read_yaml
from journaltune.study.settings import SETTINGS
from journaltune.study.study_file import KEYS, load

FILE = """
params:
  lr: log(1e-5, 1e-1)
  layers: int(1, 8)
  opt: [adam, sgd]
maximize: [accuracy, gain]
minimize: seconds
sampler: tpe
sampler_options: {multivariate: yes, n_startup_trials: 3}
seed: 42
trials: 100
failures: ignore
duplicates: reuse
replicates: 2
lag: 4
attempts: 5
start: [{lr: 1e-3, opt: adam}, {lr: 1e-4}]
command: ./train --lr {lr} '--opt={opt}' {layers}
"""
ONE = "params: {x: 'float(0, 1)', opt: a | b}\nminimize: loss\nseed: 1\nstart: [{x: 0.5}, {x: 0.25, opt: b}]\n"
Call = Callable[..., tuple[int, str, str]]


def written(folder: Path, content: str, name: str = "study.yaml") -> str:
    path = folder / name
    path.write_text(content)
    return str(path)


def test_all_of_a_study_file_is_read(tmp_path: Path) -> None:
    found = load(written(tmp_path, FILE))
    assert list(found.params) == ["lr", "layers", "opt"]
    assert found.start == ({"lr": 0.001, "opt": "adam"}, {"lr": 0.0001})
    assert found.settings == {
        "directions": ("maximize", "maximize", "minimize"),
        "objectives": ("accuracy", "gain", "seconds"),
        "sampler": "tpe",
        "sampler_options": {"multivariate": True, "n_startup_trials": 3},
        "seed": 42,
        "trials": 100,
        "failures": "ignore",
        "duplicates": "reuse",
        "replicates": 2,
        "lag": 4,
        "attempts": 5,
        "command": "./train --lr {lr} '--opt={opt}' {layers}",
    }


def test_every_setting_with_an_option_is_a_key() -> None:
    assert {name for name, setting in SETTINGS.items() if setting.option} <= set(KEYS)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("seed: '42'", "seed is the text '42'; write a whole number"),
        ("seed: true", "seed is True; write a whole number"),
        ("seed: -1", "seed: a seed is an integer from 0"),
        ("trials: 1.5", "trials is 1.5; write a whole number"),
        ("sampler: 5", "sampler is 5; write text"),
        ("sampler_options: [1]", "sampler_options is a list; write a mapping"),
        ("failures: bad", "failures: failures is one of worst, ignore, not 'bad'"),
        ("lag: 0", "lag: a lag is at least 1"),
        ("command: 5", "command is 5; write a list of words, or a line"),
        ("command: ''", "command: the command is empty"),
        ("minimize: false", "minimize is False; write an objective's name"),
        ("minimize: []", "minimize is a list; write an objective's name, a list of names, or true"),
        ("maximize: {loss: 1}", "maximize is a dict; write an objective's name"),
        ("start: {x: 1}", "start is a dict; write a list of parameters"),
        ("start: [5]", "start is 5; write parameters by name"),
        ("require: {a: b}", "require is a dict; write a list of expressions"),
        ("require: [5]", "require is 5; write an expression as text"),
        ("samplr: tpe", "samplr is not a part of a space file; did you mean sampler?"),
        ("space: {a: b}", "space is not a part of a space file"),
        ("run: {jobs: 4}", "run is not a part of a space file"),
    ],
)
def test_a_wrong_key_or_type_is_refused_by_name(tmp_path: Path, line: str, message: str) -> None:
    path = written(tmp_path, f"params: {{x: 'float(0, 1)'}}\n{line}\n")
    with pytest.raises(SpaceError) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)


def test_the_space_of_a_study_file_alone(tmp_path: Path) -> None:
    assert list(load_space_file(written(tmp_path, FILE)).distributions) == ["lr", "layers", "opt"]


def test_create_takes_all_of_it_and_the_call_wins(call: Call, tmp_path: Path) -> None:
    written(tmp_path, FILE)
    code, _, err = call("create", "--space", "study.yaml", "--seed", "7", "--minimize", "loss", "--sampler", "random")
    assert (code, err) == (0, "journaltune: create: configurations of the file that are asked first: 2\n")
    study = load_study(tmp_path / "study.journal")
    assert (study.seed, study.directions, study.metric_names) == (7, ("minimize",), ["loss"])
    config = study._study.config
    assert (config["sampler"], config["sampler_options"], config["lag"], config["trials"]) == ("random", {}, 4, 100)
    assert config["command"] == ["./train", "--lr", "{lr}", "--opt={opt}", "{layers}"]


def test_the_first_configurations_are_queued_once(call: Call, tmp_path: Path) -> None:
    written(tmp_path, ONE)
    assert call("create", "--space", "study.yaml")[0] == 0
    assert call("create", "--space", "study.yaml", "--exist-ok")[2] == ""
    written(tmp_path, ONE.replace("[{x: 0.5},", "[{x: 0.5}, {x: 0.75}, {x: 0.5},"))
    assert "asked first: 2" in call("create", "--space", "study.yaml", "--exist-ok")[2]
    study = load_study(tmp_path / "study.journal")
    queued = [trial.system_attrs["fixed_params"] for trial in study.trials]
    assert queued == [{"x": 0.5}, {"x": 0.25, "opt": "b"}, {"x": 0.75}, {"x": 0.5}]
    assert study.ask().params["x"] == 0.5


def test_a_wrong_first_configuration_makes_no_study(call: Call, tmp_path: Path) -> None:
    written(tmp_path, ONE.replace("x: 0.25", "x: 25"))
    code, out, err = call("create", "--space", "study.yaml")
    assert (code, out) == (2, "")
    assert "start, configuration 2: x: 25 is not allowed" in err
    assert not (tmp_path / "study.journal").exists()


def test_run_takes_command_budget_and_first_configurations_of_a_file(tmp_path: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[bytes]:
        """In a process of its own: what it does with signals stays, as its process ends with it."""
        return forked.call(["run", "--space", "study.yaml", *arguments], tmp_path, os.environ)

    command = """command: ["sh", "-c", "echo {x}; : {opt}"]\ntrials: 3\n"""
    written(tmp_path, ONE + command)
    for _ in range(2):
        assert run("--no-progress").returncode == 0
        study = load_study(tmp_path / "study.journal")
        assert [trial.values for trial in study.trials[:2]] == [[0.5], [0.25]]
        assert len(study.trials) == 3
    written(tmp_path, ONE.replace("seed: 1", "seed: 2") + command)
    assert b"has 1 as its seed, not 2" in run().stderr


def test_space_prints_what_was_understood(call: Call, tmp_path: Path) -> None:
    code, out, err = call("space", written(tmp_path, ONE))
    assert (code, err) == (0, "")
    assert [line for line in out.splitlines() if not line.startswith("points")] == [
        "x: float(0.0, 1.0)",
        "opt: a | b",
        "minimize: loss",
        "seed: 1",
        'start: {"x": 0.5}',
        'start: {"x": 0.25, "opt": "b"}',
    ]
    shown: dict[str, Any] = json.loads(call("space", "--format", "json", "study.yaml")[1])
    assert shown["params"] == {"x": "float(0.0, 1.0)", "opt": "a | b"}
    assert (shown["minimize"], shown["seed"], shown["start"]) == ("loss", 1, [{"x": 0.5}, {"x": 0.25, "opt": "b"}])
    assert not (tmp_path / "study.journal").exists()


def test_space_names_what_is_not_taken_and_all_that_is_refused(call: Call, tmp_path: Path) -> None:
    content = "method: bayes\nparameters: {a: {values: 1}, b: {min: 0, max: 1}, c: {distribution: beta}}"
    code, out, err = call("space", written(tmp_path, content))
    assert (code, out.splitlines()[0]) == (2, "b: int(0, 1)")
    assert err.splitlines() == [
        "journaltune: space: method: not taken (nothing of the search)",
        "journaltune: space: refused: a: the values are 1; write a list such as [a, b]",
        "journaltune: space: refused: c: the distribution beta can't be kept; take uniform, log_uniform_values, normal or "
        "log_normal",
    ]
    assert call("create", "--space", "study.yaml")[0] == 2


def test_notes_of_a_foreign_file_are_said_when_a_study_is_made_of_it(call: Call, tmp_path: Path) -> None:
    written(tmp_path, "program: a.py\nmetric: {name: acc, goal: maximize}\nparameters: {b: {min: 0, max: 1}}")
    assert call("create", "--space", "study.yaml")[2] == "journaltune: create: program: not taken (nothing of the search)\n"
    assert load_study(tmp_path / "study.journal").metric_names == ["acc"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("!!float 1e-3", 0.001),
        ("!!str 5", "5"),
        ("!!int '5'", 5),
        ("{a: [1, {b: c}], d: !!seq []}", {"a": [1, {"b": "c"}], "d": []}),
        ("", None),
    ],
)
def test_yaml_as_plain_data(text: str, value: object) -> None:
    assert read_yaml(text) == value


@pytest.mark.parametrize("text", ["!!float x", "!!int 1.5", "{*a : 1}", "!!binary aGk="])
def test_yaml_that_is_refused(text: str) -> None:
    with pytest.raises(SpaceError, match="line 1: "):
        read_yaml(text)


def test_a_file_as_large_as_auto_wekas_is_taken(tmp_path: Path) -> None:
    lines = [
        f"  classifier:__parameter_{number}__: {{type: float, low: 0.{number}1, high: {number + 1}}}" for number in range(2000)
    ]
    path = written(tmp_path, "\n".join(["params:", *lines]))
    assert Path(path).stat().st_size > 109_000
    assert len(load(path).params) == 2000


def test_create_study_takes_all_of_it_too(tmp_path: Path) -> None:
    path = written(tmp_path, FILE)
    study = create_study(tmp_path / "study.journal", space=path, seed=7, metric_names=["a", "b", "c"])
    assert (study.seed, study.directions, study.metric_names) == (7, ("maximize", "maximize", "minimize"), ["a", "b", "c"])
    assert [trial.system_attrs["fixed_params"] for trial in study.trials] == [{"lr": 0.001, "opt": "adam"}, {"lr": 0.0001}]
    assert study._study.config["lag"] == 4
    space = load_space_file(path)
    assert create_study(tmp_path / "b.journal", params=space)._study.space == space
    with pytest.raises(SpaceError, match="samplr is not a part of a space file"):
        create_study(tmp_path / "c.journal", space=written(tmp_path, "params: {x: [1, 2]}\nsamplr: tpe", "wrong.yaml"))
    assert not (tmp_path / "c.journal").exists()
