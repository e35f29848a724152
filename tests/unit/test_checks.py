"""What may be written into a journal: everything that stock readers hold, and nothing else."""

from __future__ import annotations

import decimal
import enum
import json
import math
from typing import Any

import numpy as np
import optuna
import pytest

from journaltune.base import checks
from journaltune.base.errors import UsageError


class Color(enum.IntEnum):
    RED = 1


def nested(depth: int, kind: type) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value] if kind is list else {"a": value}
    return value


@pytest.mark.parametrize("text", ["a", " ", "ü", "🌱", "\x00", "\u2028", "\ufeff", "a" * 10_000])
def test_text_that_is_unicode_passes(text: str) -> None:
    assert checks.text(text, "it") == text


@pytest.mark.parametrize("text", ["", "\ud800", "a\udfffb", b"a", 5, None, ["a"]])
def test_text_that_is_none_is_named_and_refused(text: Any) -> None:
    with pytest.raises(UsageError, match=r"^it "):
        checks.text(text, "it")


@pytest.mark.parametrize(
    "value",
    [None, True, 0, -(2**63), 2**63 - 1, 0.1, 5e-324, "", "ü", [], {}, [1, [2, {"a": None}]], nested(50, list), nested(50, dict)],
)
def test_json_values_come_back_equal_after_a_round_trip(value: Any) -> None:
    stored = checks.storable(value, "it")
    assert stored == value
    assert json.loads(json.dumps(stored)) == value


def test_tuples_are_lists_and_whole_numbers_of_an_enum_are_numbers() -> None:
    assert checks.storable((1, (2,)), "it") == [1, [2]]
    assert json.dumps(checks.storable([Color.RED, np.float64(0.5)], "it")) == "[1, 0.5]"


@pytest.mark.parametrize(
    "value",
    [
        2**63,
        -(2**63) - 1,
        10**4000,
        "\ud800",
        {"a": "\udc00"},
        {"\ud800": 1},
        {1: 1},
        {None: 1},
        nested(100, list),
        nested(100, dict),
        object(),
        {1},
        b"a",
        1j,
        decimal.Decimal(1),
        np.array([1.0]),
        math.nan,
        [math.nan],
    ],
)
def test_values_that_not_every_reader_holds_are_refused(value: Any) -> None:
    with pytest.raises(UsageError) as caught:
        checks.storable(value, "it")
    assert "\n" not in str(caught.value)


def test_a_list_that_holds_itself_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(UsageError, match="deep"):
        checks.storable(endless, "it")


@pytest.mark.parametrize(
    "value", [1, 1.0, True, np.float32(1), np.int8(1), np.bool_(True), decimal.Decimal(1), np.array(1), np.array([1])]
)
def test_every_real_number_is_a_number(value: Any) -> None:
    assert checks.values(value, 1, 0) == [1.0]
    assert type(checks.values(value, 1, 0)[0]) is float  # type: ignore[index]


@pytest.mark.parametrize("value", ["1", b"1", 1j, None, object(), [[1]], 10**400, {}, [None]])
def test_what_is_no_number_is_no_value(value: Any) -> None:
    with pytest.raises(UsageError):
        checks.values([value] if value is None else value, 1, 0)


def test_no_values_are_no_values() -> None:
    assert checks.values(None, 2, 0) is None


@pytest.mark.parametrize("given", [[1, 2], (1, 2), np.array([1, 2]), [np.int64(1), 2.0]])
def test_one_value_for_each_objective(given: Any) -> None:
    assert checks.values(given, 2, 0) == [1.0, 2.0]
    for count in (1, 3):
        with pytest.raises(UsageError, match=f"takes {count} value"):
            checks.values(given, count, 0)


@pytest.mark.parametrize("given", [{"c": math.nan}, {"c": "1"}, {"": 1.0}, {"\ud800": 1.0}, {5: 1.0}, {"c": None}])
def test_constraints_are_names_and_numbers(given: Any) -> None:
    with pytest.raises(UsageError):
        checks.constraints(given)


def test_constraints_that_are_there_are_floats() -> None:
    assert checks.constraints(None) == {}
    assert checks.constraints({"c": np.float32(0.5), "inf": math.inf}) == {"c": 0.5, "inf": math.inf}


@pytest.mark.parametrize(
    ("given", "codes"),
    [
        ("minimize", [1]),
        ("MAXIMIZE", [2]),
        (("minimize", "maximize"), [1, 2]),
        (["maximize"], [2]),
        (optuna.study.StudyDirection.MAXIMIZE, [2]),
        ([optuna.study.StudyDirection.MINIMIZE, "maximize"], [1, 2]),
    ],
)
def test_directions_are_words_or_optunas(given: Any, codes: list[int]) -> None:
    assert checks.directions(given) == codes


@pytest.mark.parametrize("given", [[], "", "up", [None], 1, None, ["minimize", 1], optuna.study.StudyDirection.NOT_SET])
def test_other_directions_are_refused(given: Any) -> None:
    with pytest.raises(UsageError, match="minimize or maximize"):
        checks.directions(given)


def test_one_of_some_words() -> None:
    assert checks.one_of("a", ("a", "b"), "it") == "a"
    for value in ("c", "A", "", None, 5):
        with pytest.raises(UsageError, match="it is one of a, b"):
            checks.one_of(value, ("a", "b"), "it")  # type: ignore[arg-type]
