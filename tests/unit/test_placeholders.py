"""A command's placeholders: what they declare, what stands in their place, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from journaltune.base.errors import UsageError
from journaltune.run.placeholders import CommandLine, Filling, fill


def filling(**params: Any) -> Filling:
    return Filling(3, 77, 2, 1, "/d/000003", "/d/000003/params.json", params)


def filled(*words: str, **params: Any) -> list[str]:
    return CommandLine(words).fill(filling(**params))


@pytest.mark.parametrize(
    ("word", "specs", "text"),
    [
        ("{lr: log(1e-5, 1)}", {"lr": "log(1e-5, 1)"}, "0.1"),
        ("--lr={ lr :  log(1e-5, 1) }", {"lr": "log(1e-5, 1)"}, "--lr=0.1"),
        ("{lr}", {}, "0.1"),
        ("{lr}{lr}", {}, "0.10.1"),
        ("{lr:\tfloat(0, 1)}", {"lr": "float(0, 1)"}, "0.1"),
        ("{opt: \"a}\" | 'b{'}", {"opt": "\"a}\" | 'b{'"}, "adam"),
        (r'{opt: "a\"}" | b}', {"opt": r'"a\"}" | b'}, "adam"),
        ('{opt: choice(x={"k": [1]}, y=2)}', {"opt": 'choice(x={"k": [1]}, y=2)'}, "adam"),
        ("{{print {lr}}}", {}, "{print 0.1}"),
        ("{{}}", {}, "{}"),
        ("a: b", {}, "a: b"),
        ("", {}, ""),
    ],
)
def test_a_placeholder_declares_and_is_replaced(word: str, specs: dict[str, str], text: str) -> None:
    line = CommandLine(["train", word])
    assert line.specs == specs
    assert line.fill(filling(lr=0.1, opt="adam")) == ["train", text]


def test_the_trials_own_placeholders() -> None:
    words = ["{trial}", "{seed}", "{attempt}", "{slot}", "{dir}", "{params_file}"]
    assert filled(*words) == ["3", "77", "2", "1", "/d/000003", "/d/000003/params.json"]


def test_values_are_spelled_as_in_a_shell_loop() -> None:
    assert filled("{a}", "{b}", "{c}", "{d}", "{e}", a=1e-7, b=True, c=None, d="x y", e=[1, 2]) == [
        "1e-07",
        "true",
        "",
        "x y",
        "[1, 2]",
    ]


def test_args_are_all_parameters_as_words_or_quoted_in_a_text() -> None:
    assert filled("t", "{args}", lr=0.1, opt="a b") == ["t", "--lr", "0.1", "--opt", "a b"]
    assert filled("sh", "-c", "train {args}", lr=0.1, opt="a b") == ["sh", "-c", "train --lr 0.1 --opt 'a b'"]
    assert filled("t", "{args}") == ["t"]


def test_what_a_trial_does_not_have_is_left_out_with_its_option() -> None:
    words = ("t", "--momentum", "{momentum}", "--m={momentum}", "-v", "{lr}", "{momentum}", "--last")
    assert filled(*words, lr=0.1) == ["t", "-v", "0.1", "--last"]
    assert filled("t", "pos", "{momentum}", "-x{lr}", "{momentum}", lr=0.1) == ["t", "pos", "-x0.1"]


def test_a_study_keeps_the_command_without_its_specs() -> None:
    line = CommandLine(["t", "{{x}}", "--lr={lr: log(1e-5, 1)}", "{args}", "}}"])
    assert line.undeclared() == ["t", "{{x}}", "--lr={lr}", "{args}", "}}"]
    assert CommandLine(line.undeclared()).fill(filling(lr=1)) == line.fill(filling(lr=1))


def test_a_text_alone_is_filled_too() -> None:
    assert fill("{dir}/metrics-{trial}.json", filling()) == "/d/000003/metrics-3.json"


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("{", "the closing } is missing"),
        ("{lr", "the closing } is missing"),
        ('{opt: "a}', "the closing } is missing"),
        ("}", "write }} for a brace"),
        ("{}", "{args}"),
        ("{: log(1, 2)}", "without a name"),
        ('{"a": 1}', "write {{ and }} for braces"),
        ("{lr:log(1e-5, 1)}", "a blank is missing after the colon; write {lr: log(1e-5, 1)}"),
        ("{seed: int(1, 2)}", "give the parameter another name"),
        ("{x: a | b}{x: c | d}", "declared twice"),
    ],
)
def test_a_brace_that_means_nothing_is_refused_with_what_may_be_meant(word: str, says: str) -> None:
    with pytest.raises(UsageError) as refused:
        CommandLine(["t", word])
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("words", [[], [""]])
def test_an_empty_command_is_refused(words: list[str]) -> None:
    with pytest.raises(UsageError, match="the command is empty"):
        CommandLine(words)


def test_a_placeholder_that_no_parameter_has_is_refused_with_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"\{rl\} is not a parameter of the study; there are \{lr\}, \{trial\}"):
        CommandLine(["t", "{rl}"]).check({"lr": 1})
    CommandLine(["t", "{lr}", "{trial}", "{args}"]).check({"lr": 1})


def test_a_parameter_named_like_the_trials_own_is_refused_where_it_is_used() -> None:
    with pytest.raises(UsageError, match="could be the parameter or the trial's own seed"):
        CommandLine(["t", "{seed}"]).check({"seed": 1})
    CommandLine(["t", "{lr}"]).check({"seed": 1, "lr": 1})


def test_which_parameters_a_command_hides_from_its_program() -> None:
    assert CommandLine(["t", "{a}"]).hides(["a", "b"]) == ["b"]
    assert CommandLine(["t", "{a}", "{args}"]).hides(["a", "b"]) == []
    assert CommandLine(["t", "{params_file}"]).hides(["a", "b"]) == []


def test_the_program_is_known_unless_the_trial_decides_it() -> None:
    assert CommandLine(["./{{t}}", "{a}"]).program == "./{t}"
    assert CommandLine(["./train_{a}"]).program is None
