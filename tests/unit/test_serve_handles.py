"""Which of a server's two handles on a journal a call takes: none is read for nothing, and nobody waits for a long call."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from serving import Client

from journaltune.api.study import Study
from journaltune.cli.commands import load
from journaltune.cli.methods import Commands
from journaltune.engine import ask
from journaltune.journal.journal import Journal
from journaltune.serve.ending import finish


class Pause:
    """A function that stands still in its first call until it may go on."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self.began, self.may_go_on, self.goes_on = threading.Event(), threading.Event(), threading.Event()

    def __call__(self, *arguments: Any) -> Any:
        if not self.began.is_set():
            self.began.set()
            self.may_go_on.wait(60)
            self.goes_on.set()
        return self._function(*arguments)


def test_what_one_client_wrote_is_not_read_again(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    client.call("ask")
    read = list[int]()
    catch_up = Journal._catch_up

    def counted(self: Journal, size_bytes: int) -> None:
        read.append(size_bytes)
        catch_up(self, size_bytes)

    monkeypatch.setattr(Journal, "_catch_up", counted)
    for number in range(3):
        assert client.call("report", number, 1, 0.5) == "continue"
        client.call("tell", number, 0.5)
        assert client.call("ask")["number"] == number + 1
    assert read == []
    assert client.call("status")["trials"]["complete"] == 3
    assert client.call("ask")["number"] == 4


@pytest.mark.parametrize("named", [{}, {"study": "s"}], ids=str)
def test_a_clients_trials_are_given_back_without_opening_the_journal_again(
    served: Commands, study: Study, monkeypatch: pytest.MonkeyPatch, named: dict[str, str]
) -> None:
    with Client(served) as client:
        client.call("ask", **named)
        monkeypatch.setattr(Journal, "_load", None)
    assert study.ask().attempt == 2


def test_a_slow_sampler_holds_up_no_tell(served: Commands, client: Client, study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    client.call("ask")
    slow = Pause(ask.choose)
    monkeypatch.setattr(ask, "choose", slow)
    with Client(served) as other:
        other.request("ask")
        assert slow.began.wait(60)
        assert client.call("report", 0, 1, 0.75) == "continue"
        client.call("tell", 0, 0.5)
        assert not slow.goes_on.is_set()
        assert study.trials[0].value == 0.5
        slow.may_go_on.set()
        assert other.read()["result"]["number"] == 1
        client.call("tell", 1, 0.25)
    assert [trial.value for trial in study.trials] == [0.5, 0.25]


def test_a_long_call_holds_up_no_ask(served: Commands, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    client.call("ask")
    trials = load("trials")
    paused = Pause(lambda: None)

    def long(options: Any, opener: Any) -> str:
        with opener(options) as study:
            study.look(lambda _: paused())
        return "done"

    monkeypatch.setattr(trials, "answer", long)
    with Client(served) as other:
        other.request("trials")
        assert paused.began.wait(60)
        assert client.call("ask")["number"] == 1
        client.call("tell", 0, 0.5)
        assert client.call("ask")["number"] == 2
        assert not paused.goes_on.is_set()
        paused.may_go_on.set()
        assert other.read()["result"] == "done"


def test_what_a_server_gives_back_at_its_end_is_not_handed_out_by_it_again(
    served: Commands, client: Client, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An ask is under way, and has not begun to look for a trial, when another client's trial comes back."""
    client.call("ask")
    paused = Pause(ask.sampler_of)
    monkeypatch.setattr(ask, "sampler_of", paused)
    with Client(served) as other:
        other.request("ask")
        assert paused.began.wait(60)
        ending = threading.Thread(target=finish, args=([client.connection, other.connection], []))
        ending.start()
        ending.join(60)
        assert list(client.end()) == []
        paused.may_go_on.set()
        assert other.read()["error"]["code"] == 5
    assert (study.ask().attempt, len(study.trials)) == (2, 1)


def test_a_name_means_the_study_of_that_name_whatever_is_open(client: Client, path: Path) -> None:
    assert [client.call("ask", **named)["number"] for named in ({}, {"study": "s"}, {})] == [0, 1, 2]
    client.call("delete", name="s")
    client.call("create", study="t", param="y: float(0, 1)")
    assert list(client.call("ask")["params"]) == ["y"]
    client.call("create", study="s", param="z: float(0, 1)")
    assert list(client.call("ask", study="s")["params"]) == ["z"]
    assert list(client.call("ask", study="t")["params"]) == ["y"]
    client.request("ask")
    assert "several studies" in client.read()["error"]["message"]


def test_a_journal_that_is_replaced_between_two_calls_is_opened_anew(client: Client, study: Study, path: Path) -> None:
    client.call("ask")
    client.call("tell", 0, 0.5)
    new = path.with_name("new.journal")
    new.write_bytes(path.read_bytes().splitlines(keepends=True)[0])
    new.rename(path)
    before = path.read_bytes()
    client.request("tell", [0, 0.25])
    assert "has no trial 0" in client.read()["error"]["message"]
    assert path.read_bytes() == before
    assert client.call("ask")["number"] == 0
    assert path.read_bytes().startswith(before)
