"""Studies that are made of files: what is asked is what the file's own tool would ask; and past trials on conditional spaces."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from journaltune import create_study, load_study
from journaltune.api.study import Study

Call = Callable[..., tuple[int, str, str]]
CONDITIONAL = {
    "opt": "adam | sgd",
    "momentum": "float(0, 0.99) if opt == sgd",
    "size": "ordered(16, 32, 64)",
    "net": "choice(tiny=[64], small=[64, 64])",
    "order": "permutation(a, b, c)",
    "mix": "simplex(x, y)",
    "width": "= size * 2",
}


def made(folder: Path, name: str, content: str) -> Study:
    path = folder / name
    path.write_text(content)
    return create_study(folder / "study.journal", space=path, seed=1, sampler="random", exist_ok=True)


def asked(study: Study, n_trials: int = 200) -> list[dict[str, Any]]:
    """The parameters of many trials, each of which is told."""
    found = []
    for _ in range(n_trials):
        trial = study.ask()
        found.append(dict(trial.params))
        study.tell(trial, 1.0)
    return found


def test_a_sweep_of_weights_and_biases(tmp_path: Path) -> None:
    content = """
metric: {name: val/loss}
parameters:
  batch_size: {values: [32, 64, 128]}
  layers: {values: [[64], [64, 64]]}
  epochs: {value: 27}
  betas: {value: [0.9, 0.99]}
  name: {value: adam}
  amp: {value: True}
  none: {value: null}
  width: {distribution: q_uniform, min: 32, max: 256, q: 32}
  noise: {distribution: normal, mu: 5, sigma: 0.01}
"""
    found = asked(made(tmp_path, "s.yaml", content))
    assert {params["batch_size"] for params in found} == {32, 64, 128}
    assert {json.dumps(params["layers"]) for params in found} == {"[64]", "[64, 64]"}
    assert {params["width"] for params in found} == set(range(32, 257, 32))
    assert all(4 < params["noise"] < 6 for params in found)
    constants = {"epochs": 27, "betas": [0.9, 0.99], "name": "adam", "amp": True, "none": None}
    assert all({name: params[name] for name in constants} == constants for params in found)


def test_nested_options_of_nni(tmp_path: Path) -> None:
    content = """
{"conv": {"_type": "choice", "_value": [{"_name": "none"}, {"_name": "sep", "kernel": {"_type": "choice", "_value": [3, 5]},
    "pad": {"_type": "choice", "_value": [{"_name": "on-edge", "fill": {"_type": "uniform", "_value": [0, 1]}}, "off"]}}]},
 "none": {"_type": "randint", "_value": [1, 3]}}
"""
    found = asked(made(tmp_path, "s.json", content))
    shapes = {tuple(params) for params in found}
    assert shapes == {
        ("conv", "none"),
        ("conv", "conv.kernel", "conv.pad", "none"),
        ("conv", "conv.kernel", "conv.pad", "conv.pad.fill", "none"),
    }
    assert all(("conv.kernel" in params) == (params["conv"] == "sep") for params in found)
    assert all(("conv.pad.fill" in params) == (params.get("conv.pad") == "on-edge") for params in found)


def test_conditions_and_forbidden_clauses_of_smac(tmp_path: Path) -> None:
    content = """
algo {greedy, anneal, tabu} [greedy]
temp-start [1.0, 500.0] [100.0]l
restart:after {never, 10, 100} [never]
tabu@len [1, 50] [7]i
min {1, 2} [1]
temp-start | algo in {anneal, tabu}
temp-start | restart:after in {never, 10}
tabu@len | algo in {tabu}
{algo=tabu, restart:after=10}
{tabu@len=7, min=2}
"""
    study = made(tmp_path, "s.pcs", content)
    found = asked(study, 200)
    assert found[0] == {"algo": "greedy", "restart:after": "never", "min": 1}
    for params in found:
        has_temperature = params["algo"] in ("anneal", "tabu") and params["restart:after"] in ("never", 10)
        assert ("temp-start" in params) == has_temperature
        assert ("tabu@len" in params) == (params["algo"] == "tabu")
        assert (params["algo"], params["restart:after"]) != ("tabu", 10)
        assert (params.get("tabu@len"), params["min"]) != (7, 2)
    assert {params["restart:after"] for params in found} == {"never", 10, 100}
    assert study.verify().difference is None


def test_a_study_file_with_conditions_and_constraints(tmp_path: Path) -> None:
    content = """
params:
  opt: [adam, sgd]
  momentum: float(0, 0.99) if opt == sgd
  layers: int(1, 8)
  width: ordered(16, 32, 64, 128)
  cells: = layers * width
require:
  - layers * width <= 256
start: [{opt: adam, momentum: null, layers: 2}, {opt: sgd, momentum: 0.5}]
"""
    found = asked(made(tmp_path, "s.yaml", content))
    assert (found[0]["opt"], found[0]["layers"], found[1]["momentum"]) == ("adam", 2, 0.5)
    assert "momentum" not in found[0]
    assert all(params["layers"] * params["width"] == params["cells"] <= 256 for params in found)


def test_space_counts_the_points(call: Call, tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("params:\n  a: [x, y]\n  b: int(1, 3) if a == x\nrequire: [b != 2]\n")
    code, out, err = call("space", "s.yaml")
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == "points: 3"
    assert json.loads(call("space", "--format", "json", "s.yaml")[1])["points"] == 3
    (tmp_path / "s.yaml").write_text("params: {a: 'float(0, 1)'}\n")
    assert call("space", "s.yaml")[1].splitlines()[-1] == "points: not finite, or too many to count"


def conditional(path: Path) -> Study:
    return create_study(path, params=CONDITIONAL, seed=1, sampler="random", metric_names=["loss"])


@pytest.mark.parametrize("form", ["csv", "jsonl", "journal"])
def test_trials_of_every_kind_of_parameter_come_back(call: Call, tmp_path: Path, form: str) -> None:
    old = conditional(tmp_path / "old.journal")
    asked(old, 20)
    source = "old.journal"
    if form != "journal":
        source = f"old.{form}"
        Path(source).write_text(call("trials", "-f", "old.journal", "--format", form)[1])
    conditional(tmp_path / "study.journal")
    assert call("import", source) == (0, '{"imported": 20, "known": 0, "unfinished": 0, "refused": 0}\n', "")
    assert [trial.params for trial in load_study(tmp_path / "study.journal").trials] == [trial.params for trial in old.trials]
    assert json.loads(call("import", source)[1])["known"] == 20


def test_the_columns_that_other_programs_show_are_taken(tmp_path: Path) -> None:
    old = conditional(tmp_path / "old.journal")
    asked(old, 20)
    storage = JournalStorage(JournalFileBackend(str(tmp_path / "old.journal")))
    theirs = optuna.load_study(study_name="old", storage=storage).trials
    rows = [{"params": trial.params, "value": trial.value} for trial in theirs]
    assert any("order.0" in row["params"] for row in rows)
    path = tmp_path / "t.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    study = conditional(tmp_path / "study.journal")
    assert study.import_trials(str(path)).refused == ()
    assert [trial.params for trial in study.trials] == [trial.params for trial in old.trials]
    path.write_text(
        '{"params": {"opt": "adam", "momentum": 0.5, "order.0": 1}, "value": 1}\n{"params": {"opt": "adam", "odd": 1}}\n'
    )
    assert [line.partition(":")[0] for line in study.import_trials(str(path)).refused] == ["line 1", "line 2"]


def test_rows_with_absent_parameters_are_queued(call: Call, tmp_path: Path) -> None:
    study = conditional(tmp_path / "study.journal")
    (tmp_path / "q.jsonl").write_text('{"opt": "adam", "momentum": null, "size": 32}\n{"opt": "sgd", "momentum": 0.5}\n')
    assert call("enqueue", "--file", "q.jsonl")[0] == 0
    (tmp_path / "q.csv").write_text('opt,momentum,size,net,order\nadam,,64,tiny,"[""c"", ""a"", ""b""]"\n')
    assert call("enqueue", "--file", "q.csv") == (0, '{"number": 2}\n', "")
    assert call("enqueue", "--params", '{"opt": "adam", "momentum": null}')[0] == 0
    (tmp_path / "q.jsonl").write_text('{"opt": "adam", "momentum": 0.5}\n{"opt": "sgd", "momentum": null}\n')
    code, out, err = call("enqueue", "--file", "q.jsonl")
    assert (code, out) == (2, "")
    assert [line.split(": ")[2] for line in err.splitlines()[:2]] == ["line 1", "line 2"]
    first, second, third, _ = (study.ask().params for _ in range(4))
    assert (first["opt"], first["size"], "momentum" in first) == ("adam", 32, False)
    assert (second["opt"], second["momentum"]) == ("sgd", 0.5)
    assert (third["size"], third["order"]) == (64, ["c", "a", "b"])


def test_a_space_as_large_as_auto_wekas_is_opened(tmp_path: Path) -> None:
    """786 parameters, and conditions with 1,176 comparisons."""
    names = [f"a_hyperparameter_of_one_classifier_{number:04d}" for number in range(786)]
    lines = ["params:"]
    for number, name in enumerate(names):
        spec = ("float(0.001, 1)", "int(1, 100)", "a | b | c", "log(1e-5, 1e-1)")[number % 4]
        parent, other = names[number // 4 * 4 - 2], names[number // 40 * 4 + 2]
        condition = "" if number % 4 == 2 or number < 8 else f" if {parent} != {'abc'[number % 3]} and {other} in (a, b)"
        lines.append(f"  {name}: {spec}{condition}")
    lines += ["require:", f"  - {names[1]} + {names[5]} <= 150"]
    content = "\n".join(lines)
    assert len(content) > 100_000
    study = made(tmp_path, "s.yaml", content)
    params = study.ask().params
    assert 195 < len(params) < 786
    assert params[names[1]] + params[names[5]] <= 150
