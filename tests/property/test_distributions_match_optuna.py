"""Optuna's own code is the reference for every distribution."""

from __future__ import annotations

import json
from typing import Any

import optuna.distributions as reference
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from journaltune.base.errors import SpaceError
from journaltune.space import Distribution, compatible

pytestmark = pytest.mark.filterwarnings("ignore")

# Anything that can stand where a bound, a step or a flag should, with plain numbers the most likely.
decimals = st.builds(lambda digits, exponent: float(f"{digits}e{exponent}"), st.integers(-999, 999), st.integers(-4, 2))
numbers = st.integers(-20, 20) | decimals | st.floats() | st.integers()
scalars = numbers | st.booleans() | st.none() | st.text(max_size=4)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2), max_leaves=5
)
choices = st.lists(scalars, min_size=1, max_size=6)
attributes = {
    "FloatDistribution": {"low": numbers, "high": numbers, "log": st.booleans(), "step": st.none() | numbers},
    "IntDistribution": {"low": numbers, "high": numbers, "log": st.booleans(), "step": st.integers(1, 5) | numbers},
    "CategoricalDistribution": {"choices": choices},
    "UniformDistribution": {"low": numbers, "high": numbers},
    "LogUniformDistribution": {"low": numbers, "high": numbers},
    "DiscreteUniformDistribution": {"low": numbers, "high": numbers, "q": numbers},
    "IntUniformDistribution": {"low": numbers, "high": numbers, "step": st.integers(1, 5) | numbers},
    "IntLogUniformDistribution": {"low": numbers, "high": numbers, "step": st.integers(1, 2)},
}


def with_some_left_out(fields: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    optional = {key: value for key, value in fields.items() if key in ("log", "step")}
    required = {key: value for key, value in fields.items() if key not in optional}
    return st.fixed_dictionaries(required, optional=optional)


named = st.one_of(
    [
        st.fixed_dictionaries({"name": st.just(name), "attributes": with_some_left_out(fields)})
        for name, fields in attributes.items()
    ]
)
abbreviated = st.one_of(
    [
        with_some_left_out({"type": st.just(kind), **attributes[name]})
        for kind, name in (("float", "FloatDistribution"), ("int", "IntDistribution"), ("categorical", "CategoricalDistribution"))
    ]
)
malformed = st.fixed_dictionaries(
    {
        "name": st.sampled_from(sorted(attributes)) | anything,
        "attributes": st.dictionaries(st.sampled_from(["low", "high", "log", "step", "q", "choices"]), anything),
    }
) | st.dictionaries(
    st.sampled_from(["type", "low", "high", "log", "step", "choices", "name"]), anything | st.sampled_from(["int", "float"])
)
distributions = (named | abbreviated).map(json.dumps)


def both(text: str) -> tuple[Distribution, reference.BaseDistribution] | None:
    """The distribution as both read it; None when both refuse."""
    try:
        theirs = reference.json_to_distribution(text)
    except Exception:
        with pytest.raises(ValueError, match=r"."):
            Distribution.from_json(text)
        return None
    return Distribution.from_json(text), theirs


@given((named | abbreviated | malformed | anything).map(json.dumps))
@example('{"type": "float", "low": 0, "high": 1, "step": 0.3}')
@example('{"type": "float", "low": 0.0, "high": 1e+16, "step": 0.1}')
@example('{"type": "float", "low": -0.1, "high": 0.2, "step": 0.1}')
@example('{"type": "float", "low": 0, "high": 1e308, "step": 1e-300}')
@example('{"type": "float", "low": 0.1, "high": 12345678901234567000, "step": 1e-09}')
@example('{"type": "float", "low": NaN, "high": 1, "step": 1}')
@example('{"type": "int", "low": 1.5, "high": 9.5, "step": 2.5}')
@example('{"type": "int", "low": 0, "high": Infinity}')
@example('{"type": "categorical", "choices": []}')
def test_reading_accepts_and_writes_what_optuna_does(text: str) -> None:
    pair = both(text)
    if pair:
        ours, theirs = pair
        assert ours.to_json() == reference.distribution_to_json(theirs)
        if ours.low == ours.low and ours.high == ours.high:  # Optuna's own raises for NaN
            assert ours.single == theirs.single()


@pytest.mark.parametrize(
    "text", ["", "{", "1", "[" * 100_000, '"name"', "null", '{"name": {}}', '{"name": "X", "attributes": {}}']
)
def test_what_optuna_cannot_read_is_a_value_error(text: str) -> None:
    assert both(text) is None


@given(distributions, st.data())
def test_internal_values_are_optunas(text: str, data: st.DataObject) -> None:
    pair = both(text)
    if not pair:
        return
    ours, theirs = pair
    value = data.draw(st.sampled_from(ours.choices) if ours.kind == "categorical" else numbers)
    try:
        internal = ours.to_internal(value)
    except SpaceError:
        assert ours.kind != "categorical"
        assert not accepts(theirs, value)
    else:
        assert theirs._contains(internal)
        expected = next(i for i, choice in enumerate(ours.choices) if same(choice, value)) if ours.choices else None
        assert internal == (theirs.to_internal_repr(value) if expected is None else expected)
        external = ours.to_external(internal)
        assert same(external, theirs.to_external_repr(internal))


def same(one: object, other: object) -> bool:
    return type(one) is type(other) and (one == other or (one != one and other != other))


def accepts(theirs: reference.BaseDistribution, value: object) -> bool:
    try:
        return theirs._contains(theirs.to_internal_repr(value))
    except (ValueError, OverflowError):
        return False


@given(distributions, st.integers(-30, 30) | decimals | st.floats(allow_nan=False, allow_infinity=False))
@example('{"type": "float", "low": 0, "high": 1, "step": 0.1}', 0.30000000000000004)
@example('{"type": "categorical", "choices": ["a"]}', -0.5)
def test_contains_is_optunas(text: str, internal: float) -> None:
    pair = both(text)
    if pair:
        assert pair[0].contains(internal) == pair[1]._contains(internal)


@given(distributions, distributions)
@example('{"type": "categorical", "choices": [1, NaN]}', '{"type": "categorical", "choices": [true, NaN]}')
@example('{"type": "categorical", "choices": [1]}', '{"type": "categorical", "choices": [1, 2]}')
@example('{"type": "float", "low": 1, "high": 2}', '{"name": "UniformDistribution", "attributes": {"low": 1, "high": 2}}')
@example('{"type": "float", "low": 1, "high": 2}', '{"type": "float", "low": 1, "high": 2, "log": true}')
@example('{"type": "int", "low": 1, "high": 2}', '{"type": "int", "low": 1, "high": 20}')
def test_compatibility_is_optunas(old: str, new: str) -> None:
    before, after = both(old), both(new)
    if before and after:
        try:
            reference.check_distribution_compatibility(before[1], after[1])
        except ValueError:
            expected = False
        else:
            expected = True
        assert compatible(before[0], after[0]) == expected
