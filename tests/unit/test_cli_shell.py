"""Suggestions for ``eval``, and templates."""

from __future__ import annotations

import shlex
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from journaltune.base.errors import UsageError
from journaltune.cli.shell import assignments, quote, text_of, variable_names
from journaltune.cli.template import Template

# What an argument and a shell variable can hold at all: no NUL, no half of a surrogate pair.
SHELL_TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)))
PARAMS = {"lr": 1e-05, "opt": "adam", "on": True, "off": False, "none": None, "layers": 3}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1 + 0.2, "0.30000000000000004"),
        (1e-05, "1e-05"),
        (3, "3"),
        (True, "true"),
        (False, "false"),
        (None, ""),
        ("a b", "a b"),
        ([1, 2], "[1, 2]"),
    ],
)
def test_values_read_as_a_trainer_reads_them(value: object, text: str) -> None:
    assert text_of(value) == text


def test_assignments_are_one_a_line() -> None:
    names = variable_names(None, PARAMS)
    text = assignments({"JT_TRIAL": 3, "JT_SEED": 42}, PARAMS, names)
    assert text.splitlines() == [
        "JT_TRIAL=3",
        "JT_SEED=42",
        "JT_lr=1e-05",
        "JT_opt=adam",
        "JT_on=true",
        "JT_off=false",
        "JT_none=''",
        "JT_layers=3",
    ]


def test_a_parameter_that_does_not_apply_is_unset() -> None:
    assert assignments({}, {"opt": "adam"}, {"opt": "JT_opt", "momentum": "JT_momentum"}) == "JT_opt=adam\nunset JT_momentum\n"


def test_characters_that_a_shell_name_cannot_have_become_underscores() -> None:
    assert variable_names(None, ["a.b-c d", "größe"]) == {"a.b-c d": "JT_a_b_c_d", "größe": "JT_gr__e"}


@pytest.mark.parametrize("params", [["a.b", "a-b"], ["VALUE"], ["TRIAL"]])
def test_a_clash_of_shell_names_is_refused(params: list[str]) -> None:
    with pytest.raises(UsageError, match="clash"):
        variable_names(None, params)


@given(st.text())
def test_quoting_is_that_of_shlex(text: str) -> None:
    assert quote(text) == shlex.quote(text)


@settings(max_examples=30)
@given(st.lists(SHELL_TEXT, min_size=1, max_size=8))
def test_eval_gets_every_text_back(texts: list[str]) -> None:
    params = {f"p{i}": text for i, text in enumerate(texts)}
    script = assignments({}, params, variable_names(None, params)) + "".join(f'printf "%s\\0" "$JT_{name}"\n' for name in params)
    printed = subprocess.run(["sh", "-c", 'eval "$1"', "sh", script], capture_output=True, check=True)
    assert printed.stderr == b""
    assert printed.stdout.decode().split("\0")[:-1] == texts


def test_a_template_is_filled() -> None:
    template = Template('{{"lr": {lr}, "opt": "{ opt }"}} # {trial} {seed} {on}{none}\n', "in.txt", PARAMS)
    assert template.fill({"trial": 3, "seed": 42, "attempt": 1}, PARAMS) == '{"lr": 1e-05, "opt": "adam"} # 3 42 true\n'
    assert template.names_trial


def test_a_parameter_that_does_not_apply_leaves_nothing() -> None:
    assert Template("<{momentum}>", "in.txt", ["opt", "momentum"]).fill({}, {"opt": "adam"}) == "<>"


@pytest.mark.parametrize(
    ("text", "params", "complaint"),
    [
        ("a\nb { c", ["lr"], "in.txt, line 2: a lone {; write {{ for a brace"),
        ("}", ["lr"], "in.txt, line 1: a lone }; write }} for a brace"),
        ("{lrr}", ["lr"], "in.txt, line 1: 'lrr' is not a parameter of the study; did you mean lr?"),
        ("{}", ["lr"], "in.txt, line 1: '' is not a parameter of the study; there are lr, trial, seed"),
        ("{seed}", ["seed"], "in.txt, line 1: {seed} could be the parameter or the trial's own seed; rename the parameter"),
    ],
)
def test_a_placeholder_that_means_nothing_is_refused(text: str, params: list[str], complaint: str) -> None:
    with pytest.raises(UsageError) as caught:
        Template(text, "in.txt", params)
    assert str(caught.value).startswith(complaint)


@given(st.text())
def test_text_with_doubled_braces_comes_out_as_it_was(text: str) -> None:
    escaped = text.replace("{", "{{").replace("}", "}}")
    assert Template(escaped, "in.txt", ["lr"]).fill({}, {"lr": 1}) == text
