from __future__ import annotations

import copy
import pickle
from fractions import Fraction
from typing import Any

import numpy
import pytest

from journaltune.base.errors import SpaceError
from journaltune.space import Distribution, parse_spec


def test_values_of_different_types_are_different_choices() -> None:
    mixed = parse_spec("x", '1 | 1.0 | true | "1" | null | false | 0')
    assert mixed.choices == (1, 1.0, True, "1", None, False, 0)
    for index, choice in enumerate(mixed.choices):
        assert mixed.to_internal(choice) == index
        assert type(mixed.to_external(float(index))) is type(choice)


def test_nan_is_the_choice_nan() -> None:
    known = Distribution.from_json('{"type": "categorical", "choices": ["nan", NaN]}')
    assert known.to_internal(float("nan")) == 1.0
    assert known.to_internal("nan") == 0.0


@pytest.mark.parametrize(
    ("spec", "value", "message"),
    [
        ("float(0, 1)", 2, "2 is not allowed; give a number from 0.0 to 1.0"),
        ("float(0, 1)", float("nan"), "nan is not allowed"),
        ("float(0, 1)", True, "True is not a number"),
        ("float(0, 1)", "0.5", "'0.5' is not a number"),
        ("float(0, 1)", None, "None is not a number"),
        ("float(0, 1, step=0.25)", 0.3, "0.3 is not allowed; give a number from 0.0 to 1.0 in steps of 0.25"),
        ("int(1, 8)", 2.5, "2.5 is not allowed; give an integer from 1 to 8"),
        ("int(1, 8)", 10**400, "a huge integer is not allowed"),
        ("int(1, 9, step=2)", 2, "2 is not allowed; give an integer from 1 to 9 in steps of 2"),
        ("a | b", "c", "'c' is not one of the choices; give one of 'a', 'b'"),
        ("1 | 2", True, "True is not one of the choices; give one of 1, 2"),
        ("1 | 2", [1], "a list is not one of the choices"),
        ("a | b", "x" * 10**6, "x'... is not one of the choices"),
    ],
)
def test_a_foreign_value_is_refused_with_what_to_give_instead(spec: str, value: object, message: str) -> None:
    with pytest.raises(SpaceError) as caught:
        parse_spec("x", spec).to_internal(value)
    assert message in str(caught.value)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("spec", "value", "internal"),
    [
        ("int(1, 8)", numpy.int64(3), 3.0),
        ("int(1, 8)", 3.0, 3.0),
        ("float(0, 1)", numpy.float32(0.5), 0.5),
        ("float(0, 1)", numpy.float64(0.5), 0.5),
        ("float(0, 1)", 1, 1.0),
        ("1 | 2", numpy.int64(2), 1.0),
        ("a | b", numpy.str_("b"), 1.0),
        ("true | false", numpy.bool_(False), 1.0),
    ],
)
def test_numbers_of_other_libraries_are_taken(spec: str, value: object, internal: float) -> None:
    assert parse_spec("x", spec).to_internal(value) == internal


def test_an_array_is_no_number() -> None:
    with pytest.raises(SpaceError, match="a ndarray is not a number"):
        parse_spec("x", "float(0, 1)").to_internal(numpy.zeros(3))


@pytest.mark.parametrize(
    ("spec", "cardinality", "single"),
    [
        ("float(0, 1)", None, False),
        ("float(1, 1)", 1, True),
        ("log(1e-5, 1)", None, False),
        ("float(0, 1, step=0.1)", 11, False),
        ("float(0, 1, step=0.3)", 4, False),
        ("float(0, 1, step=2)", 1, True),
        ("float(0, 1, step=1)", 2, False),
        ("int(3, 3)", 1, True),
        ("int(1, 8)", 8, False),
        ("int(1, 8, log)", 8, False),
        ("int(0, 10, step=3)", 4, False),
        ("int(0, 2, step=3)", 1, True),
        ("choice(a)", 1, True),
        ("a | b | c", 3, False),
    ],
)
@pytest.mark.filterwarnings("ignore:.* is not divisible by the step")
def test_the_number_of_values_is_known(spec: str, cardinality: int | None, single: bool) -> None:
    known = parse_spec("x", spec)
    assert (known.cardinality, known.single) == (cardinality, single)


def test_every_counted_value_of_a_grid_is_in_it() -> None:
    known = parse_spec("x", "float(-0.3, 0.7, step=0.05)")
    assert known.cardinality == 21
    assert all(known.contains(known.low + k * known.step) for k in range(known.cardinality))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), -1.0, 2.0])
def test_an_index_of_no_choice_is_not_contained(value: float) -> None:
    assert not parse_spec("x", "a | b").contains(value)


def test_the_deprecated_classes_of_optuna_keep_their_name() -> None:
    old = Distribution.from_json('{"name": "LogUniformDistribution", "attributes": {"low": 1, "high": 2}}')
    assert (old.class_name, old.kind, old.log) == ("LogUniformDistribution", "float", True)
    assert old.to_json() == '{"name": "LogUniformDistribution", "attributes": {"low": 1.0, "high": 2.0}}'
    assert old != parse_spec("x", "log(1, 2)")


def test_a_distribution_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        parse_spec("x", "float(0, 1)").low = 5


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda known: pickle.loads(pickle.dumps(known))])
def test_copies_are_equal(copied: Any) -> None:
    known = parse_spec("x", "1 | 1.0 | true")
    assert copied(known) == known
    assert hash(copied(known)) == hash(known)
    assert known != parse_spec("x", "1.0 | 1 | true")


@pytest.mark.parametrize("step", ["0.1", "0.7", "1e-5", "1e-3"])
@pytest.mark.filterwarnings("ignore:.* is not divisible by the step")
def test_the_upper_bound_moves_to_the_grid_as_people_write_it(step: str) -> None:
    high = parse_spec("x", f"float(0.1, 0.95, step={step})").high
    assert (Fraction(str(high)) - Fraction("0.1")) % Fraction(step) == 0
    assert Fraction("0.95") - Fraction(str(high)) < Fraction(step)
