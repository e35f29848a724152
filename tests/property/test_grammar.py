"""Whatever the grammar reads, it writes and reads again as the same; whatever else comes, it refuses in one line."""

from __future__ import annotations

import json

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from journaltune.base.errors import SpaceError
from journaltune.space import Distribution, Space, parse_spec, space_from_params

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
names = st.text(st.characters(exclude_characters="\u2028\u2029", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=30)
finite = st.floats(allow_nan=False, allow_infinity=False)
literals = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | finite | texts
exact = st.integers(-(2**52), 2**52)


def as_json(kind: str, **fields: object) -> str:
    return json.dumps({"type": kind, **fields})


choices = st.lists(literals, min_size=1, max_size=8, unique_by=lambda value: (type(value), value)).map(
    lambda values: as_json("categorical", choices=values)
)
floats = st.tuples(finite, finite).map(sorted).map(lambda pair: as_json("float", low=pair[0], high=pair[1]))
logs = (
    st.tuples(finite.filter(lambda x: x > 0), finite.filter(lambda x: x > 0))
    .map(sorted)
    .map(lambda pair: as_json("float", low=pair[0], high=pair[1], log=True))
)
grids = st.tuples(st.integers(-1000, 1000), st.integers(0, 5000), st.integers(1, 300), st.integers(-6, 6)).map(
    lambda t: as_json("float", low=float(f"{t[0]}e{t[3]}"), high=float(f"{t[0] + t[1]}e{t[3]}"), step=float(f"{t[2]}e{t[3]}"))
)
ints = st.tuples(exact, exact, st.integers(1, 10)).map(lambda t: as_json("int", low=min(t[:2]), high=max(t[:2]), step=t[2]))
int_logs = (
    st.tuples(st.integers(1, 2**52), st.integers(1, 2**52))
    .map(sorted)
    .map(lambda pair: as_json("int", low=pair[0], high=pair[1], log=True))
)
distributions = st.one_of(choices, floats, logs, grids, ints, int_logs).map(Distribution.from_json)


@given(st.dictionaries(names, distributions, min_size=1, max_size=5))
def test_a_space_survives_its_stored_form(found: dict[str, Distribution]) -> None:
    assume(all(known.kind != "float" or known.high - known.low != float("inf") for known in found.values()))
    space = Space(found)
    stored = json.loads(json.dumps(space.to_config()))
    again = Space.from_config(stored)
    assert again == space
    assert list(again.distributions) == list(found)
    assert again.to_config() == stored


@given(texts)
@example("a | b, c")
@example('"')
@example("if")
@example("1")
@example("007")
@example("choice(a)")
@example("\\u0041")
@example("\u2028\x85\x1b")
def test_any_text_can_be_a_quoted_choice(text: str) -> None:
    quoted = json.dumps(text, ensure_ascii=False).replace("\\b", "\\u0008").replace("\\f", "\\u000c")
    assume("\\\\u0008" not in quoted and "\\\\u000c" not in quoted)
    assert parse_spec("x", f"{quoted} | 'other one'").choices == (text, "other one")


@given(finite)
def test_a_float_bound_keeps_every_digit(value: float) -> None:
    assert parse_spec("x", f"float({value!r}, {value!r})").low == value


pieces = st.sampled_from(
    [
        "float",
        "log",
        "int",
        "choice",
        "permutation",
        "if",
        "(",
        ")",
        ",",
        "|",
        "=",
        "step",
        "1",
        "-1e-3",
        "0.5",
        "true",
        " ",
        '"a"',
        "'",
        "\\",
        "a",
        "\n",
        "é",
        "\ud800",
        "[",
        "1e999",
    ]
)


def read(text: str) -> Distribution | str:
    """What the grammar makes of ``text``, or its refusal."""
    try:
        return parse_spec("x", text)
    except SpaceError as error:
        return str(error)


@given(st.text() | st.lists(pieces, max_size=12).map("".join))
def test_rubbish_is_read_or_refused_in_one_line(text: str) -> None:
    found = read(text)
    if isinstance(found, str):
        assert found.startswith("x: ")
        assert found.isprintable()
        assert len(found) < 400
    else:
        assert Space.from_config(Space({"x": found}).to_config()) == Space({"x": found})


@given(st.text(st.characters(exclude_characters=":")))
def test_an_item_without_a_colon_is_refused_in_one_line(item: str) -> None:
    with pytest.raises(SpaceError, match=r"the colon is missing; write NAME: SPEC") as caught:
        space_from_params([item])
    assert str(caught.value).isprintable()


@given(st.dictionaries(names, distributions, min_size=1, max_size=4), st.data())
def test_values_go_in_and_come_out_the_same(found: dict[str, Distribution], data: st.DataObject) -> None:
    space = Space(found)
    params = {}
    for name, known in found.items():
        params[name] = data.draw(st.sampled_from(known.choices or (known.low, known.high)))
    decoded = space.decode(space.encode(params))
    assert list(decoded.items()) == list(params.items())
    assert [type(value) for value in decoded.values()] == [type(value) for value in params.values()]
