"""What a study on another machine does there, and what it may call."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from serving import CallError, Client, commands

import journaltune
from journaltune import base, create_study
from journaltune.base import errors
from journaltune.base.errors import JournalDamagedError, JournaltuneError, LockTimeoutError, UsageError
from journaltune.serve.ssh import command_of, place_of
from journaltune.serve.verbs import described, raised

ENGINE = Path(str(journaltune.__file__)).parent / "engine"
# These are called by verbs, or for a server's own connections, or are refused elsewhere by the mirror of the journal.
NO_VERBS = {"assign", "fail", "take_up", "claim", "give_back", "renew", "import_trials"}


def test_whatever_writes_is_a_verb() -> None:
    for path in ENGINE.glob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and node.args.args:
                is_of_study, text = node.args.args[0].arg == "study", ast.unparse(node)
                if is_of_study and ".locked(" in text and node.name not in NO_VERBS:
                    assert text.startswith("@verb"), f"{path.name}: {node.name}"


@pytest.mark.parametrize(
    "method", ["engine.owners.describe", "engine.reap.orphans", "os.system", "engine.tell", "engine.no.no", ""]
)
def test_a_client_calls_verbs_only(tmp_path: Path, method: str) -> None:
    create_study(tmp_path / "s.journal", params={"x": "float(0, 1)"}).close()
    with Client(commands(tmp_path / "s.journal")) as client, pytest.raises(CallError) as refused:
        client.call(f"journaltune.{method}", study="s")
    assert refused.value.code == -32601


def test_wrong_parameters_are_refused(tmp_path: Path) -> None:
    create_study(tmp_path / "s.journal", params={"x": "float(0, 1)"}).close()
    with Client(commands(tmp_path / "s.journal")) as client:
        for params in ({"study": "s", "no": 1}, {"study": "s"}):
            with pytest.raises(CallError):
                client.call("journaltune.engine.tell.tell", **params)
        with pytest.raises(CallError) as missing:
            client.call("journaltune.open", study="other")
    assert missing.value.code == 3


@pytest.mark.parametrize(
    "error",
    [
        UsageError("no"),
        LockTimeoutError("held", (1, 2)),
        JournalDamagedError("/a", 3, "what", "way out"),
        errors.SpecError("what", "x", "float(0, 1)"),
        errors.InDoubtError("who knows"),
        errors.WaitTimeoutError("late"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_is_the_same_at_the_other_end(error: JournaltuneError) -> None:
    again = raised(described(error))
    assert (type(again), str(again), again.args, again.exit_code) == (type(error), str(error), error.args, error.exit_code)


def test_no_other_class_is_made_of_an_error() -> None:
    assert type(raised({"class": "__loader__", "args": ["x"]})) is JournaltuneError


def test_a_url_is_what_ssh_takes_for_a_destination() -> None:
    place = place_of("ssh://me@[::1]:22/~/a b/c.journal")
    assert (place.there, place.ssh, place.path) == ("ssh://me@[::1]:22", "ssh -p 22 me@::1", "a b/c.journal")
    assert (place_of("ssh://head/x").words, place_of("ssh://head/x").path) == (("--", "head"), "/x")
    assert place_of("ssh://a@b@head:7/x").words == ("-p", "7", "--", "a@b@head")
    *_, call = command_of(place, ["best", "-f", place.path])
    assert call == f"journaltune --caller-is {base.VERSION} best -f 'a b/c.journal'"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "h",
        "h/",
        "/x",
        "-oProxyCommand=x/x",
        "u@-h/x",
        "-u@h/x",
        "@h/x",
        "h:/x",
        "h:22a/x",
        "[::1/x",
        "[::1]22/x",
        "[]/x",
        "::1/x",
    ],
)
def test_another_text_is_no_url(url: str) -> None:
    with pytest.raises(UsageError, match="names no journal on another machine"):
        place_of(f"ssh://{url}")
