from __future__ import annotations

import pickle
from typing import Any

import pytest

from journaltune.base.errors import SpaceError, SpecError
from journaltune.space import Distribution, Space, parse_spec, space_from_params


def facts(known: Distribution) -> tuple[Any, ...]:
    return known.choices if known.kind == "categorical" else (known.kind, known.low, known.high, known.step, known.log)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("float(0, 1)", ("float", 0.0, 1.0, None, False)),
        (" float ( -1 , +1e0 ) ", ("float", -1.0, 1.0, None, False)),
        ("float(0, 1, step=0.1)", ("float", 0.0, 1.0, 0.1, False)),
        ("float(0, 1, step = .3)", ("float", 0.0, 0.9, 0.3, False)),
        ("log(1e-5, 1e-1)", ("float", 1e-5, 0.1, None, True)),
        ("int(1, 8)", ("int", 1, 8, 1, False)),
        ("int(1, 1e3)", ("int", 1, 1000, 1, False)),
        ("int(0, 10, step=3)", ("int", 0, 9, 3, False)),
        ("int(1, 1024, log)", ("int", 1, 1024, 1, True)),
        ("adam | sgd", ("adam", "sgd")),
        ("adam|sgd", ("adam", "sgd")),
        ("choice(adam, sgd)", ("adam", "sgd")),
        ("choice(adam)", ("adam",)),
        ("resnet-50 | path/to.x | 3x3 | 2024-01-01", ("resnet-50", "path/to.x", "3x3", "2024-01-01")),
        ("log | int | step | choice", ("log", "int", "step", "choice")),
        ("true | True | null | None", (True, "True", None, "None")),
        ("1 | -1 | 1e3 | .5 | 1.0", (1, -1, 1000.0, 0.5, 1.0)),
        ("nan | inf | -inf | 1_000", ("nan", "inf", "-inf", "1_000")),
        ('"1" | \'a, b\' | "it\'s | x"', ("1", "a, b", "it's | x")),
        (r'"say \"hi\"\n" | "\u00e9"', ('say "hi"\n', "é")),
        ("großes-Modell | 模型", ("großes-Modell", "模型")),
        ("float(0,\n  1)", ("float", 0.0, 1.0, None, False)),
    ],
)
@pytest.mark.filterwarnings("ignore:.* is not divisible by the step")
def test_specs_mean_what_they_say(spec: str, expected: tuple[Any, ...]) -> None:
    found = facts(parse_spec("x", spec))
    assert found == expected
    assert list(map(type, found)) == list(map(type, expected))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("log(0, 1)", "lr: log(0, 1): the lower bound of a log must be above 0"),
        ("log(-1, 1)", "the lower bound of a log must be above 0"),
        ("log(1e-400, 1)", "the lower bound of a log must be above 0"),
        ("int(0, 8, log)", "the lower bound of a log of integers must be 1 or more"),
        ("float(1, 0)", "the lower bound is above the upper one; swap them"),
        ("float(0, 1, step=0)", "a step must be above 0"),
        ("int(0, 5, step=-1)", "a step must be above 0"),
        ("int(0, 5, step=0.5)", "0.5 is not an integer"),
        ("int(0.5, 5)", "0.5 is not an integer"),
        ("int(0, 4503599627370497)", "beyond 2**52"),
        ("float(0, inf)", "inf is not a finite number"),
        ("float(nan, 1)", "nan is not a finite number"),
        ("float(0, 1e999)", "1e999 is too large"),
        ("float(0, " + "9" * 350 + ")", "too large for a float"),
        ("float(0, " + "9" * 5000 + ")", "too long for a number"),
        ("float(-1e308, 1e308)", "wider than the largest float"),
        ("float(0, 1, step=1e-300)", "the step is too small"),
        ("float(0, 1, step=1e-9)", "the step is too small"),
        ("float(1e10, 2e10, step=0.1)", "the step is too small"),
        ("float(0.1234567890123456, 5.5, step=0.3333333333333333)", "write the step or the lower bound with fewer digits"),
        ("float(a, 1)", "a is not a finite number"),
        ("float(true, 1)", "true is not a finite number"),
        ("float(0)", "write float(LOW, HIGH) or float(LOW, HIGH, step=S)"),
        ("float(0, 1, 0.1)", "write lr: float(0, 1, step=0.1)"),
        ("float(0, 1, q=0.1)", "write lr: float(0, 1, step=0.1)"),
        ("float(0, 1, step=0.1, step=0.1)", "step is given twice"),
        ("log(1, 2, step=1)", "write log(LOW, HIGH)"),
        ("int(1, 8, log, step=2)", "write int(LOW, HIGH)"),
        ("int(1, 8, linear)", "write lr: int(1, 8)"),
        ("uniform(0, 1)", "there is no uniform(...); write lr: float(0, 1)"),
        ("wavelet(0, 1)", "there is no wavelet(...); write float, log, int or choice"),
        ("choice()", "a value is missing before )"),
        ("choice(a,)", "a value is missing before )"),
        ("choice(a b)", "a comma or ) is missing before b"),
        ("choice(a", "a comma or ) is missing before the end"),
        ("a |", "a value is missing before the end"),
        ("| a", "a value is missing before |"),
        ("a b", "b is not expected there; write lr: choice(a, b)"),
        ("a(b) c", "there is no a(...); write float, log, int or choice"),
        ("a, b", ", is not expected there"),
        ("float(0, 1) | a", "| is not expected there"),
        ("[a, b]", "[ has no meaning here"),
        ("a | a", "the choice a is there twice"),
        ("1 | 1", "the choice 1 is there twice"),
        ("0.0 | -0.0", "the choice -0.0 is there twice"),
        ("\"a\" | 'a'", "the choice a is there twice"),
        ("007 | 008", '007 begins with a zero; write the number without it, or the string "007"'),
        ("9223372036854775808", "more than 64 bits"),
        ('"a', 'the closing " is missing'),
        (r'"\d"', "unknown escape"),
        (r'"\u12"', "unknown escape"),
        (r'"\ud800"', "half a surrogate pair"),
        (r'"\u0000"', "a NUL"),
        ("a\x1bb", "a character that can't be printed; quote it"),
        ("", "lr: the spec is empty; write one"),
        ("  ", "the spec is empty"),
        ("adam", "one value leaves nothing to search; write choice(adam) if that is meant, or adam | ANOTHER"),
        ("0.1", "write choice(0.1) if that is meant"),
        ('"1"', 'write choice("1") if that is meant'),
        ("=", "the expression is missing behind ="),
        ("choice(a=b, c)", "write choice(a, b, c) or choice(small=[64], large=[64, 64])"),
        ("choice(a=[1, 2)", "[ has no meaning here; quote a choice that has it"),
        ("ordered(1, 1)", "the choice 1 is there twice"),
        ("ordered(a=1)", "write ordered(16, 32, 64)"),
        ("permutation(a)", "a permutation has 2 to 1000 items"),
        ("permutation(1)", "a permutation has 2 to 1000 items"),
        ("simplex(1)", "a simplex has 2 to 1000 parts"),
        ("simplex(1, 2)", "the parts of a simplex have words as names"),
        ("normal(0)", "it takes two numbers, or four"),
        ("normal(0, 0)", "the standard deviation must be above 0"),
        ("normal(0, 1, 2, 1)", "the lower bound is not below the upper one"),
        ("lognormal(0, 1, -1, 1)", "a number that has a logarithm is above 0"),
        ("normal(a, b)", "it takes two numbers, or four"),
        ("float(0, 1) if", "the condition is missing behind if"),
        ("(" * 90_000, "a value is missing before ("),
        ("choice(" * 14_000, "a comma or ) is missing before ("),
        ("x" * 10_000_000, "more than 100000 characters"),
    ],
)
def test_a_wrong_spec_is_refused_with_what_to_write_instead(spec: str, message: str) -> None:
    with pytest.raises(SpaceError) as caught:
        parse_spec("lr", spec)
    assert message in str(caught.value)
    assert str(caught.value).startswith("lr: ")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("1e-5..1e-1", "log(1e-5, 1e-1)"),
        ("0.1..1", "float(0.1, 1)"),
        ("0.1-1", "float(0.1, 1)"),
        ("1e-5:1e-1", "log(1e-5, 1e-1)"),
        ("1e-5-1e-1", "log(1e-5, 1e-1)"),
        ("-1--0.5", "float(-1, -0.5)"),
        ("32-256", "int(32, 256)"),
        ("1..10000", "int(1, 10000, log)"),
        ("0..1", "float(0, 1)"),
        ("0 to 1", "float(0, 1)"),
        ("0:1:0.1", "float(0, 1, step=0.1)"),
        ("[0, 1]", "float(0, 1)"),
        ("(1e-5, 1)", "log(1e-5, 1)"),
        ("{1, 2}", "choice(1, 2)"),
        ("[32, 64, 128]", "choice(32, 64, 128)"),
        ("[adam, sgd]", "choice(adam, sgd)"),
        ("[adam]", "choice(adam)"),
        ("adam, 'two words'", "choice(adam, 'two words')"),
        ("adam or sgd", "choice(adam, sgd)"),
        ("float", "float(0, 1)"),
        ("int", "int(1, 8)"),
        ("uniform", "float(0, 1)"),
        ("bool", "true | false"),
        ("loguniform(1e-5, 1)", "log(1e-5, 1)"),
        ("log_uniform_values(1e-5, 1)", "log(1e-5, 1)"),
        ("randint(1, 8)", "int(1, 8)"),
        ("lograndint(1, 64)", "int(1, 64, log)"),
        ("choices(a, b)", "choice(a, b)"),
        ("quniform(0, 1, 0.1)", "float(0, 1, step=0.1)"),
        ("range(2, 9)", "int(2, 8)"),
        ("range(0, 9, 3)", "int(0, 6, step=3)"),
        ("tag(log, interval(0.0001, 0.2))", "log(0.0001, 0.2)"),
        ("trial.suggest_float(0, 1)", "float(0, 1)"),
        ("FloatDistribution(0, 1)", "float(0, 1)"),
        ("float(1e-5, 1, log=True)", "log(1e-5, 1)"),
        ("float(1e-5, 1, log)", "log(1e-5, 1)"),
        ("float(low=0, high=1)", "float(0, 1)"),
        ("int(1, 64, log=true)", "int(1, 64, log)"),
        ("int(0, 8, 2)", "int(0, 8, step=2)"),
        ("int(0.5, 5)", "float(0.5, 5)"),
        ("int(1-8)", "int(1, 8)"),
        ("float(0 1)", "float(0, 1)"),
        ("float(0, 1", "float(0, 1)"),
        ("float[0, 1]", "float(0, 1)"),
        ("flaot(0, 1)", "float(0, 1)"),
        ("Float(0, 1)", "float(0, 1)"),
    ],
)
def test_what_was_meant_is_shown_as_a_spec_that_can_be_read(given: str, meant: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_spec("lr", given)
    assert (caught.value.name, caught.value.meant) == ("lr", meant)
    assert str(caught.value).endswith(f"; write lr: {meant}")
    parse_spec("lr", meant)
    assert pickle.loads(pickle.dumps(caught.value)).meant == meant


@pytest.mark.parametrize(
    "given",
    ["wavelet(0, 1)", "log(1, 2, step=1)", "int(1, 8, log, step=2)", "float(0, 1, mu=3)", "between 0 and 1", "float(a, b)"],
)
def test_a_guess_that_would_lose_something_is_not_made(given: str) -> None:
    with pytest.raises(SpaceError) as caught:
        parse_spec("lr", given)
    assert not isinstance(caught.value, SpecError)


def test_a_stored_spec_of_before_may_be_one_value() -> None:
    assert Space.from_config({"params": {"x": "adam", "y": "5"}}).to_config() == {
        "params": {"x": "choice(adam)", "y": "choice(5)"}
    }


@pytest.mark.parametrize("name", ["lr", "lr rate", "große Lernrate", "模型", "a.b/c-d", "👩‍🔬", "x" * 1000, "if", "1", " "])
def test_any_text_on_one_line_can_be_a_name(name: str) -> None:
    assert list(space_from_params({name: "1 | 2"}).distributions) == [name]


@pytest.mark.parametrize("name", ["", "a\nb", "a\tb", "\x7f", "\x85", "\u2028", "\ud800", "x" * 1001, 5, None, ("a",)])
def test_other_names_are_refused(name: Any) -> None:
    with pytest.raises(SpaceError) as caught:
        space_from_params({name: "1 | 2"})
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 200


def test_what_is_written_is_what_people_write() -> None:
    specs = {
        "a": "log(1e-05, 0.1)",
        "b": "float(0.0, 1.0, step=0.25)",
        "c": "int(1, 8)",
        "d": "int(0, 9, step=3)",
        "e": "int(1, 64, log)",
        "f": 'adam | "two words" | 1 | 1.0 | "1" | true | "true" | null | "if" | "007" | "it\'s"',
    }
    assert Space.from_config({"params": specs}).to_config() == {"params": specs}
