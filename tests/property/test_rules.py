"""Small spaces with conditions, derived values and constraints, against every combination of their values tried one by one."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import journaltune
from journaltune.base.errors import ExhaustedError, SpaceError
from journaltune.space import Space, space_from_params
from journaltune.space.counting import points

if TYPE_CHECKING:
    from collections.abc import Callable

    Values = dict[str, Any]
    Holds = Callable[[Values], bool | None]


class Rule(NamedTuple):
    """An expression, and an independent reading of it: None where it hangs on an absent parameter."""

    text: str
    holds: Holds


class Drawn(NamedTuple):
    specs: dict[str, str]
    choices: dict[str, list[Any]]  # of the searched parameters
    conditions: dict[str, Rule]
    derived: dict[str, tuple[str, Callable[[Values], int | None]]]
    require: list[Rule]

    def space(self) -> Space:
        return space_from_params(self.specs, [rule.text for rule in self.require])

    def brute_force(self) -> list[Values]:
        """Every allowed configuration, by trying all combinations."""
        found: dict[str, Values] = {}
        for combination in product(*self.choices.values()):
            values: Values = {}
            for name, value in zip(self.choices, combination, strict=True):
                if name not in self.conditions or self.conditions[name].holds(values) is True:
                    values[name] = value
            for name, (_, compute) in self.derived.items():
                value = compute(values)
                if value is not None:
                    values[name] = value
            if all(rule.holds(values) is not False for rule in self.require):
                found[repr(sorted(values.items()))] = values
        return list(found.values())


def _comparison(name: str, choices: list[Any], draw: st.DrawFn) -> Rule:
    value = draw(st.sampled_from(choices))
    if isinstance(value, str):
        sign = draw(st.sampled_from(["==", "!="]))
    else:
        sign = draw(st.sampled_from(["==", "!=", "<", "<=", ">", ">="]))
    compare: dict[str, Callable[[Any, Any], bool]] = {
        "==": lambda a, b: a == b,
        "!=": lambda a, b: a != b,
        "<": lambda a, b: a < b,
        "<=": lambda a, b: a <= b,
        ">": lambda a, b: a > b,
        ">=": lambda a, b: a >= b,
    }
    return Rule(f"{name} {sign} {value}", lambda values: compare[sign](values[name], value) if name in values else None)


def _not(one: bool | None) -> bool | None:
    return None if one is None else not one


def _and(one: bool | None, other: bool | None) -> bool | None:
    if one is False or other is False:
        return False
    return None if one is None or other is None else True


def _rule(choices: dict[str, list[Any]], draw: st.DrawFn) -> Rule:
    names = list(choices)
    first = _comparison(one := draw(st.sampled_from(names)), choices[one], draw)
    shape = draw(st.sampled_from(["plain", "not", "and", "or"]))
    if shape == "plain":
        return first
    if shape == "not":
        return Rule(f"not {first.text}", lambda values: _not(first.holds(values)))
    second = _comparison(other := draw(st.sampled_from(names)), choices[other], draw)
    if shape == "and":
        return Rule(f"{first.text} and {second.text}", lambda values: _and(first.holds(values), second.holds(values)))
    return Rule(
        f"({first.text}) or {second.text}",
        lambda values: _not(_and(_not(first.holds(values)), _not(second.holds(values)))),
    )


_KINDS: dict[str, list[Any]] = {
    "red | green | blue": ["red", "green", "blue"],
    "int(1, 4)": [1, 2, 3, 4],
    "ordered(8, 16, 64)": [8, 16, 64],
    "float(0, 1, step=0.5)": [0.0, 0.5, 1.0],
    "int(0, 6, step=3)": [0, 3, 6],
}


@st.composite
def spaces(draw: st.DrawFn) -> Drawn:
    drawn = Drawn({}, {}, {}, {}, [])
    for name in ("a", "b", "c", "d")[: draw(st.integers(2, 4))]:
        spec = draw(st.sampled_from(list(_KINDS)))
        if drawn.choices and draw(st.booleans()):
            rule = drawn.conditions[name] = _rule(drawn.choices, draw)
            drawn.specs[name] = f"{spec} if {rule.text}"
        else:
            drawn.specs[name] = spec
        drawn.choices[name] = _KINDS[spec]
    numbers = [name for name, choices in drawn.choices.items() if not isinstance(choices[0], str)]
    known = dict(drawn.choices)
    if len(numbers) > 1 and draw(st.booleans()):
        one, other = numbers[:2]
        drawn.specs["twice"] = f"= 2 * {one} + {other}"
        drawn.derived["twice"] = (
            drawn.specs["twice"],
            lambda values: 2 * values[one] + values[other] if one in values and other in values else None,
        )
        known["twice"] = [3, 10, 40]
    drawn.require.extend(_rule(known, draw) for _ in range(draw(st.integers(0, 2))))
    return drawn


def _set(configurations: list[Values]) -> set[str]:
    return {repr(sorted(each.items())) for each in configurations}


def _until_exhausted(study: journaltune.Study, most: int) -> list[Values]:
    asked: list[Values] = []
    for _ in range(most):
        try:
            trial = study.ask()
        except ExhaustedError:
            break
        asked.append(trial.params)
        study.tell(trial, 1.0)
    return asked


@settings(max_examples=100, deadline=None)
@given(spaces())
def test_the_configurations_are_those_of_brute_force(drawn: Drawn) -> None:
    space, expected = drawn.space(), drawn.brute_force()
    assert space.n_points() == len(expected)
    if space.rules is not None:
        found = [space.decode(point) for point in points(space.rules, 100_000)]
        assert len(found) == len(expected)
        assert _set(found) == _set(expected)


@settings(max_examples=70, deadline=None)
@given(spaces())
def test_a_configuration_is_encoded_and_decoded_as_it_is(drawn: Drawn) -> None:
    space = drawn.space()
    assert Space.from_config(space.to_config()) == space
    for values in drawn.brute_force():
        internal = space.encode(values)
        assert space.is_whole(internal)
        assert space.settled(internal) == internal
        assert space.decode(internal) == values
        assert space.encode({name: value for name, value in values.items() if name not in drawn.derived}) == internal


@settings(max_examples=14, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=spaces(), sampler=st.sampled_from(["grid", "bruteforce"]), seed=st.integers(0, 1000))
def test_samplers_that_end_try_each_configuration_once(tmp_path: Path, drawn: Drawn, sampler: str, seed: int) -> None:
    expected = drawn.brute_force()
    path = tmp_path / f"{sampler}{seed}{len(list(tmp_path.iterdir()))}.journal"
    if not expected:
        with pytest.raises(SpaceError):
            journaltune.create_study(path, params=drawn.space(), seed=seed, sampler=sampler)
        return
    study = journaltune.create_study(path, params=drawn.space(), seed=seed, sampler=sampler)
    asked = _until_exhausted(study, len(expected) + 1)
    assert len(asked) == len(expected)
    assert _set(asked) == _set(expected)
    assert study.verify().difference is None


@pytest.mark.filterwarnings("ignore:.*random draws keep")
@pytest.mark.parametrize("sampler", ["random", "tpe", "auto", "nsgaii"])
@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=spaces(), seed=st.integers(0, 1000))
def test_whatever_is_suggested_is_allowed_and_verifies(tmp_path: Path, sampler: str, drawn: Drawn, seed: int) -> None:
    expected = drawn.brute_force()
    if not expected:
        return
    path = tmp_path / f"{sampler}{seed}{len(list(tmp_path.iterdir()))}.journal"
    study = journaltune.create_study(path, params=drawn.space(), seed=seed, sampler=sampler)
    allowed = _set(expected)
    for number in range(16):
        trial = study.ask()
        assert repr(sorted(trial.params.items())) in allowed
        study.tell(trial, float(number % 5))
    assert study.verify().difference is None


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=spaces(), seed=st.integers(0, 1000))
def test_every_configuration_can_be_drawn(tmp_path: Path, drawn: Drawn, seed: int) -> None:
    """Without duplicates, a random search that goes on until the space is exhausted has tried all."""
    expected = drawn.brute_force()
    if not 0 < len(expected) <= 100:
        return
    path = tmp_path / f"{seed}{len(list(tmp_path.iterdir()))}.journal"
    study = journaltune.create_study(path, params=drawn.space(), seed=seed, sampler="random", duplicates="resample")
    asked = _until_exhausted(study, len(expected) + 1)
    assert _set(asked) == _set(expected)
