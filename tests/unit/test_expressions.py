"""Conditions, constraints and derived values: what they mean, what is refused, and that no text runs, hangs or crashes."""

from __future__ import annotations

import itertools
import math
import pickle
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journaltune.base.errors import SpaceError
from journaltune.space.expressions import UNKNOWN, Expression, Uncomputable, parse

KNOWN: dict[str, Any] = {
    "layers": "number",
    "width": "number",
    "opt": ("adam", "sgd", "adam-w", "nested"),
    "other_opt": ("sgd", "adam"),
    "nested": ("sgd", 3),
    "algo": ("tabu", "anneal", 1, None),
    "flag": (True, False),
    "other": (True, False),
    "w": (1, 2.0, 4),
    "restart:after": ("never", 10, 100),
    "temp-start": "number",
    "learning rate": "number",
    "we`ird": "number",
    "not": "number",
    "order": None,
    "conv.kernel": (3, 5),
    "mix": (True, 1, "1"),
    "date": ("2024-01-01", "3x3", "1"),
    "beta": ("x", "opt"),
    "min": "number",
    "größe": "number",
}
PARAMS: dict[str, Any] = {
    "layers": 3,
    "width": 4.5,
    "opt": "sgd",
    "other_opt": "adam",
    "nested": "sgd",
    "flag": True,
    "w": 2.0,
    "restart:after": 10,
    "temp-start": 7,
    "learning rate": 0.5,
    "we`ird": 1,
    "not": 2,
    "conv.kernel": 5,
    "mix": True,
    "date": "3x3",
    "beta": "x",
    "min": 9,
    "größe": 6,
}


def read(text: str, truth: bool = False) -> Expression:
    return parse("require", text, KNOWN, truth)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("layers * width <= 4096", True),
        ("layers*width>4096", False),
        ("1 < layers < 4", True),
        ("1 < layers < 3 < width", False),
        ("opt == sgd", True),
        ("adam == opt", False),
        ("(sgd) == opt", True),
        ("opt != sgd", False),
        ('opt == "adam-w"', False),
        ("opt == 'sgd'", True),
        ("'s\\u0067d' == opt", True),
        ("opt in (adam, sgd)", True),
        ("opt in [adam, 'adam-w',]", False),
        ("opt in (sgd)", True),
        ("opt not in [adam]", True),
        ("not opt in [adam]", True),
        ("not opt == adam", True),
        ("sgd in (opt, other_opt)", True),
        ("opt == other_opt", False),
        ("opt == nested", True),  # a declared parameter wins over a choice of that name
        ('opt == "nested"', False),
        ("not (opt == adam and layers > 1)", True),
        ("flag", True),
        ("flag == true", True),
        ("(layers > 2) == flag", True),
        ("(layers > 3) != (width > 3)", True),
        ("true == flag == (1 < 2)", True),
        ("true or 1 < 2 and false", True),
        ("`restart:after` == 10", True),
        ("`temp-start` - 1", 6),
        ("`learning rate` > 0.1", True),
        ("`we``ird` + `not`", 3),
        ("min + min(1, min, 2)", 10),
        ("größe", 6),
        ("conv.kernel == 5", True),
        ("w == 2", True),
        ("mix == true", True),
        ("mix == 1", False),
        ("mix in (1, '1')", False),
        ("mix in (1, true)", True),
        ("date == '3x3'", True),
        ("27", 27),
        ("-1.5", -1.5),
        ("'a b'", "a b"),
        ("null", None),
        ("opt", "sgd"),
        ("1 == 1.0", True),
        ("true == (layers == 3)", True),
        ("2 ** layers", 8),
        ("-2 ** 2", -4),
        ("2 ** -1", 0.5),
        ("2 ** 3 ** 2", 512),
        ("7 // 2 * 2 + 7 % 2", 7),
        ("-7 // 2", -4),
        ("-7 % 3", 2),
        ("10 - 3 - 2", 5),
        ("8 / 4 / 2", 1.0),
        ("+-+3", -3),
        (".5 + 5. + 1e3 + 1E-1", 1005.6),
        ("round(2.5) + floor(-0.5) + ceil(0.5) + abs(-2)", 4),
        ("round(width / 4, 1)", 1.1),
        ("max(layers, width, 2)", 4.5),
        ("log(exp(1)) + log2(8) + sqrt(16)", 8.0),
        ("0.1 + 0.2", 0.1 + 0.2),
        ("10 ** 20 + 1", 10**20 + 1),
        ("layers\n  >\t2", True),
        ("layers\xa0> 2", True),
    ],
)
def test_expressions_mean_what_they_say(text: str, expected: Any) -> None:
    found = read(text).value(PARAMS)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("opt == adma", "adma is not a parameter and not a choice of opt; did you mean adam?"),
        ("opt == adam-w", 'adam is not a parameter; write "adam-w"'),
        ("opt==adam-w", 'write "adam-w"'),
        ("opt in (sgd, adam-w)", 'write "adam-w"'),
        ("opt == rmsprop", "rmsprop is not a parameter and not a choice of opt; it is one of adam, sgd, adam-w, nested"),
        ('opt == "rmsprop"', "rmsprop is not a choice of opt; it is one of adam, sgd, adam-w, nested"),
        ("opt == 3", "3 is not a choice of opt"),
        ("w == 3", "3 is not a choice of w; it is one of 1, 2.0, 4"),
        ("w in (1, 1 + 2)", "3 is not a choice of w"),
        ("flag == 1", "1 is not a choice of flag; it is one of true, false"),
        ("algo == true", "true is not a choice of algo; it is one of tabu, anneal, 1, null"),
        ("date == 1", '1 is not a choice of date; it is one of "2024-01-01", "3x3", "1"'),
        ("date == 2024-01-01", 'write "2024-01-01"'),
        ("date == 3x3", 'write "3x3"'),
        ("beta == opt", 'beta is never equal to opt; to mean the choice, write "opt"'),
        ("opt == beta", "opt is never equal to beta"),
        ("restart:after == 10", "write `restart:after`"),
        ("temp-start > 3", "temp is not a parameter; write `temp-start`"),
        ("learning rate > 3", "write `learning rate`"),
        ("we`ird > 3", "the closing ` is missing"),
        ("not > 3", "write `not`"),
        ("layrs > 3", "layrs is not a parameter; did you mean layers?"),
        ("`temp_start` > 3", "did you mean `temp-start`?"),
        ("momentum > 3", "momentum is not a parameter; declare it, or quote it"),
        ("layers == adam", "adam is not a parameter; write opt == adam"),
        ("opt == adam or sgd", "sgd is not a parameter; write opt == sgd"),
        ("adam", "adam is not a parameter; write opt == adam"),
        ("adam == sgd", "is not a parameter"),
        ("layers == null", "layers is never equal to null; an absent parameter is not null"),
        ('layers == "3"', "layers is never equal to a text"),
        ("opt == layers", "opt is never equal to layers"),
        ("(layers > 3) == 1", "true or false is never equal to a number"),
        ("order == 3", "order is a permutation or a simplex, which an expression can't read"),
        ("opt < 3", "opt is not always a number: it is one of adam, sgd, adam-w, nested"),
        ("algo + 1", "algo is not always a number"),
        ("-flag", "flag is not always a number"),
        ("abs(opt)", "opt is not always a number"),
        ('"a" + 1', "a text stands where a number belongs"),
        ("null < 1", "null stands where a number belongs"),
        ("(layers > 1) + 1", "true or false stands where a number belongs"),
        ("layers and flag", "what `and` joins is not a condition but layers alone"),
        ("not layers", "what follows `not` is not a condition but layers alone"),
        ("flag or 3", "what `or` joins is not a condition but a number"),
        ("flag or opt", "what `or` joins is not a condition but opt alone"),
        ("layers = 3", "`=` has no meaning here; write =="),
        ("layers === 3", "write =="),
        ("layers <> 3", "write !="),
        ("layers => 3", "write >="),
        ("layers =< 3", "write <="),
        ("layers ≤ 3", "write <="),
        ("layers ^ 3", "write **"),
        ("layers > 3 && flag", "`&&` has no meaning here; write and"),
        ("layers > 3 || flag", "write or"),
        ("opt == adam | sgd", "write or"),
        ("!flag", "write not"),
        ("flag is true", "write =="),
        ("layers is not 3", "write !="),
        ("flag AND other", "write and"),
        ("flag == True", "write true"),
        ("algo == None", "write null"),
        ("flag if other", "`if` is not expected there"),
        ("layers 3", "`3` is not expected there"),
        ("layers >", "a value is missing before the end"),
        ("* 3", "a value is missing before `*`"),
        ("(layers > 3", ") is missing before the end"),
        ("layers > 3)", "`)` is not expected there"),
        ("", "the expression is empty"),
        (" \n", "the expression is empty"),
        ("()", "a value is missing before `)`"),
        ("layers == not flag", "`not` binds less than what stands before it"),
        ("(1, 2)", "lists follow `in`"),
        ("[1]", "lists follow `in`"),
        ("opt in adam", "`in` takes a list"),
        ("opt in ()", "the list is empty"),
        ("opt in (adam", ") is missing"),
        ("opt in [adam)", "`)` is not expected there"),
        ("layers in (1, 2) == true", "put round brackets"),
        ("1 < layers in (3, 4)", "put round brackets"),
        ("min(layers)", "write min(x, y, ...)"),
        ("log(layers, 2)", "write log(x)"),
        ("round()", "write round(x) or round(x, digits)"),
        ("foo(3)", "there is no foo(...); there are min, max, abs"),
        ("sqr(3)", "did you mean sqrt?"),
        ("int(width)", "write floor(x)"),
        ("layers / 0", "it divides by zero"),
        ("layers % (1 - 1)", "it divides by zero"),
        ("layers > 1 / 0", "1 / 0: it divides by zero"),
        ("0 ** -1", "0 ** -1 can't be computed: it divides by zero"),
        ("log(0)", "a logarithm or a root of a number that has none"),
        ("1 + sqrt(-1) > 3", "sqrt(-1) can't be computed"),
        ("(-8) ** 0.5", "a root of a number that has none"),
        ("1e308 * 10", "a number in it gets too large"),
        ("1e400 < layers", "1e400 is too large for a float"),
        ("9" * 350, "too large for a float"),
        ("1_000 < layers", "1_000 is not a number"),
        ("007 < layers", "007 begins with a zero"),
        ("0x10 < layers", "0x10 is not a number"),
        (".5.5", ".5.5 is not a number"),
        ("opt == 'adam", "the closing ' is missing"),
        (r'opt == "\x41"', "unknown escape"),
        ("opt == '\0'", "NUL"),
        ("``", " is not a parameter"),
        ("layers; layers", "`;` has no meaning here"),
        ("__import__('os')", "there is no __import__(...)"),
        ("layers.__class__", "is not a parameter"),
        ("lambda: 0", "`:` has no meaning here"),
        ("\ud800 > 3", "has no meaning here"),
    ],
)
def test_what_shows_before_any_trial_is_refused_with_a_hint(text: str, message: str) -> None:
    with pytest.raises(SpaceError) as caught:
        read(text)
    shown = str(caught.value)
    assert shown.startswith("require: ")
    assert message in shown
    assert shown.isprintable()
    assert len(shown) < 400


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("layers", "that is not a condition but layers alone; compare it with something"),
        ("3", "that is not a condition but a number"),
        ("'a'", "that is not a condition but a text"),
        ("layers + 1", "that is not a condition but a number"),
        ("mix", "that is not a condition but mix alone"),
        ("opt", "that is not a condition but opt alone"),
    ],
)
def test_a_condition_is_true_or_false(text: str, message: str) -> None:
    read(text)
    with pytest.raises(SpaceError) as caught:
        read(text, truth=True)
    assert message in str(caught.value)


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(SpaceError, match=r"require: an expression is text, such as .*, not a bool"):
        parse("require", True, KNOWN)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "names"),
    [("opt == sgd and `temp-start` > layers > opt2", ()), ("width > layers or layers > 3", ("width", "layers")), ("1 < 2", ())],
)
def test_the_names_are_the_parameters_that_are_read_in_order(text: str, names: tuple[str, ...]) -> None:
    if not names and "opt2" in text:
        found = parse("x", text, {**KNOWN, "opt2": "number"}).names
        assert found == ("opt", "temp-start", "layers", "opt2")
    else:
        assert read(text).names == names


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("layers > 3", (True, False)),
        ("layers + 1", "number"),
        ("w * 2", "number"),
        ("opt", ("adam", "sgd", "adam-w", "nested")),
        ("layers", "number"),
        ("27", (27,)),
        ("'a'", ("a",)),
        ("2 ** 3", (8,)),
    ],
)
def test_what_is_known_of_a_value_lets_other_expressions_read_it(text: str, known: Any) -> None:
    assert read(text).known == known
    assert parse("x", "derived", {"derived": read(text).known}).known == known


LOGIC = {True: 1.0, False: 0.0, UNKNOWN: 0.5}


def condition(depth: int) -> st.SearchStrategy[Any]:
    leaf = st.sampled_from(["a", "b", "c"])
    if depth == 0:
        return leaf
    below = condition(depth - 1)
    return st.one_of(
        leaf,
        st.tuples(st.just("not"), below),
        st.tuples(st.sampled_from(["and", "or"]), st.lists(below, min_size=2, max_size=4)),
    )


def shown(tree: Any) -> str:
    if isinstance(tree, str):
        return tree
    return f"(not {shown(tree[1])})" if tree[0] == "not" else f"({f' {tree[0]} '.join(map(shown, tree[1]))})"


def kleene(tree: Any, values: dict[str, float]) -> float:
    """Kleene's logic as numbers: `and` is the least, `or` the largest, unknown stands in the middle."""
    if isinstance(tree, str):
        return values[tree]
    if tree[0] == "not":
        return 1 - kleene(tree[1], values)
    return (min if tree[0] == "and" else max)(kleene(part, values) for part in tree[1])


@given(condition(3))
def test_conditions_over_absent_parameters_are_kleenes(tree: Any) -> None:
    found = parse("x", shown(tree), dict.fromkeys("abc", (True, False)), truth=True)
    for values in itertools.product([True, False, UNKNOWN], repeat=3):
        params = {name: value for name, value in zip("abc", values, strict=True) if value is not UNKNOWN}
        expected = kleene(tree, {name: LOGIC[value] for name, value in zip("abc", values, strict=True)})
        assert found.holds(params) is {1.0: True, 0.0: False, 0.5: None}[expected]
        assert found.value(params) is {1.0: True, 0.0: False, 0.5: UNKNOWN}[expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("layers > 3", None),
        ("layers == layers", None),
        ("layers * 0 == 0", None),
        ("not layers > 3", None),
        ("layers > 3 or width > 4", True),
        ("width > 4 or layers > 3", True),
        ("width < 4 and layers > 3", False),
        ("layers > 3 and width < 4", False),
        ("layers > 3 and width > 4", None),
        ("layers < width < 4", False),
        ("layers < width < 5", None),
        ("5 < width < layers", False),
        ("layers < 3 < width", None),
        ("width in (layers, 4.5)", True),
        ("width in (layers, 4)", None),
        ("width not in (layers, 4.5)", False),
        ("width not in (layers, 4)", None),
        ("layers in (1, 2)", None),
        ("opt == adam", None),
        ("opt in (adam, sgd)", None),
        ("(layers > 3) == flag", None),
        ("(layers > 3) in (true, false)", None),
        ("min(layers, width) < 99", None),
        ("algo == null", None),
    ],
)
def test_what_hangs_on_an_absent_parameter_is_unknown(text: str, expected: bool | None) -> None:
    assert read(text, truth=True).holds({"width": 4.5, "flag": True}) is expected


@pytest.mark.parametrize("text", ["layers", "opt", "flag", "layers + 1", "-layers", "max(1, layers)", "algo"])
def test_a_value_that_hangs_on_an_absent_parameter_is_unknown(text: str) -> None:
    assert read(text).value({}) is UNKNOWN


def test_null_is_a_value() -> None:
    assert read("algo").value({"algo": None}) is None
    assert read("algo == null").value({"algo": None}) is True


@pytest.mark.parametrize(
    ("text", "params", "why"),
    [
        ("width / layers", {"width": 1, "layers": 0}, "it divides by zero"),
        ("width % layers > 1", {"width": 1.5, "layers": 0.0}, "it divides by zero"),
        ("0 ** layers", {"layers": -1}, "it divides by zero"),
        ("log(layers)", {"layers": 0}, "a logarithm or a root"),
        ("sqrt(layers) > 1", {"layers": -1}, "a logarithm or a root"),
        ("layers ** 0.5", {"layers": -1}, "a logarithm or a root"),
        ("layers ** layers ** layers", {"layers": 9}, "too large"),
        ("2 ** layers", {"layers": 10**300}, "too large"),
        ("2.5 ** layers", {"layers": 10**300}, "too large"),
        ("exp(layers)", {"layers": 1000}, "too large"),
        ("layers * 10", {"layers": 1e308}, "too large"),
        ("layers - width", {"layers": 1e308, "width": -1e308}, "too large"),
        ("layers * width > 1", {"layers": 10**200, "width": 10**200}, "too large"),
        ("layers + 1", {"layers": math.nan}, "too large"),
        ("round(layers, width)", {"layers": 5, "width": -(10**9)}, "digits of round"),
        ("round(layers, width)", {"layers": 5, "width": 1.0}, "digits of round"),
        ("layers < 3", {"layers": "a"}, "what is no number"),
        ("layers < width", {"layers": "a", "width": "b"}, "what is no number"),
        ("layers * 1000000000000", {"layers": "aaaa"}, "what is no number"),
        ("layers % 3", {"layers": "%999999999d"}, "what is no number"),
        ("layers + 1", {"layers": None}, "what is no number"),
        ("layers + 1", {"layers": True}, "what is no number"),
        ("layers + 1", {"layers": [1]}, "what is no number"),
        ("flag and 1 < 2", {"flag": "yes"}, "true or false"),
        ("flag and 1 < 2", {"flag": 1}, "true or false"),
    ],
)
def test_what_has_no_value_says_why(text: str, params: dict[str, Any], why: str) -> None:
    found = read(text)
    with pytest.raises(Uncomputable) as caught:
        found.value(params)
    assert str(caught.value).startswith(f"{text} can't be computed: ")
    assert why in str(caught.value)
    assert isinstance(caught.value, SpaceError)


def test_what_decides_first_spares_the_rest() -> None:
    guarded = read("layers != 0 and width / layers > 1")
    assert guarded.holds({"layers": 0, "width": 1}) is False
    assert read("layers < 0 < 1 / layers").holds({"layers": 0}) is False
    for text in ("width / layers > 1 and layers != 0", "layers in (layers, 1 / layers)"):
        with pytest.raises(Uncomputable):
            read(text).holds({"layers": 0, "width": 1})


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("  layers > 3  ", "layers > 3"),
        ("layers\n\t >\r\n 3\n", "layers > 3"),
        ("opt ==\n'adam-w'", "opt == 'adam-w'"),
        ("'a\n\tb\\n'", r'"a\n\tb\n"'),
        ("'\u2028' == opt2 or\n`temp-start`> 3", '"\\u2028" == opt2 or `temp-start`> 3'),
    ],
)
def test_the_text_is_one_line_with_the_same_meaning(text: str, line: str) -> None:
    known = {**KNOWN, "opt2": ("\u2028", "x")}
    found = parse("x", text, known)
    assert found.text == line
    params = {"opt": "adam-w", "layers": 4, "opt2": "\u2028"}
    assert parse("x", line, known).value(params) == found.value(params)


def test_expressions_pickle() -> None:
    found = parse("require", "opt == sgd and layers > 3", KNOWN, truth=True)
    again = pickle.loads(pickle.dumps(found))
    assert (again.text, again.names, again.known) == (found.text, found.names, found.known)
    assert again.holds({"opt": "sgd", "layers": 4}) is True
    assert pickle.loads(pickle.dumps(UNKNOWN)) is UNKNOWN


NUMBERS = {"abs": abs, "min": min, "max": max, "round": round, "floor": math.floor, "ceil": math.ceil, "sqrt": math.sqrt}
NUMBERS |= {"log": math.log, "log2": math.log2, "exp": math.exp}
TREE_KNOWN = {"i": "number", "x": "number", "b": (True, False), "s": ("p", "q"), "n": (1, 2, 3)}


def joined(template: str, *parts: st.SearchStrategy[list[str]]) -> st.SearchStrategy[list[str]]:
    """Texts of a whole and of all its parts, the whole first."""

    def join(found: tuple[list[str], ...]) -> list[str]:
        return [template.format(*(part[0] for part in found)), *itertools.chain(*found)]

    return st.tuples(*parts).map(join)


def texts(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[list[str]]:
    return strategy.map(lambda value: [repr(value)])


def names(*given_names: str) -> st.SearchStrategy[list[str]]:
    return st.sampled_from([[name] for name in given_names])


def number(depth: int) -> st.SearchStrategy[list[str]]:
    leaf = st.one_of(names("i", "x", "n"), texts(st.integers(0, 20)), texts(st.floats(0, 1e3)))
    if depth == 0:
        return leaf
    below = number(depth - 1)
    binary = [joined("{} %s {}" % sign, below, below) for sign in ("+", "-", "*", "/", "//", "%")]  # noqa: UP031
    bracketed = [joined("({} %s {})" % sign, below, below) for sign in ("+", "-", "*", "/", "//", "%")]  # noqa: UP031
    unary = [joined(template, below) for template in ("-{}", "+{}", "({})", "{} ** 2", "{} ** -1", "{} ** 0.5", "-{} ** 3")]
    one = [joined(name + "({})", below) for name in ("abs", "round", "floor", "ceil", "sqrt", "log", "log2", "exp")]
    two = [joined(name + "({}, {})", below, below) for name in ("min", "max")]
    return st.one_of(leaf, *binary, *bracketed, *unary, *one, *two)


def truth(depth: int) -> st.SearchStrategy[list[str]]:
    a_number = number(2)
    signs = ("==", "!=", "<", "<=", ">", ">=")
    leaf = st.one_of(
        names("b", "s == 'p'", "'q' != s", "s in ('p', 'q')", "s not in ['q']", "n in (1, 3)", "True", "b == False"),
        *[joined("{} %s {}" % sign, a_number, a_number) for sign in signs],  # noqa: UP031
        joined("{} < {} <= {}", a_number, a_number, a_number),
        joined("{} in ({}, {})", a_number, a_number, a_number),
    )
    if depth == 0:
        return leaf
    below = truth(depth - 1)
    wide = [joined(template, below, below) for template in ("{} and {}", "{} or {}", "({} or {})", "({}) == ({})")]
    return st.one_of(leaf, joined("not {}", below), joined("(not {})", below), joined("({})", below), *wide)


def by_python(text: str, params: dict[str, Any]) -> Any:
    """What Python makes of it; None if that is an error, complex, or beyond the largest float."""
    try:
        value = eval(text, {"__builtins__": {}, **NUMBERS, **params})
        return value if -1.7976931348623157e308 <= value <= 1.7976931348623157e308 else None
    except (ArithmeticError, ValueError, TypeError):
        return None


@given(
    st.one_of(number(3), truth(2)),
    st.fixed_dictionaries(
        {
            "i": st.integers(-5, 5),
            "x": st.floats(-1e3, 1e3),
            "b": st.booleans(),
            "s": st.sampled_from(["p", "q"]),
            "n": st.sampled_from([1, 2, 3]),
        }
    ),
)
def test_expressions_come_to_what_python_makes_of_them(tree: list[str], params: dict[str, Any]) -> None:
    ours = tree[0].replace("True", "true").replace("False", "false")
    expected = by_python(tree[0], params)
    found = value_or_refusal(lambda: parse("x", ours, TREE_KNOWN).value(params))
    if isinstance(found, SpaceError):  # Uncomputable too. Some part has to be at fault.
        assert any(by_python(part, params) is None for part in tree) or "is not a choice of n" in str(found), found
    else:
        assert (found, type(found)) == (expected, type(expected)), ours


def value_or_refusal(function: Callable[[], Any]) -> Any:
    try:
        return function()
    except SpaceError as error:
        return error


WORDS = r"""layers width opt flag adam algo w order `temp-start` ` " ' "sgd" 1 2.5 1e9 99999999999999999999 and or not in
== != < <= + - * / // % ** = && | , . true null ( ) ( ) [ ] min( log( round( exp( x if is \ é 😀"""
SOUP = [*WORDS.split(), "not in", "\n", "\x00", "\ud800"]


def check_any(text: str) -> None:
    found = value_or_refusal(lambda: read(text))
    if isinstance(found, SpaceError):
        assert str(found).startswith("require: ")
        assert str(found).isprintable()
        return
    assert not any(char < " " or "\x7f" <= char <= "\x9f" or char in "\u2028\u2029" for char in found.text)
    assert read(found.text).names == found.names
    for params in (PARAMS, {}, {"layers": 10**15, "width": 1e300, "flag": False}, {"layers": "a", "flag": "b", "opt": 3}):
        value_or_refusal(lambda params=params: found.value(params))


@given(st.lists(st.sampled_from(SOUP), max_size=30).map(" ".join))
def test_a_soup_of_tokens_is_read_or_refused(text: str) -> None:
    check_any(text)
    check_any(text.replace(" ", ""))


@given(st.text(max_size=50))
def test_any_text_is_read_or_refused(text: str) -> None:
    check_any(text)


@pytest.mark.parametrize(
    "text",
    [
        "9**9**9",
        "9**9**9**9**9**9",
        "(((((9**9)**9)**9)**9)**9)**9",
        "layers > 10 ** 10 ** 10",
        "2 ** 1025",
        "(-2) ** 1025",
        "1.5 ** 9999999",
        "exp(exp(exp(exp(9))))",
        "round(5, -1000000000)",
        "1" * 5000,
        "(" * 5000,
        ")" * 5000,
        "(" * 5000 + "1" + ")" * 5000,
        "[" * 5000,
        "not " * 2000 + "flag",
        "-" * 5000 + "1",
        "1" + "**1" * 3000,
        "abs(" * 2000 + "1" + ")" * 2000,
        "`" * 9999,
        "'" * 9999,
        "\\" * 9999,
        "1 < (" * 1500,
        "flag and (flag or (" * 500 + "flag" + "))" * 500,
        "(layers + 1 < (" * 60 + "1" + "))" * 60,
        "layers > 1" + " " * 10_000,
        "=" * 9999,
        "opt == " + "a" * 9000,
        "opt == " + "a-" * 4000,
        "min(" + "1," * 4990 + "opt)",
    ],
)
def test_what_would_cost_much_is_refused(text: str) -> None:
    with pytest.raises(SpaceError) as caught:
        read(text)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 + " * 2400 + "1", 2401),
        ("layers + " * 1000 + "0", 3000),
        ("flag and " * 1000 + "flag", True),
        ("1 " + "< 2 < 3 " * 1 + "!= 4 " * 1000, None),
        ("layers in (" + "1, " * 3000 + "3)", True),
        ("max(" + "1, " * 3000 + "3)", 3),
        ("(" * 99 + "3" + ")" * 99, 3),
        ("2 ** 1023", 2**1023),
        ("(-1) ** (10 ** 300)", 1),
        ("0.5 ** 10 ** 300", 0.0),
        ("2 ** -10 ** 300", 0.0),
    ],
)
def test_long_expressions_that_cost_little_are_read(text: str, expected: Any) -> None:
    if expected is None:
        assert read(text).holds({}) in (True, False)
    else:
        assert read(text).value(PARAMS) == expected


def test_a_thousand_names_are_read_in_one_sum() -> None:
    known = {f"p{i}": "number" for i in range(1000)}
    long = parse("x", " + ".join(known) + " > 0", known)
    assert long.holds(dict.fromkeys(known, 1)) is True
    assert long.names == tuple(known)


def depth() -> int:
    frame, found = sys._getframe(), 0
    while frame is not None:
        frame, found = frame.f_back, found + 1
    return found


def with_room(room: int, function: Callable[[], Any]) -> Any:
    """What the function answers when it may go ``room`` calls deep."""

    def down(left: int) -> Any:
        return function() if left <= 0 else down(left - 1)

    return down(sys.getrecursionlimit() - depth() - room)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 99 + "layers" + ")" * 99,
        "-" * 99 + "layers",
        "1 + (" * 49 + "layers" + ")" * 49,
        "abs(" * 99 + "layers" + ")" * 99,
        "(" * 2000 + "layers" + ")" * 2000,
        "(flag or flag and not 1 < 1 + 2 * -" * 200 + "1",
        "(" * 90 + "layers" + " ** 2 * 0 + 1)" * 90,
    ],
)
def test_the_deepest_nest_needs_half_of_the_stack(text: str) -> None:
    found = with_room(500, lambda: value_or_refusal(lambda: read(text)))
    if isinstance(found, SpaceError):
        assert "nested more than 100 levels deep" in str(found)
    else:
        assert isinstance(with_room(250, lambda: found.value(PARAMS)), int)
