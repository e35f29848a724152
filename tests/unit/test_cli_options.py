"""The option parser: what it takes, and the one line it answers to what it doesn't."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journaltune.base.errors import UsageError
from journaltune.cli.commands import NAMES, load
from journaltune.cli.options import COMMON, Argument, Command, Option, parse, usage
from journaltune.cli.values import number, whole

COMMAND = Command(
    "cook",
    "",
    (
        Option("-n --count", "count", "K", "", whole(1), 1),
        Option("--salt", "salt", "KIND", ""),
        Option("--dry", "dry", None, ""),
        Option("--less", "wishes", "NAME", "", lambda name: ("less", name or None), None, True, True),
        Option("--more", "wishes", "NAME", "", lambda name: ("more", name or None), None, True, True),
    ),
    (Argument("NUMBER", "number", whole()), Argument("VALUE", "values", number, required=False, repeats=True)),
)


def refused(*arguments: str) -> str:
    with pytest.raises(UsageError) as caught:
        parse(COMMAND, arguments)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("cook: ")
    return message


@pytest.mark.parametrize("arguments", [["-n5"], ["-n", "5"], ["--count=5"], ["--count", "5"]])
def test_an_option_takes_its_value_in_every_usual_way(arguments: list[str]) -> None:
    assert parse(COMMAND, [*arguments, "3"])["count"] == 5
    assert parse(COMMAND, ["3", *arguments])["count"] == 5


def test_defaults_stand_where_nothing_is_given() -> None:
    values = parse(COMMAND, ["3"])
    assert values == {
        "number": 3,
        "values": [],
        "count": 1,
        "salt": None,
        "dry": False,
        "wishes": [],
        "journal": None,
        "study": None,
        "lock_timeout_s": 60.0,
        "allow_network_fs": False,
        "help": False,
    }


def test_options_that_share_a_list_keep_their_order() -> None:
    given_options = ["--less", "loss", "--more", "--less=time", "--more", "--dry", "3"]
    assert parse(COMMAND, given_options)["wishes"] == [("less", "loss"), ("more", None), ("less", "time"), ("more", None)]


@pytest.mark.parametrize("text", ["-0.5", "-.5", "-1e-3", "-inf", "-Infinity", "-nan", "-NaN", "nan", "inf"])
def test_negative_and_special_numbers_are_arguments(text: str) -> None:
    assert repr(parse(COMMAND, ["3", text])["values"]) == repr([float(text)])


def test_after_two_dashes_everything_is_an_argument() -> None:
    assert parse(COMMAND, ["--dry", "--", "3", "-5"])["values"] == [-5.0]
    assert "NUMBER must be" in refused("--", "--dry")


def test_the_later_of_two_single_options_holds() -> None:
    assert parse(COMMAND, ["-n1", "-n2", "3"])["count"] == 2


def test_flags_join_in_one_word() -> None:
    assert parse(COMMAND, ["-hn2"])["count"] == 2


def test_help_needs_no_arguments() -> None:
    assert parse(COMMAND, ["--help"])["help"] is True


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["3", "--counts", "4"], "cook: no option '--counts'; did you mean --count?; `journaltune cook --help` lists them"),
        (["3", "--xyzzy"], "cook: no option '--xyzzy'; `journaltune cook --help` lists them"),
        (["3", "-x"], "cook: no option '-x'; `journaltune cook --help` lists them"),
        (["3", "-count", "4"], "cook: no option '-count'; did you mean --count?"),
        (["3", "--dry=yes"], "cook: --dry takes no value, but 'yes' was given"),
        (["3", "-n"], "cook: -n needs a value (K), but nothing follows"),
        (["3", "--salt", "--dry"], "cook: --salt needs a value (KIND), but --dry follows; if you mean that, write --salt=--dry"),
        (["3", "-n", "0"], "cook: -n must be a whole number of at least 1, not '0'"),
        (["3", "--salt="], "cook: --salt must not be empty"),
        (["three"], "cook: NUMBER must be a whole number of at least 0, not 'three'"),
        ([], "cook: NUMBER is missing; usage: " + usage(COMMAND)),
        (["3", "x" * 500], f"cook: VALUE must be a number, not '{'x' * 60}...'"),
    ],
)
def test_a_wrong_call_gets_one_line_that_says_what_to_do(arguments: list[str], expected: str) -> None:
    assert refused(*arguments) == expected


def test_an_argument_too_many_is_named() -> None:
    nothing = Command("sleep", "")
    with pytest.raises(UsageError, match="sleep: unexpected argument 'now'; usage: journaltune sleep"):
        parse(nothing, ["now"])


@given(st.text(min_size=1))
def test_both_spellings_of_a_long_option_say_the_same(value: str) -> None:
    joined = parse(COMMAND, [f"--salt={value}", "3"])
    assert joined["salt"] == value
    if not value.startswith("-"):
        assert parse(COMMAND, ["--salt", value, "3"]) == joined


@given(st.lists(st.text(), max_size=6))
def test_whatever_is_given_is_understood_or_refused(arguments: list[str]) -> None:
    try:
        message = f"cook: {parse(COMMAND, arguments)}"
    except UsageError as error:
        message = str(error)
    assert message.startswith("cook: ")


@pytest.mark.parametrize("name", NAMES)
def test_no_command_redefines_an_option(name: str) -> None:
    options = load(name).COMMAND.options + COMMON
    names = [each for option in options for each in option.names]
    assert len(names) == len(set(names))
    assert all(option.help for option in options)
