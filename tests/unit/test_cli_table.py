"""Tables: they fit, and what is cut can be seen to be cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journaltune.cli.table import Column, fit, shorten, text_width

FLOATS = ["1.2345678901234567e-05", "0.1"]


def test_columns_line_up_and_numbers_stand_at_the_right() -> None:
    text, dropped = fit([Column("number", ["9", "10"], right=True), Column("opt", ["sgd", "adam"])], 80)
    assert text == "number  opt\n     9  sgd\n    10  adam\n"
    assert dropped == []


def test_the_widest_cells_give_way_first() -> None:
    text, dropped = fit([Column("opt", ["sgd", "adam"]), Column("lr", FLOATS), Column("name", ["x" * 40, "y"])], 30)
    assert text.splitlines() == ["opt   lr           name", "sgd   1.2345…e-05  xxxxxxxxxx…", "adam  0.1          y"]
    assert dropped == []


def test_columns_are_dropped_last_and_by_rank() -> None:
    columns = [Column("number", ["1"]), *(Column(f"p{i}", ["123456789"], rank=1 + i) for i in range(5))]
    text, dropped = fit(columns, 26)
    assert text == "number  p0        p1\n1       1234567…  1234567…\n"
    assert dropped == ["p2", "p3", "p4"]


def test_without_a_width_nothing_is_cut() -> None:
    text, dropped = fit([Column("a", ["x" * 500]), Column("b", ["y"], rank=1)], None)
    assert "x" * 500 in text
    assert dropped == []


@pytest.mark.parametrize(
    ("text", "width", "expected"),
    [
        ("adam", 4, "adam"),
        ("adamant", 4, "ada…"),
        ("1.2345678901234567e-05", 10, "1.234…e-05"),
        ("-1.2345678901234567e-05", 10, "-1.23…e-05"),
        ("0.30000000000000004", 8, "0.30000…"),
        ("deadbeef", 6, "deadb…"),
        ("日本語日本語", 7, "日本語…"),
    ],
)
def test_a_cut_shows_and_a_number_keeps_its_exponent(text: str, width: int, expected: str) -> None:
    assert shorten(text, width) == expected
    assert text_width(expected) <= width


def test_a_cell_can_neither_break_the_line_nor_steer_the_terminal() -> None:
    text, _ = fit([Column("name\n", ["a\nb", "\x1b[2Jc\u202e"])], None)
    assert text == "name\\n\na\\nb\n\\x1b[2Jc\\u202e\n"


@given(
    st.lists(st.tuples(st.text(max_size=30), st.lists(st.text(max_size=60), min_size=2, max_size=2)), max_size=8),
    st.integers(min_value=10, max_value=120),
)
def test_every_line_fits(columns: list[tuple[str, list[str]]], width: int) -> None:
    table = [Column("number", ["1", "2"]), *(Column(name, cells, rank=i + 1) for i, (name, cells) in enumerate(columns))]
    text, dropped = fit(table, width)
    lines = text.removesuffix("\n").split("\n")
    assert len(lines) == 3
    assert all(text_width(line) <= width for line in lines)
    assert len(dropped) <= len(columns)
