"""Files of other tools are read as these tools read them, in our grammar, or refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from journaltune.base.errors import SpaceError
from journaltune.space.files import read, whole
from journaltune.space.study_file import StudyFile

WANDB = """
program: train.py
method: bayes
metric: {name: val/loss, goal: minimize}
run_cap: 50
early_terminate: {type: hyperband, min_iter: 3}
parameters:
  optimizer.lr: {distribution: log_uniform_values, min: 1.0e-5, max: 0.1}
  batch_size: {values: [128, 32, 64]}
  dropout: {min: 0.0, max: 0.5}
  layers: {min: 1, max: 6}
  epochs: {value: 27}
  width: {distribution: q_uniform, min: 32, max: 256, q: 32}
  amp: {values: [True, false]}
  net: {parameters: {depth: {values: [a, b]}, act: {parameters: {slope: {min: 0.5, max: 1}}}}}
"""
HYDRA = """
defaults:
  - override hydra/sweeper: optuna
optimized_metric: val/acc
hydra:
  mode: MULTIRUN
  sweeper:
    _target_: hydra_plugins.hydra_optuna_sweeper.optuna_sweeper.OptunaSweeper
    direction: maximize
    storage: null
    n_trials: 40
    sampler: {_target_: optuna.samplers.TPESampler, seed: 7}
    search_space:
      wd: {type: float, low: 0.0, high: 1, step: 0.25}
    params:
      model.lr: tag(log, interval(0.0001, 0.2))
      model.depth: range(2, 9)
      model.act: choice(relu, gelu, "t,h")
      data.bs: 64
"""
NNI = """
{"lr": {"_type": "loguniform", "_value": [1e-5, 0.1]},
 "hidden": {"_type": "choice", "_value": [64, 128, 256]},
 "drop": {"_type": "quniform", "_value": [0.0, 0.6, 0.1]},
 "depth": {"_type": "randint", "_value": [1, 5]},
 "conv": {"_type": "choice", "_value": [{"_name": "none"}, {"_name": "sep", "kernel": {"_type": "choice", "_value": [3, 5]},
    "pad": {"_type": "choice", "_value": [{"_name": "on-edge", "fill": {"_type": "uniform", "_value": [0, 1]}}, "off"]}}]}}
"""
PCS = """
algo {greedy, anneal, tabu} [greedy]   # a comment
temp-start [1.0, 500.0] [100.0] log
steps [10, 1000] [100] i log
restart:after {never, 10, 100} [never]
tabu@len [1, 50] [7]il

Conditionals:
temp-start | algo in {anneal}
tabu@len | algo in {tabu, anneal}
tabu@len | restart:after in {10}

Forbidden:
{algo=tabu, restart:after=10}
"""
PCS_NEW = """
cat categorical {a, b, 07} [b]
size ordinal {small, mid, large} [mid]
n integer [1, 10] [3]
x real [1e-3, 2] [1.5] log
x | cat == a && n > 4 || size > small
n | size in {mid, large} || cat != b
{cat=07, n=4}
"""


def read_file(folder: Path, name: str, content: str) -> StudyFile:
    path = folder / name
    path.write_text(content)
    return read(str(path))


def test_a_sweep_of_weights_and_biases(tmp_path: Path) -> None:
    found = read_file(tmp_path, "sweep.yaml", WANDB)
    assert found.params == {
        "optimizer.lr": "log(1e-5, 0.1)",
        "batch_size": "ordered(32, 64, 128)",
        "dropout": "float(0, 0.5)",
        "layers": "int(1, 6)",
        "epochs": "= 27",
        "width": "float(32, 256, step=32)",
        "amp": "choice(true, false)",
        "net.depth": "choice(a, b)",
        "net.act.slope": "float(0.5, 1)",
    }
    assert found.settings == {"directions": ("minimize",), "objectives": ("val/loss",), "trials": 50}
    assert found.notes == ("program, method, early_terminate: not taken (nothing of the search)",)
    assert found.refused == found.require == found.start == ()


def test_a_file_of_hydras_optuna_sweeper(tmp_path: Path) -> None:
    found = read_file(tmp_path, "conf.yaml", HYDRA)
    assert found.params == {
        "wd": "float(0.0, 1, step=0.25)",
        "model.lr": "log(0.0001, 0.2)",
        "model.depth": "int(2, 8)",
        "model.act": 'choice(relu, gelu, "t,h")',
        "data.bs": "= 64",
    }
    assert found.settings == {"directions": ("maximize",), "trials": 40, "seed": 7}
    said = " ".join(found.notes)
    assert all(key in said for key in ("sampler._target_", "storage", "defaults", "optimized_metric", "hydra.mode"))


def test_a_search_space_of_nni(tmp_path: Path) -> None:
    assert read_file(tmp_path, "search_space.json", NNI).params == {
        "lr": "log(1e-5, 0.1)",
        "hidden": "ordered(64, 128, 256)",
        "drop": "float(0, 0.6, step=0.1)",
        "depth": "int(1, 4)",
        "conv": "choice(none, sep)",
        "conv.kernel": "ordered(3, 5) if conv == sep",
        "conv.pad": "choice(on-edge, off) if conv == sep",
        "conv.pad.fill": 'float(0, 1) if `conv.pad` == "on-edge"',
    }


def test_an_experiment_of_nni_says_direction_and_budget(tmp_path: Path) -> None:
    content = "searchSpace: {a: {_type: choice, _value: [x, y]}}\nmaxTrialNumber: 9\ntrialCommand: python a.py\n"
    found = read_file(tmp_path, "config.yml", content + "tuner: {name: TPE, classArgs: {optimize_mode: maximize}}")
    assert found.params == {"a": "choice(x, y)"}
    assert found.settings == {"trials": 9, "directions": ("maximize",)}
    assert found.notes == ("trialCommand, tuner: not taken (nothing of the search)",)


def test_options_of_a_choice_with_parameters_of_one_name(tmp_path: Path) -> None:
    inner = '{{"_name": "{}", "k": {{"_type": "randint", "_value": [1, {}]}}}}'
    content = f'{{"c": {{"_type": "choice", "_value": [{inner.format("a", 3)}, {inner.format("b", 2)}]}}}}'
    assert read_file(tmp_path, "s.json", content).params == {
        "c": "choice(a, b)",
        "c.a.k": "int(1, 2) if c == a",
        "c.b.k": "choice(1) if c == b",
    }


def test_a_parameter_file_of_smac(tmp_path: Path) -> None:
    found = read_file(tmp_path, "solver.pcs", PCS)
    assert found.params == {
        "algo": "choice(greedy, anneal, tabu)",
        "temp-start": "log(1, 500) if algo == anneal",
        "steps": "int(10, 1000, log)",
        "restart:after": "choice(never, 10, 100)",
        "tabu@len": "int(1, 50, log) if algo in (tabu, anneal) and `restart:after` == 10",
    }
    assert found.require == ("not (algo == tabu and `restart:after` == 10)",)
    assert found.start == ({"algo": "greedy", "steps": 100, "restart:after": "never"},)


def test_the_new_form_of_such_a_file(tmp_path: Path) -> None:
    found = read_file(tmp_path, "new.pcs", PCS_NEW)
    assert found.params == {
        "cat": 'choice(a, b, "07")',
        "size": "ordered(small, mid, large)",
        "n": "int(1, 10) if size in (mid, large) or cat != b",
        "x": "log(0.001, 2) if cat == a and n > 4 or size in (mid, large)",
    }
    assert found.require == ('not (cat == "07" and n == 4)',)
    assert found.start == ({"cat": "b", "size": "mid", "n": 3, "x": 1.5},)


def test_defaults_that_break_a_forbidden_clause_are_not_asked(tmp_path: Path) -> None:
    found = read_file(tmp_path, "s.pcs", "a {1, 2} [1]\n{a=1}\n")
    assert (found.start, found.notes) == ((), ("the defaults: not taken, as they break not (a == 1)",))


@pytest.mark.parametrize(
    ("given", "spec"),
    [
        ("{distribution: uniform, min: 1, max: 3}", "float(1, 3)"),
        ("{distribution: int_uniform, min: 1, max: 3}", "int(1, 3)"),
        ("{min: 1, max: 3.5}", "float(1, 3.5)"),
        ("{distribution: log_uniform, min: 0, max: 0}", "log(1, 1)"),
        ("{distribution: inv_log_uniform_values, min: 0.1, max: 10}", "log(0.1, 10)"),
        ("{distribution: q_log_uniform_values, min: 1, max: 512}", "int(1, 512, log)"),
        ("{distribution: q_uniform, min: 0, max: 10}", "float(0, 10, step=1)"),
        ("{distribution: normal, mu: 2}", "normal(2, 1)"),
        ("{distribution: log_normal, mu: 0.5, sigma: 0.25}", "lognormal(0.5, 0.25)"),
        ("{distribution: constant, value: adam}", '= "adam"'),
        ("{value: [0.9, 0.99]}", 'choice("[0.9, 0.99]"=[0.9, 0.99])'),
        ("{values: [[64], [64, 64]]}", 'choice("[64]"=[64], "[64, 64]"=[64, 64])'),
        ("{values: [none, 0.5, on, null, ~]}", "choice(none, 0.5, true, null, null)"),
        ("{values: [relu]}", "choice(relu)"),
        ("{values: [a, b], probabilities: [0.5, 0.5]}", "choice(a, b)"),
        ("{distribution: log_uniform_values, min: !!float 1e-3, max: !!float 1}", "log(0.001, 1)"),
    ],
)
def test_a_parameter_of_weights_and_biases(tmp_path: Path, given: str, spec: str) -> None:
    assert whole(read_file(tmp_path, "s.yaml", f"parameters:\n  x: {given}")).params == {"x": spec}


@pytest.mark.parametrize(
    ("given", "spec"),
    [
        ("interval(1, 8)", "float(1, 8)"),
        ("int(interval(1, 8))", "int(1, 8)"),
        ("tag(log, int(interval(1, 512)))", "int(1, 512, log)"),
        ("interval(start=0, end=1)", "float(0, 1)"),
        ("range(8)", "int(0, 7)"),
        ("range(1, 8, 3)", "int(1, 7, step=3)"),
        ("range(0, 1, step=0.25)", "float(0, 0.75, step=0.25)"),
        ("range(3, 4)", "choice(3)"),
        ("choice(0.5, 0.1, 1)", "ordered(0.1, 0.5, 1)"),
        ("choice(true, false, null)", "choice(true, false, null)"),
        ("choice([1, 2], [3])", 'choice("[1, 2]"=[1, 2], "[3]"=[3])'),
        ("shuffle(range(1, 4))", "int(1, 3)"),
        ("sort(b, a)", "choice(b, a)"),
        ("adam,sgd", "choice(adam, sgd)"),
        ("'adam'", '= "adam"'),
        ("1e-3", "= 0.001"),
    ],
)
def test_a_parameter_of_hydra(tmp_path: Path, given: str, spec: str) -> None:
    content = f"hydra: {{sweeper: {{params: {{x: {json.dumps(given)}}}}}}}"
    assert whole(read_file(tmp_path, "s.yaml", content)).params == {"x": spec}


@pytest.mark.parametrize(
    ("kind", "values", "spec"),
    [
        ("uniform", [0, 1], "float(0, 1)"),
        ("quniform", [1, 10, 4], "ordered(1, 4, 8, 10)"),
        ("qloguniform", [1, 64, 1], "int(1, 64, log)"),
        ("normal", [0, 2], "normal(0, 2)"),
        ("lognormal", [0, 2], "lognormal(0, 2)"),
        ("randint", [6], "int(0, 5)"),
        ("choice", ["a", 1], "choice(a, 1)"),
    ],
)
def test_a_parameter_of_nni(tmp_path: Path, kind: str, values: list[Any], spec: str) -> None:
    content = json.dumps({"x": {"_type": kind, "_value": values}})
    assert whole(read_file(tmp_path, "s.json", content)).params == {"x": spec}


SWEEP = "parameters: {{x: {}}}"
PARAMS = "hydra: {{sweeper: {{params: {{x: '{}'}}}}}}"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("s.yaml", SWEEP.format("{distribution: beta, a: 1, b: 2}"), "x: the distribution beta can't be kept"),
        ("s.yaml", SWEEP.format("{distribution: unifrom, min: 0, max: 1}"), "x: 'unifrom' is not a distribution of Weights"),
        ("s.yaml", SWEEP.format("{distribution: q_log_uniform_values, min: 32, max: 256, q: 8}"), "step 8 can't be kept"),
        ("s.yaml", SWEEP.format("{distribution: q_uniform, min: 10, max: 256, q: 32}"), "x: float(32, 256, step=32)"),
        ("s.yaml", SWEEP.format("{distribution: q_uniform, min: 0, max: 1, q: 0}"), "the step is 0"),
        ("s.yaml", SWEEP.format("{min: '1e-5', max: 1}"), "x: min is the text '1e-5'; write a number without quotes"),
        ("s.yaml", SWEEP.format("{min: 0}"), "x: max is missing"),
        ("s.yaml", SWEEP.format("{min: 0, max: 1, sigma: 3, distribution: uniform}"), "x: sigma is not a part of a file of"),
        ("s.yaml", SWEEP.format("{values: [a, b], probabilities: [0.1, 0.9]}"), "x: probabilities that differ"),
        ("s.yaml", SWEEP.format("{values: abc}"), "x: the values are 'abc'; write a list"),
        ("s.yaml", SWEEP.format("{values: []}"), "x: the values are a list; write a list"),
        ("s.yaml", SWEEP.format("{value: 1, parameters: {y: {value: 2}}}"), "x: value stands beside its parameters"),
        ("s.yaml", SWEEP.format("{distribution: log_uniform, min: 1, max: 1e4}"), "x: its bounds are exponents of e"),
        ("s.yaml", SWEEP.format("5"), "x: it is no mapping"),
        (
            "s.yaml",
            SWEEP.format("{value: 1}") + "\nmetrics: {name: a}",
            "metrics is not a part of a file of Weights & Biases; did",
        ),
        ("s.yaml", SWEEP.format("{value: 1}") + "\nmetric: {goal: max}", "metric.goal is 'max'; write minimize or maximize"),
        ("s.yaml", PARAMS.format("interval(0)"), "x: interval(0) is no interval"),
        ("s.yaml", PARAMS.format("interval(a, 1)"), "x: start is the text 'a'; write a number"),
        ("s.yaml", PARAMS.format("glob(*)"), "x: glob(*) can't be kept"),
        ("s.yaml", PARAMS.format("tag(log, range(1, 9))"), "x: tag(log, range(1, 9)) can't be kept"),
        ("s.yaml", PARAMS.format("tag(lgo, interval(1, 9))"), "x: tag(lgo, interval(1, 9)): the tag lgo has no meaning"),
        ("s.yaml", PARAMS.format("${other.lr}"), "x: ${other.lr} refers to the rest of the configuration"),
        ("s.yaml", PARAMS.format("choice(a, b"), "x: choice(a, b: a quote or a bracket is not closed"),
        ("s.yaml", PARAMS.format("range(9, 1)"), "x: range(9, 1) is empty, or counts down"),
        ("s.yaml", "hydra: {sweeper: {custom_search_space: a.b, params: {x: 1}}}", "custom_search_space: it is code"),
        ("s.yaml", "hydra: {sweeper: {parms: {x: 1}}}", "hydra.sweeper.parms is not a part of a file of Hydra"),
        ("s.yaml", "hydra: {sweeper: {direction: down, params: {x: 1}}}", "hydra.sweeper.direction is 'down'"),
        ("s.json", '{"x": {"_type": "qnormal", "_value": [0, 1, 2]}}', "x: the type qnormal can't be kept"),
        (
            "s.json",
            '{"x": {"_type": "loguniform", "_value": [0.1]}}',
            "x: _value is not what loguniform takes; write [LOW, HIGH]",
        ),
        ("s.json", '{"x": {"_type": "uniform", "_value": ["0", 1]}}', "x: _value[0] is the text '0'"),
        ("s.json", '{"x": {"_type": "randint", "_value": [3, 3]}}', "x: no integer is from 3 to below 3"),
        ("s.json", '{"x": {"_type": "layer_choice", "_value": [3, 3]}}', "x: the type layer_choice can't be kept"),
        ("s.pcs", "a {x, y} [z]", "line 1: z is no value of a"),
        ("s.pcs", "a [1, 2] [1] li g", "line 1: li g is not expected behind the default"),
        ("s.pcs", "a [1, 2.5] [1]i", "line 1: 2.5 is no whole number"),
        ("s.pcs", "a [1, x] [1]", "line 1: x is no number"),
        ("s.pcs", "a {x, y} [x]\nb | a in {x}", "line 2: there is no parameter b"),
        ("s.pcs", "a {x, y} [x]\na | c in {x}", "line 2: there is no parameter c"),
        ("s.pcs", "a {x, y} [x]\na | a ~ x", "line 2: a ~ x is no condition"),
        ("s.pcs", "a {x, y} [x]\n{a > x}", "line 2: {a > x} is no forbidden combination"),
        ("s.pcs", "a {x, y} [x]\na {x, y} [x]", "line 2: a is there twice"),
        ("s.pcs", "--a --b", "line 1: --a --b is not read"),
    ],
)
def test_what_cannot_be_kept_is_refused_by_name(tmp_path: Path, name: str, content: str, message: str) -> None:
    with pytest.raises(SpaceError) as caught:
        whole(read_file(tmp_path, name, content))
    assert message in str(caught.value)
    assert str(caught.value).isprintable()


def test_all_that_is_refused_is_named_and_the_rest_is_read(tmp_path: Path) -> None:
    content = "parameters: {a: {values: 1}, b: {min: 0, max: 1}, c: {distribution: beta}}"
    found = read_file(tmp_path, "s.yaml", content)
    assert found.params == {"b": "int(0, 1)"}
    assert [line.partition(":")[0] for line in found.refused] == ["a", "c"]
    with pytest.raises(SpaceError, match=r"a: .* \(1 more: `journaltune space FILE` lists what is refused\)"):
        whole(found)


CONFIGSPACE = {
    "name": "s",
    "hyperparameters": [
        {"type": "categorical", "name": "z", "choices": ["svm", "tree"], "default_value": "tree", "weights": None},
        {"type": "uniform_float", "name": "C", "lower": 0.001, "upper": 10.0, "default_value": 1.0, "log": True},
        {"type": "uniform_int", "name": "depth", "lower": 1, "upper": 9, "default_value": 3, "log": False},
        {"type": "ordinal", "name": "size", "sequence": [8, 16], "default_value": 8},
        {"type": "constant", "name": "k", "value": 5},
        {"type": "normal_float", "name": "m", "mu": 0.0, "sigma": 1.0, "lower": -3.0, "upper": 3.0, "default_value": 0.0},
    ],
    "conditions": [
        {"child": "C", "parent": "z", "type": "EQ", "value": "svm"},
        {"child": "depth", "parent": "z", "type": "IN", "values": ["tree"]},
    ],
    "forbiddens": [
        {
            "type": "AND",
            "clauses": [{"name": "z", "type": "EQUALS", "value": "svm"}, {"name": "size", "type": "EQUALS", "value": 16}],
        }
    ],
    "format_version": 0.4,
}


def test_configspaces_json(tmp_path: Path) -> None:
    pytest.importorskip("ConfigSpace")
    found = whole(read_file(tmp_path, "s.json", json.dumps(CONFIGSPACE)))
    assert found.params == {
        "z": "choice(svm, tree)",
        "C": "log(0.001, 10) if z == svm",
        "depth": "int(1, 9) if z == tree",
        "size": "ordered(8, 16)",
        "k": "= 5",
        "m": "normal(0, 1, -3, 3)",
    }
    assert found.require == ("not (z == svm and size == 16)",)
    assert found.start == ({"z": "tree", "depth": 3, "size": 8, "k": 5, "m": 0.0},)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"type": "uniform_float", "name": "x", "lower": 0.0, "upper": 1.0, "q": 0.1}, "x: q, a step, can't be kept"),
        ({"type": "beta_float", "name": "x", "alpha": 1, "beta": 2, "lower": 0.0, "upper": 1.0}, "x: BetaFloatHyperparameter"),
        ({"type": "categorical", "name": "x", "choices": ["a", "b"], "weights": [0.1, 0.9]}, "x: weights that differ"),
        ({"type": "uniform_float", "name": "x", "lower": 2.0, "upper": 1.0}, "ConfigSpace can't read it: "),
        ({"type": "unifrm", "name": "x"}, "ConfigSpace can't read it: "),
    ],
)
def test_a_hyperparameter_of_configspace_that_is_refused(tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    pytest.importorskip("ConfigSpace")
    content = json.dumps({"hyperparameters": [changed], "conditions": [], "forbiddens": []})
    with pytest.raises(SpaceError) as caught:
        whole(read_file(tmp_path, "s.json", content))
    assert message in str(caught.value)


def test_without_configspace_the_error_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "ConfigSpace", None)
    with pytest.raises(SpaceError, match=r"install journaltune\[configspace\]"):
        read_file(tmp_path, "s.json", json.dumps(CONFIGSPACE))
