"""Spaces with conditions, derived values, constraints and parameters that are made of several columns."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest

import journaltune
from journaltune.base.errors import ConflictError, ExhaustedError, SpaceError
from journaltune.space import Space, space_from_params

Run = Callable[..., str]

PARAMS = {
    "opt": "adam | sgd",
    "momentum": "float(0, 0.99) if opt == sgd",
    "nesterov": "true | false if momentum > 0.5",
    "layers": "int(1, 8)",
    "width": "ordered(16, 32, 64)",
    "units": "= layers * width",
    "arch": "choice(tiny=[64], small=[64, 64])",
    "order": "permutation(a, b, c)",
    "mix": "simplex(x, y, z)",
    "shift": "normal(0, 1)",
    "scale": "lognormal(0, 1, 0.1, 10) if opt == adam",
    "epochs": "= 27",
}
REQUIRE = ["layers * width <= 256"]
SGD = {"opt": "sgd", "momentum": 0.9, "nesterov": True, "layers": 2, "width": 64, "arch": [64, 64], "order": ["c", "a", "b"]}
WHOLE = {**SGD, "mix": {"x": 0.5, "y": 0.25, "z": 0.25}, "shift": 0.5}
SPACE = space_from_params(PARAMS, REQUIRE)


@pytest.fixture
def study(tmp_path: Path) -> journaltune.Study:
    return journaltune.create_study(tmp_path / "study.journal", params=PARAMS, require=REQUIRE, seed=1, sampler="tpe")


def test_a_space_is_stored_as_it_was_written() -> None:
    config = json.loads(json.dumps(SPACE.to_config()))
    assert Space.from_config(config) == SPACE
    assert config["require"] == REQUIRE
    assert config["params"]["momentum"] == "float(0.0, 0.99) if opt == sgd"
    assert {name: config["params"][name] for name in ("width", "units", "arch", "order", "mix", "epochs")} == {
        name: PARAMS[name] for name in ("width", "units", "arch", "order", "mix", "epochs")
    }


def test_a_configuration_is_handed_out_whole() -> None:
    decoded = SPACE.decode(SPACE.encode(WHOLE))
    assert decoded == {**WHOLE, "units": 128, "epochs": 27}
    assert list(decoded) == [name for name in PARAMS if name in decoded]


def test_what_was_printed_can_be_given_back() -> None:
    """With derived values, with null for what is absent, and with labels for the values behind them."""
    internal = SPACE.encode(WHOLE)
    assert SPACE.encode({**SPACE.decode(internal), "scale": None}) == internal
    assert SPACE.encode({**WHOLE, "arch": "small"}) == internal


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"opt": "adam"}, "momentum is absent where opt == sgd does not hold; leave it out"),
        ({"momentum": 0.1}, "nesterov is absent where momentum > 0.5 does not hold; leave it out"),
        (
            {"momentum": None, "nesterov": None},
            "momentum is null, and there where opt == sgd holds; give a number",
        ),
        ({"layers": 8}, "require: layers * width <= 256 does not hold; change one of layers, width"),
        ({"units": 5}, "units is computed, and is 128 here; leave it out"),
        ({"epochs": 28}, "epochs is computed, and is 27 here; leave it out"),
        ({"width": 20}, "width: 20 is not one of the choices; give one of 16, 32, 64"),
        ({"arch": [1]}, "arch: a list is not one of the choices; give one of 'tiny', 'small'"),
        ({"order": ["a", "a", "b"]}, 'order: ["a", "a", "b"] is no order of the items'),
        ({"order": "abc"}, 'order: "abc" is no order of the items; give a list of all 3 items'),
        ({"mix": {"x": 1.0}}, 'mix: {"x": 1.0} is not allowed; give a mapping of x, y, z to proportions that sum to 1'),
        ({"mix": {"x": 0.5, "y": 0.5, "z": 0.5}}, "give a mapping of x, y, z to proportions that sum to 1"),
        ({"shift": "high"}, 'shift: "high" is not a number; give a number'),
        ({"shift": True}, "shift: true is not a number"),
        ({"other": 1}, "other is not a parameter of this study"),
    ],
)
def test_what_is_no_configuration_is_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(SpaceError) as caught:
        SPACE.encode({**WHOLE, **changed})
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("params", "require", "message"),
    [
        ({"a": "float(0, 1) if b == 1"}, [], "b is not a parameter"),
        ({"a": "1 | 2 if b == 1", "b": "1 | 2 if a == 1"}, [], "a, b: these read each other, or themselves"),
        ({"a": "1 | 2 if a == 1"}, [], "a: these read each other, or themselves"),
        ({"a": "= a + 1", "b": "1 | 2"}, [], "a: these read each other, or themselves"),
        ({"a": "1 | 2"}, ["a + 1"], "require: a + 1: that is not a condition"),
        ({"a": "1 | 2"}, ["a == 3"], "3 is not a choice of a"),
        ({"p": "permutation(3)", "a": "1 | 2"}, ["p == 3"], "p is a permutation or a simplex, which an expression can't read"),
        ({"p": "permutation(3)", "p.0": "1 | 2"}, [], "p.0 is a parameter, and a part of p too; rename one"),
        ({}, ["1 < 2"], "the space has no parameters"),
    ],
)
def test_a_space_that_means_nothing_is_refused(params: dict[str, str], require: list[str], message: str) -> None:
    with pytest.raises(SpaceError) as caught:
        space_from_params(params, require)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("params", "require", "count"),
    [
        (["a: 1 | 2", "b: int(1, 1000000000)"], ["a > 1"], 10**9),
        (["a: int(1, 100)", "b: int(1, 100)"], ["a + b == 100"], 99),
        (["p: permutation(6)", "a: true | false"], [], 1440),
        (["p: permutation(6) if a", "a: true | false"], [], 721),
        (["a: float(0, 1)", "b: 1 | 2"], [], None),
        (["a: float(0, 1) if b == 2", "b: 1 | 2"], [], None),
        (["a: float(0, 1) if b == 2", "b: 1 | 2"], ["b == 1"], 1),
        (["a: int(1, 1000)", "b: int(1, 1000)", "c: int(1, 1000)"], ["a * b * c == 7"], None),  # too many to look at
        (["a: = 3", "b: 1 | 2"], [], 2),
    ],
)
def test_finite_spaces_are_counted(params: list[str], require: list[str], count: int | None) -> None:
    assert space_from_params(params, require).n_points() == count


def test_a_division_by_zero_is_no_configuration() -> None:
    space = space_from_params(["a: int(0, 3)", "b: = 6 / a", "c: true | false if 6 / a > 2"], ["b >= 2"])
    assert space.n_points() == 2 + 2 + 1  # 6, 3 and 2, which is not above 2
    assert space_from_params(["a: int(0, 3)", "c: true | false if 6 / a > 2"]).n_points() == 1 + 2 + 2 + 1


def test_a_study_hands_out_what_its_rules_allow(study: journaltune.Study) -> None:
    for number in range(30):
        trial = study.ask()
        params = trial.params
        assert params["units"] == params["layers"] * params["width"] <= 256
        assert ("momentum" in params) == (params["opt"] == "sgd") == ("scale" not in params)
        assert ("nesterov" in params) == (params.get("momentum", 0) > 0.5)
        assert sorted(params["order"]) == ["a", "b", "c"]
        assert abs(sum(params["mix"].values()) - 1) < 1e-9
        study.tell(trial, params["shift"] ** 2 + number)
    for trial in study.trials:
        assert [match.number for match in study.lookup(trial.params)] == [trial.number]
    verdict = study.verify()
    assert (verdict.n_verified, verdict.difference) == (30, None)


def test_other_programs_see_columns(study: journaltune.Study) -> None:
    study.enqueue(WHOLE)
    study.tell(study.ask(), 1.0)
    stock = optuna.load_study(study_name="study", storage=journaltune.storage(study._study.path)).trials[0]
    assert {name: stock.params[name] for name in ("opt", "momentum", "layers", "width", "arch")} == {
        "opt": "sgd",
        "momentum": 0.9,
        "layers": 2,
        "width": 64,
        "arch": "small",
    }
    assert {name: stock.params[name] for name in ("order.0", "order.1")} == {"order.0": 2, "order.1": 0}
    assert {"mix.x", "mix.y", "shift.quantile"} <= stock.params.keys()
    assert stock.params.keys().isdisjoint({"units", "epochs", "scale.quantile", "order", "mix", "shift"})


def test_a_trial_of_stock_optuna_is_shown_as_parameters(study: journaltune.Study) -> None:
    stock = optuna.load_study(study_name="study", storage=journaltune.storage(study._study.path))
    columns = {name: optuna.distributions.json_to_distribution(text) for name, text in study._study.stored_distributions.items()}
    internal = SPACE.encode(WHOLE)
    params = {name: columns[name].to_external_repr(value) for name, value in internal.items()}
    stock.add_trial(optuna.trial.create_trial(value=1.0, params=params, distributions={name: columns[name] for name in params}))
    assert study.trials[0].params == {**WHOLE, "units": 128, "epochs": 27}
    assert study.lookup(WHOLE)[0].number == 0
    study.add_trial(study.trials[0])
    assert study.trials[1].params == study.trials[0].params
    params.pop("momentum")
    with pytest.raises(SpaceError, match="momentum is missing"):
        study.add_trial(
            optuna.trial.create_trial(value=1.0, params=params, distributions={name: columns[name] for name in params})
        )


def test_what_is_enqueued_decides_the_rest(study: journaltune.Study) -> None:
    """A parameter that is given is there, so its condition holds; and the constraint holds with what is given."""
    study.enqueue({"scale": 2.0, "layers": 8})
    study.enqueue({"nesterov": False, "width": 64})
    study.enqueue({"momentum": None})
    first, second, third = study.ask().params, study.ask().params, study.ask().params
    assert (first["opt"], first["scale"], first["layers"]) == ("adam", 2.0, 8)
    assert first["width"] <= 32
    assert (second["opt"], second["nesterov"], second["width"]) == ("sgd", False, 64)
    assert second["momentum"] > 0.5
    assert third["opt"] in ("adam", "sgd")
    assert study.verify().difference is None


def test_a_waiting_trial_that_no_longer_fits_fails(study: journaltune.Study) -> None:
    study.enqueue({"layers": 4, "width": 64})
    journaltune.create_study(study._study.path, require="layers != 4", exist_ok=True)
    assert study.ask().number == 1
    assert study.trials[0].user_attrs == {"fail_reason": "infeasible"}


def test_a_space_without_any_configuration_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "study.journal"
    with pytest.raises(SpaceError, match="no configuration keeps to the constraints of the space"):
        journaltune.create_study(path, params={"a": "int(1, 9)"}, require="a > 9")
    with pytest.raises(SpaceError, match="none of 100,000 random draws keeps to the constraints"):
        journaltune.create_study(path, params={"a": "float(0, 1)"}, require="a > 9")
    assert not path.exists()


def test_a_space_with_few_configurations_is_named_and_answers(tmp_path: Path) -> None:
    params = dict.fromkeys("abc", "int(1, 100)")
    with pytest.warns(UserWarning, match="random draws keep to the constraints of the space"):
        study = journaltune.create_study(tmp_path / "s.journal", params=params, require="a + b + c == 30", seed=1, sampler="tpe")
    for _ in range(12):
        trial = study.ask()
        a, b, c = (trial.params[name] for name in "abc")
        assert a + b + c == 30
        study.tell(trial, a)
    assert study.verify().difference is None


def test_fixed_parameters_that_rule_out_all_others_fail_their_trial(tmp_path: Path) -> None:
    study = journaltune.create_study(
        tmp_path / "s.journal", params=dict.fromkeys("ab", "int(1, 9)"), require="a + b <= 12", seed=1
    )
    study.enqueue({"a": 5})
    journaltune.create_study(study._study.path, require="a != 5 or b > 9", exist_ok=True)
    assert study.ask().number == 1
    assert study.trials[0].user_attrs == {"fail_reason": "infeasible"}


@pytest.mark.parametrize("policy", ["reuse", "resample"])
def test_without_duplicates_a_small_space_is_tried_once(tmp_path: Path, policy: str) -> None:
    params = {"a": "x | y", "b": "int(1, 3) if a == x", "c": "true | false"}
    study = journaltune.create_study(tmp_path / "s.journal", params=params, require="b != 2", seed=1, duplicates=policy)
    asked = []
    with pytest.raises(ExhaustedError, match="has tried all 6 combinations"):  # noqa: PT012
        for _ in range(7):
            trial = study.ask()
            asked.append(tuple(trial.params.items()))
            study.tell(trial, 1.0)
    assert len(set(asked)) == len(asked) == 6


def test_replicates_of_a_conditional_configuration(tmp_path: Path) -> None:
    params = {"a": "x | y", "b": "float(1, 3) if a == x"}
    study = journaltune.create_study(tmp_path / "s.journal", params=params, require="b < 2.5", seed=1, replicates=2)
    asked = []
    for _ in range(8):
        trial = study.ask()
        asked.append(trial.params)
        study.tell(trial, 1.0)
    assert asked[::2] == asked[1::2]


@pytest.mark.parametrize("sampler", ["random", "qmc", "nsgaii", "nsgaiii", "cmaes", "auto", "gp", "optuna.TPESampler"])
def test_every_sampler_keeps_the_rules(tmp_path: Path, sampler: str) -> None:
    for needed in {"qmc": ["scipy"], "cmaes": ["cmaes"]}.get(sampler, []):
        pytest.importorskip(needed)
    params = {
        "opt": "adam | sgd",
        "m": "float(0, 1) if opt == sgd",
        "n": "ordered(1, 2, 4, 8)",
        "k": "int(1, 8)",
        "x": "log(1e-3, 1)",
    }
    study = journaltune.create_study(tmp_path / "s.journal", params=params, require=["n * k <= 16"], seed=2, sampler=sampler)
    for _ in range(12):
        trial = study.ask()
        assert trial.params["n"] * trial.params["k"] <= 16
        assert ("m" in trial.params) == (trial.params["opt"] == "sgd")
        study.tell(trial, trial.params["x"] + trial.params.get("m", 0.5) + trial.params["k"])
    assert study.verify().difference is None


def test_a_space_changes_while_a_study_lives(study: journaltune.Study) -> None:
    path = study._study.path
    study.tell(study.ask(), 1.0)
    changed = {"decay": "float(0, 1) if nesterov", "momentum": "float(0, 0.9)", "epochs": "= 54"}
    study = journaltune.create_study(path, params=changed, require="layers >= 2", drop=["shift", REQUIRE[0]], exist_ok=True)
    space = study._study.space
    assert space is not None
    assert space.require == ("layers >= 2",)
    for _ in range(10):
        trial = study.ask()
        assert {"momentum", "epochs"} <= trial.params.keys()
        assert "shift" not in trial.params
        assert trial.params["layers"] >= 2
        assert ("decay" in trial.params) == trial.params.get("nesterov", False)
        study.tell(trial, 1.0)
    assert study.verify().difference is None
    assert study.trials[0].params["epochs"] == 54


def test_what_depends_on_a_parameter_keeps_it(study: journaltune.Study) -> None:
    with pytest.raises(SpaceError, match="layers is not a parameter"):
        journaltune.create_study(study._study.path, drop="layers", exist_ok=True)
    study.tell(study.ask(), 1.0)
    with pytest.raises(ConflictError, match=r"parameter 'order\.0'"):
        journaltune.create_study(study._study.path, params={"order.0": "1 | 2", "order": "choice(x)"}, exist_ok=True)


def test_the_shell_says_what_is_absent(run: Run) -> None:
    run("create", "--param", "opt: adam | sgd", "--param", "m: float(0, 1) if opt == sgd", "--param", "o: permutation(3)")
    run("enqueue", "--params", '{"opt": "adam", "o": [2, 0, 1]}')
    assert run("ask", "--format", "sh").splitlines()[3:] == ["JT_opt=adam", "unset JT_m", "JT_o='[2, 0, 1]'"]
    assert json.loads(run("trials", "--format", "json"))[0]["params"] == {"opt": "adam", "o": [2, 0, 1]}


def test_constraints_from_the_shell(run: Run) -> None:
    run("create", "--param", "a: int(1, 9)", "--param", "b: int(1, 9)", "--require", "a * b <= 12")
    assert json.loads(run("status", "--format", "json"))["require"] == ["a * b <= 12"]
    for line in run("ask", "-n", "20").splitlines():
        params = json.loads(line)["params"]
        assert params["a"] * params["b"] <= 12
    run("create", "--exist-ok", "--require", "a != b")
    for line in run("ask", "-n", "10").splitlines():
        assert json.loads(line)["params"]["a"] != json.loads(line)["params"]["b"]


def test_choices_are_added_while_a_study_lives(tmp_path: Path) -> None:
    """Behind those that trials have, whatever the order; earlier trials keep theirs, and every reader agrees."""
    path = tmp_path / "s.journal"
    study = journaltune.create_study(path, params={"opt": "adam | sgd", "x": "float(0, 1)"}, seed=1, sampler="tpe")
    for number in range(12):
        study.tell(study.ask(), float(number))
    before = [trial.params for trial in study.trials]
    study = journaltune.create_study(path, params={"opt": "lion | adam | rms | sgd"}, exist_ok=True)
    assert study._study.space is not None
    assert study._study.space.to_config()["params"]["opt"] == "adam | sgd | lion | rms"
    study.enqueue({"opt": "rms"})
    study.enqueue({"x": 0.5})
    asked = [study.ask() for _ in range(30)]
    assert asked[0].params["opt"] == "rms"
    assert {trial.params["opt"] for trial in asked} == {"adam", "sgd", "lion", "rms"}
    for trial in asked:
        study.tell(trial, 1.0)
    assert [trial.params for trial in study.trials] == before + [trial.params for trial in asked]
    backend = optuna.storages.journal.JournalFileBackend(str(path))
    stock = optuna.load_study(study_name="s", storage=optuna.storages.JournalStorage(backend))
    assert [trial.params for trial in stock.trials] == [trial.params for trial in study.trials]
    assert study.lookup(before[3])[-1].number == 3
    assert study.verify().difference is None


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("a | b | c", "a | c", "lacks b, and its trials keep choices by their place"),
        ("ordered(1, 4)", "ordered(1, 2, 4)", "has its choices in another order"),
        ("a | b", "float(0, 1)", "has another kind, scale or other categories"),
    ],
)
def test_choices_that_trials_have_stay(tmp_path: Path, old: str, new: str, message: str) -> None:
    study = journaltune.create_study(tmp_path / "s.journal", params={"p": old}, seed=1)
    journaltune.create_study(tmp_path / "s.journal", params={"p": new}, exist_ok=True)
    journaltune.create_study(tmp_path / "s.journal", params={"p": old}, exist_ok=True)
    study.tell(study.ask(), 1.0)
    with pytest.raises(ConflictError, match=message):
        journaltune.create_study(tmp_path / "s.journal", params={"p": new}, exist_ok=True)


def test_an_ordered_choice_is_one_of_the_same_values(tmp_path: Path) -> None:
    """Its trials count before and after: only how it is searched differs."""
    study = journaltune.create_study(tmp_path / "s.journal", params={"p": "1 | 4"}, seed=1)
    study.tell(study.ask(), 1.0)
    study = journaltune.create_study(tmp_path / "s.journal", params={"p": "ordered(1, 4, 16)"}, exist_ok=True)
    for _ in range(8):
        study.tell(study.ask(), 1.0)
    assert {trial.params["p"] for trial in study.trials} == {1, 4, 16}
    assert study.verify().difference is None


def test_a_space_is_loaded_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "space.json").write_text(json.dumps({"params": PARAMS, "require": REQUIRE}), encoding="utf-8")
    space = journaltune.Space.load(tmp_path / "space.json")
    assert space == SPACE
    assert journaltune.create_study(tmp_path / "s.journal", params=space, seed=1).ask().params["epochs"] == 27
