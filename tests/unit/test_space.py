from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from journaltune.base.errors import SpaceError
from journaltune.space import Space, parse_spec, space_from_params

SPACE = space_from_params(["lr: log(1e-5, 1e-1)", "layers:int(1, 8)", "opt: adam | sgd"])


def test_parameters_keep_their_declared_order() -> None:
    assert list(SPACE.distributions) == ["lr", "layers", "opt"]
    assert list(SPACE.decode({"opt": 1.0, "layers": 3.0, "lr": 0.01}).items()) == [("lr", 0.01), ("layers", 3), ("opt", "sgd")]


def test_encoding_is_by_column() -> None:
    assert SPACE.encode({"opt": "sgd", "lr": 0.01, "layers": 3}) == {"lr": 0.01, "layers": 3.0, "opt": 1.0}


def test_part_of_the_parameters_may_be_encoded_and_decoded() -> None:
    assert SPACE.encode({"layers": 3}, partial=True) == {"layers": 3.0}
    assert SPACE.decode({"layers": 3.0, "not ours": 1.0}) == {"layers": 3}


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"lr": 0.01, "layers": 3}, "opt is missing; give one of 'adam', 'sgd'"),
        (
            {"lr": 0.01, "layers": 3, "opt": "sgd", "momentum": 1},
            "momentum is not a parameter of this study; its parameters are lr",
        ),
        ({"lr": 0.01, "layers": 9, "opt": "sgd"}, "layers: 9 is not allowed; give an integer from 1 to 8"),
        ({"lr": 0.01, "layers": 3, "opt": "lamb"}, "opt: 'lamb' is not one of the choices"),
        ({"lr\n" * 1000: 1}, "is not a parameter"),
        ({5: 1}, "5 is not a parameter"),
    ],
)
def test_wrong_parameters_are_named(params: dict[Any, Any], message: str) -> None:
    with pytest.raises(SpaceError) as caught:
        SPACE.encode(params)
    assert message in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([], "the space has no parameters"),
        ({}, "the space has no parameters"),
        (["lr log(1, 2)"], "lr log(1, 2): the colon is missing; write NAME: SPEC"),
        (["lr: 1 | 2", "lr: 1 | 2"], "lr is declared twice"),
        ([": 1 | 2"], "a parameter's name has 1 to 1000 characters"),
        ([5], "the colon is missing"),
        ({"lr": 5}, "lr: 5: one value leaves nothing to search; write choice(5)"),
        ({"lr": True}, "lr: true: one value leaves nothing to search"),
        ({"lr": [["a"], ["a"]]}, "is given twice; leave one out"),
        ({"lr": []}, "lr: there are no choices"),
        ({"lr": "1e-5..1"}, "lr: 1e-5..1: one value leaves nothing to search; write lr: log(1e-5, 1)"),
        (["lr=0.1..1"], "lr=0.1..1: the colon is missing; write lr: float(0.1, 1)"),
        (["lr=log(1e-5, 1)"], "the colon is missing; write lr: log(1e-5, 1)"),
        ({"lr": object()}, "lr: a object can't be a choice"),
        ({"lr": float("nan")}, "lr: nan can't be a choice"),
        (
            {"lr": {"name": "FloatDistribution", "attributes": {"low": 2, "high": 1}}},
            "lr: float(2, 1): the lower bound is above the upper one",
        ),
        ({"lr": {"name": "FloatDistribution", "attributes": {"low": 0, "high": float("inf")}}}, "inf is not a finite number"),
        ({"lr": [{1, 2}]}, "lr: a set can't be a choice"),
        ({"lr": {"name": "CategoricalDistribution", "attributes": {"choices": [1, 1]}}}, "the choice 1 is there twice"),
        (
            {"lr": {"name": "Weird", "attributes": {}}},
            "lr: 'Weird' is not a distribution of Optuna's; write FloatDistribution, IntDistribution or",
        ),
        ({"lr": {"attributes": "\n" * 1000}}, "lr: a mapping needs type: float, int or categorical"),
        ({"lr": {}}, "lr: a mapping needs type: float, int or categorical"),
    ],
)
def test_a_wrong_declaration_is_refused(items: Any, message: str) -> None:
    with pytest.raises(SpaceError) as caught:
        space_from_params(items)
    assert message in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("declared", "spec"),
    [
        ({"name": "FloatDistribution", "attributes": {"step": None, "low": 1e-5, "high": 1, "log": True}}, "log(1e-5, 1)"),
        ({"name": "UniformDistribution", "attributes": {"low": 0, "high": 1}}, "float(0, 1)"),
        ({"type": "int", "low": 1, "high": 8}, "int(1, 8)"),
        ({"name": "CategoricalDistribution", "attributes": {"choices": ["a", 1, None]}}, "a | 1 | null"),
        (["a", 1, None, "two words"], "a | 1 | null | 'two words'"),
        (("a", True), "a | true"),
        ([5], "choice(5)"),
    ],
)
def test_optunas_distributions_and_lists_may_be_declared(declared: object, spec: str) -> None:
    assert space_from_params({"x": declared}).distributions == {"x": parse_spec("x", spec)}


def test_choices_that_are_lists_or_mappings_get_labels() -> None:
    space = space_from_params({"x": [[64], {"a": 1}, "none", 3]})
    assert space.parameters["x"] == parse_spec("x", """choice("[64]"=[64], '{"a": 1}'={"a": 1}, none="none", "3"=3)""")
    assert [space.decode({"x": float(index)})["x"] for index in range(4)] == [[64], {"a": 1}, "none", 3]


@pytest.mark.parametrize("config", [None, [], {}, {"params": []}, {"params": {}, "require": "a < b"}, {"params": {"a": 5}}])
def test_a_stored_space_of_another_kind_is_refused(config: Any) -> None:
    with pytest.raises(SpaceError):
        Space.from_config(config)


def test_a_shell_sees_each_parameter_by_a_name_it_can_have() -> None:
    space = space_from_params(dict.fromkeys(("lr", "weight decay", "naïve", "1st", "trial"), "= 1"))
    assert space.shell_names() == {
        "lr": "JT_lr",
        "weight decay": "JT_weight_decay",
        "naïve": "JT_na_ve",
        "1st": "JT_1st",
        "trial": "JT_trial",
    }


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a b", "a_b"], "a_b: a shell would see it as JT_a_b, like a b; rename one"),
        (["TRIAL"], "TRIAL: a shell would see it as JT_TRIAL, which journaltune sets itself; rename it"),
        (["PARAMS FILE"], "which journaltune sets itself"),
    ],
)
def test_a_clash_of_shell_names_is_refused(names: list[str], message: str) -> None:
    with pytest.raises(SpaceError) as caught:
        space_from_params(dict.fromkeys(names, "= 1")).shell_names()
    assert message in str(caught.value)


def test_reading_a_stored_space_loads_nothing_slow() -> None:
    config = space_from_params(
        ["a: log(1e-5, 1)", "b: float(0.1, 1.0, step=0.1)", "c: int(1, 9, step=2)", 'd: "1" | x']
    ).to_config()
    script = f"""
import sys
sys.modules.pop("re", None)  # an environment's start-up files may have loaded it
before = set(sys.modules)
from journaltune.space import Space
space = Space.from_config({config!r})
space.decode(space.encode({{"a": 0.1, "b": 0.3, "c": 3, "d": "1"}}))
space.shell_names()
slow = {{"re", "json", "typing", "dataclasses", "decimal", "inspect", "yaml", "tomllib", "pathlib", "optuna", "numpy"}}
print(sorted(slow & (set(sys.modules) - before)))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("item", "name"),
    [
        ("restart:after: 1 | 2", "restart:after"),
        ("a:b:c:\t1 | 2", "a:b:c"),
        ("lr:1 | 2", "lr"),
        ("lr : 1 | 2", "lr"),
        ("time: '1: 2' | 'x: y'", "time"),
    ],
)
def test_the_first_colon_before_a_blank_ends_the_name(item: str, name: str) -> None:
    assert list(space_from_params([item]).distributions) == [name]
