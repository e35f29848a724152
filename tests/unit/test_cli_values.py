"""From option texts to values."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest

from journaltune.base.errors import UsageError
from journaltune.cli import values

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("5m", 300), ("2h", 7200), ("1d", 86400), ("250ms", 0.25), ("0.2", 0.2), ("1.5h", 5400), ("0", 0)],
)
def test_durations(text: str, seconds: float) -> None:
    assert values.duration(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "5x", "-1s", "1e3", "nan", "inf", "5 m", "1h30m", ".", "1.2.3", "٣s", "9" * 400])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be a duration such as 90"):
        values.duration(text)


@pytest.mark.parametrize("text", ["1_000", "", " ", "0,5", "0x10", "one", "1 2"])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be a number"):
        values.number(text)


def test_numbers_come_as_other_programs_print_them() -> None:
    assert [values.number(text) for text in ("1e-3", " 0.5\n", "+2", "-inf")] == [0.001, 0.5, 2.0, -math.inf]
    assert math.isnan(values.number("-nan"))


@pytest.mark.parametrize("text", ["-1", "1.0", "1_0", "٣", "²", "", "9" * 5000])
def test_what_is_no_whole_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be a whole number of at least 0"):
        values.whole()(text)


def test_a_choice_is_suggested() -> None:
    with pytest.raises(ValueError, match=r"must be one of allow, reuse, not 'alow'; did you mean allow\?"):
        values.one_of("allow", "reuse")("alow")


def test_lists_of_choices() -> None:
    assert values.list_of("a", "b")("b, a") == ("b", "a")
    with pytest.raises(ValueError, match="must be one of a, b, not ''"):
        values.list_of("a", "b")("a,")


@pytest.mark.parametrize(
    ("convert", "text", "value"),
    [
        (values.key_json, 'host="gpu=1"', ("host", "gpu=1")),
        (values.key_json, "n=3", ("n", 3)),
        (values.key_json, "x=[1, null]", ("x", [1, None])),
        (values.name_number, "a=b=-1.5", ("a=b", -1.5)),
        (values.json_object, '{"lr": 0.1}', {"lr": 0.1}),
        (values.word, "oom", "oom"),
    ],
)
def test_pairs_and_json(convert: Callable[[str], Any], text: str, value: object) -> None:
    assert convert(text) == value


@pytest.mark.parametrize(
    ("convert", "text", "complaint"),
    [
        (values.key_json, "host", "must be KEY=JSON, not 'host'"),
        (values.key_json, "=1", "must be KEY=JSON, not '=1'"),
        (values.key_json, "host=gpu1", "must be JSON, not 'gpu1'; a string needs double quotes"),
        (values.key_json, f"n={'9' * 5000}", "must be JSON"),
        (values.key_json, f"deep={'[' * 200_000}", "is nested too deeply"),
        (values.name_number, "memory", "must be NAME=NUMBER, not 'memory'"),
        (values.name_number, "memory=big", "must be a number, not 'big'"),
        (values.json_object, "[1]", "must be a JSON object such as"),
        (values.word, "two words", "must be one word, not 'two words'"),
        (values.word, "", "must be one word"),
    ],
)
def test_what_is_no_pair_or_json_is_refused(convert: Callable[[str], Any], text: str, complaint: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (the message is compared below)
        convert(text)
    assert str(caught.value).startswith(complaint)
    assert len(str(caught.value)) < 200


def test_a_key_given_twice_is_refused() -> None:
    assert values.mapping("--attr", [("a", 1), ("b", 2)]) == {"a": 1, "b": 2}
    with pytest.raises(UsageError, match="--attr is given twice for 'a'; keep one"):
        values.mapping("--attr", [("a", 1), ("b", 2), ("a", 3)])
