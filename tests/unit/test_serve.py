"""Clients of a server: calls, trials that belong to a connection, clients that go away."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from serving import CallError, Client, commands

import journaltune
from journaltune.base.errors import MachineError
from journaltune.cli.commands import NAMES, load
from journaltune.cli.methods import Commands
from journaltune.engine import owners
from journaltune.serve import connection as connections
from journaltune.serve.protocol import MOST_BYTES
from journaltune.serve.studies import Studies

if TYPE_CHECKING:
    from journaltune.api.study import Study

METHODS = [name for name in NAMES if hasattr(load(name), "answer")]
RESULT = {"x": 0.25}


def refused(client: Client, method: str, *places: Any, **params: Any) -> tuple[int, str]:
    with pytest.raises(CallError) as caught:
        client.call(method, *places, **params)
    return caught.value.code, caught.value.message


def test_a_search_is_what_the_commands_would_have_made(client: Client, study: Study, tmp_path: Path) -> None:
    alone = journaltune.create_study(tmp_path / "other.journal", params={"x": "float(0, 1)"}, sampler="random", seed=1)
    for number in range(3):
        trial = client.call("ask")
        assert trial == {"number": number, "params": alone.ask().params, "seed": study.trials[number].seed, "attempt": 1}
        assert client.call("report", number, 1, 0.5) == "continue"
        assert client.call("tell", number, 0.5 - number / 10) is None
    assert client.call("best") == {"number": 2, "value": 0.3, "params": trial["params"], "seed": trial["seed"]}
    assert [each["intermediate_values"] for each in client.call("trials")] == [{"1": 0.5}] * 3
    assert client.call("trials", states=["fail", "pruned"]) == client.call("trials", states="fail") == []
    assert client.call("status")["trials"]["complete"] == 3


def test_every_parameter_of_a_tell_arrives(client: Client, study: Study) -> None:
    client.call("ask", n=3)
    client.call("tell", number=0, value=0.5, attr={"a=b": [1]}, constraint={"memory": -1.5, "time": "-inf"}, request_id="t0")
    client.call("tell", number=1, state="fail", reason="oom")
    client.call("tell", 2, "nan")
    told, failed, nan = study.trials
    assert told.user_attrs == {"a=b": [1]}
    assert told.constraints == {"memory": -1.5, "time": float("-inf")}
    assert (failed.state.name, failed.user_attrs["fail_reason"]) == ("FAIL", "oom")
    assert (nan.state.name, nan.user_attrs["fail_reason"]) == ("FAIL", "nan")


def test_the_queue_and_failed_trials_are_there_too(client: Client) -> None:
    assert client.call("enqueue", params=RESULT) == {"number": 0}
    assert client.call("ask")["params"] == RESULT
    client.call("tell", number=0, state="fail")
    assert client.call("retry") == [{"number": 1, "retry_of": 0}]
    assert client.call("ask")["params"] == RESULT
    assert client.call("release", 1) == [{"number": 1}]
    assert client.call("ask")["attempt"] == 2
    client.call("tell", 1, 0.25)
    assert [match["number"] for match in client.call("lookup", params=RESULT)] == [1, 0]
    assert client.call("lookup", params=RESULT, states=["pruned"]) == []
    assert client.call("reap") == []


def test_rows_of_files_are_queued_and_recorded(client: Client, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("x,value\n0.25,1\n0.5,2\n7,3\n", encoding="utf-8")
    assert client.call("import", str(rows)) == {"imported": 2, "known": 0, "unfinished": 0, "refused": 1}
    rows.write_text("x\n0.25\n0.75\n", encoding="utf-8")
    assert client.call("enqueue", file=str(rows), skip_if_exists=True) == [{"number": None}, {"number": 2}]


def test_studies_are_made_named_annotated_and_deleted(client: Client, tmp_path: Path) -> None:
    other = str(tmp_path / "other.journal")
    options = {"param": {"y": "int(1, 3)"}, "maximize": True, "sampler": "random", "seed": 3}
    assert client.call("create", journal=other, study="two", **options) == {"study": "two", "journal": other}
    assert client.call("create", journal=other, study="three", param=["y: a | b"], minimize=["loss", "time"])["study"] == "three"
    assert refused(client, "ask", journal=other)[0] == 2  # which of them?
    assert client.call("ask", journal=other, study="two")["params"]["y"] in (1, 2, 3)
    assert client.call("attr", attrs={"note": {"a": 1}}, journal=other, study="two") is None
    assert client.call("attr", journal=other, study="two") == {"note": {"a": 1}}
    assert [each["directions"] for each in client.call("studies", journal=other)] == [["maximize"], ["minimize"] * 2]
    assert client.call("delete", name="three", journal=other) is None
    assert client.call("ask", journal=other)["number"] == 1
    assert client.call("verify")["difference"] is None


def test_a_study_that_was_replaced_by_another_of_its_name_is_opened_anew(client: Client, study: Study, path: Path) -> None:
    client.call("ask")
    client.call("delete", name="s")
    assert refused(client, "ask")[0] == 3
    client.call("create", study="s", param="z: float(0, 1)")
    assert list(client.call("ask")["params"]) == ["z"]
    path.unlink()
    assert refused(client, "ask")[0] == 3
    client.call("create", study="s", param="w: float(0, 1)")
    assert list(client.call("ask")["params"]) == ["w"]


@pytest.mark.parametrize(
    ("method", "params", "code", "said"),
    [
        ("run", {}, -32601, "run"),
        ("aks", {}, -32601, "did you mean ask?"),
        ("ask", {"tll": "5m"}, -32602, "did you mean ttl?"),
        ("ask", {"format": "json"}, -32602, "format"),
        ("ask", {"n": "many"}, -32602, "n must be a whole number"),
        ("ask", {"n": 1.5}, -32602, "n must be a whole number"),
        ("ask", {"n": True}, -32602, "n must be text or a number"),
        ("ask", {"lock_timeout": 1}, -32602, "lock_timeout"),
        ("tell", {}, -32602, "number is missing"),
        ("tell", {"number": 0, "values": [[1]]}, -32602, "values must be text or a number"),
        ("tell", {"number": 0, "value": "abc"}, -32602, "must be a number"),
        ("report", [1, 2, 3, 4], -32602, "3 arguments"),
        ("lookup", {"params": "x"}, -32602, "params must be an object"),
        ("enqueue", {"params": {"x": 0.5}, "skip_if_exists": 1}, -32602, "must be true or false"),
        ("tell", {"number": 0}, 2, "VALUE is missing"),
        ("tell", {"number": 7, "value": 1}, 3, "no trial 7"),
        ("ask", {"study": "other"}, 3, "other"),
        ("ask", {"journal": "missing.journal"}, 3, "missing.journal"),
        ("ask", {"trials": 0}, 11, "0 trials"),
        ("enqueue", {"params": {"q": 1}}, 2, "q"),
        ("enqueue", {"file": "-"}, -32602, "stdin"),
        ("import", ["-"], -32602, "stdin"),
        ("best", {}, 3, "no complete trial"),
    ],
)
def test_an_error_is_the_exit_code_and_the_line(client: Client, method: str, params: Any, code: int, said: str) -> None:
    found, message = refused(client, method, *params) if isinstance(params, list) else refused(client, method, **params)
    assert (found, "\n" in message) == (code, False)
    assert said in message


def test_an_ask_as_a_notification_makes_no_trial_that_nobody_knows_of(client: Client, study: Study) -> None:
    client.send(b'{"jsonrpc": "2.0", "method": "ask"}\n')
    assert client.call("trials") == []


def test_fewer_suggestions_than_asked_for_come_where_nothing_is_left(client: Client) -> None:
    assert [each["number"] for each in client.call("ask", n=5, trials=3)] == [0, 1, 2]
    assert refused(client, "ask", n=5, trials=3)[0] == 11


@pytest.mark.parametrize("method", METHODS)
def test_every_option_of_a_command_is_a_parameter(client: Client, method: str) -> None:
    """But for those that say how to print: a name that is unknown is refused, and the message lists the known ones."""
    _, message = refused(client, method, no_such_parameter_at_all=1)
    known = message.rpartition("it takes ")[2].split(", ")
    command = load(method).COMMAND
    names = {option.names[0].lstrip("-") for option in command.options} - {"format", "template", "watch"}
    assert {*names, *(argument.dest for argument in command.arguments), "journal", "study"} == set(known)


def test_what_is_no_message_is_answered_and_the_next_one_is_served(client: Client) -> None:
    client.send(b"\n \nnonsense\n\xff\xfe\n" + b"x" * (MOST_BYTES + 1) + b"\n")
    assert [client.read()["error"]["code"] for _ in range(3)] == [-32700, -32700, -32600]
    assert client.call("ask")["number"] == 0


def test_a_message_as_long_as_may_be_is_served(client: Client) -> None:
    shell = '{"jsonrpc": "2.0", "id": 1, "method": "attr", "params": {"attrs": {"long": ""}}}'
    client.send(shell.replace('""', f'"{"x" * (MOST_BYTES - len(shell))}"').encode() + b"\n")
    assert client.read()["result"] is None


def test_half_a_line_changes_nothing_and_a_whole_one_without_its_end_counts(served: Commands, study: Study) -> None:
    first, second = Client(served), Client(served)
    first.call("ask")
    first.send(b'{"jsonrpc": "2.0", "id": 2, "method": "tell", "params": [0, 0.')
    assert [answer["error"]["code"] for answer in first.end()] == [-32700]
    assert study.trials[0].state.name == "RUNNING"
    second.call("ask")
    second.send(b'{"jsonrpc": "2.0", "id": 2, "method": "tell", "params": [0, 0.5]}')
    assert [answer["result"] for answer in second.end()] == [None]
    assert study.trials[0].value == 0.5


# -- a connection owns its trials --------------------------------------------------------------------------------------


def test_trials_of_a_client_that_went_away_are_asked_again(served: Commands, study: Study, client: Client) -> None:
    with Client(served) as other:
        first = other.call("ask")
        kept = client.call("ask")
        assert client.call("ask")["number"] == 2  # the other one is alive
    again = client.call("ask")
    assert again == {**first, "attempt": 2}
    client.call("tell", kept["number"], 0.5)
    assert client.call("ask")["number"] == 3


def test_a_client_that_disappears_in_the_middle_of_an_ask_leaves_no_trial(
    served: Commands, client: Client, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its suggestion is in the journal when the client goes, and can't be delivered."""
    asking, may_go_on = threading.Event(), threading.Event()
    owner = connections.Connection.owner

    def slow(self: Any, study: Any) -> Any:
        if self is other.connection:
            asking.set()
            may_go_on.wait(60)
        return owner(self, study)

    monkeypatch.setattr(connections.Connection, "owner", slow)
    other = Client(served)
    other.request("ask")
    assert asking.wait(60)
    other.socket.shutdown(2)
    may_go_on.set()
    other.vanish()
    assert [trial.state.name for trial in study.trials] == ["RUNNING"]
    assert client.call("ask")["number"] == 0


def test_a_trial_that_keeps_killing_its_clients_fails(served: Commands, client: Client, study: Study) -> None:
    for attempt in (1, 2, 3):
        with Client(served) as other:
            assert (other.call("ask")["attempt"]) == attempt
    assert client.call("ask")["number"] == 1
    assert study.trials[0].user_attrs["fail_reason"] == "crash-loop"


def test_a_server_that_ends_does_not_count_as_the_trials_fault(served: Commands, client: Client, study: Study) -> None:
    for attempt in range(1, 6):
        with Client(served) as other:
            assert other.call("ask")["attempt"] == attempt
            other.connection.end()


@pytest.mark.parametrize("is_written", [True, False], ids=["the journal says so", "the lock says so"])
def test_a_trial_is_free_even_where_that_can_not_be_written(
    served: Commands, client: Client, monkeypatch: pytest.MonkeyPatch, is_written: bool
) -> None:
    def full(*_: object, **__: object) -> None:
        raise MachineError("no space left on device")

    with Client(served) as other:
        other.call("ask")
        if not is_written:
            monkeypatch.setattr(connections, "give_back", full)
    trial = client.call("ask")
    assert (trial["number"], trial["attempt"]) == (0, 2)


def test_a_trial_is_free_even_where_the_lock_file_is_gone(served: Commands, client: Client, path: Path) -> None:
    with Client(served) as other:
        other.call("ask")
        for file in Path(owners.workers_folder(str(path))).iterdir():
            file.unlink()
    assert client.call("ask")["attempt"] == 2


def test_no_lock_file_stays_behind(served: Commands, path: Path) -> None:
    workers = Path(owners.workers_folder(str(path)))
    with Client(served) as other:
        other.call("ask")
        (workers / "of_a_dead_server").touch()
    with Client(served) as other:
        other.call("ask")
    assert list(workers.iterdir()) == []


def test_a_trial_with_another_owner_outlives_its_connection(served: Commands, client: Client) -> None:
    import os

    with Client(served) as other:
        other.call("ask", owner=os.getpid())
    assert client.call("ask")["number"] == 1


# -- several requests at once ------------------------------------------------------------------------------------------


def test_an_ask_that_waits_for_a_result_lets_the_same_client_bring_it(tmp_path: Path) -> None:
    journaltune.create_study(tmp_path / "lag.journal", params={"x": "float(0, 1)"}, sampler="random", seed=1, lag=1)
    with Client(commands(tmp_path / "lag.journal")) as client:
        client.call("ask")
        for number in (1, 2):
            client.request("ask", number=10 + number)
            client.request("tell", [number - 1, 0.5], number=20 + number)
            answers = {answer["id"]: answer["result"] for answer in (client.read(), client.read())}
            assert answers[10 + number]["number"] == number
            assert answers[20 + number] is None


def test_an_ask_that_waits_ends_when_its_client_goes(tmp_path: Path) -> None:
    study = journaltune.create_study(tmp_path / "lag.journal", params={"x": "float(0, 1)"}, sampler="random", seed=1, lag=1)
    study.ask()
    client = Client(commands(tmp_path / "lag.journal"))
    client.request("ask")
    client.request("ask", number=2)
    assert {answer["error"]["code"] for answer in client.end()} <= {5}
    assert len(study.trials) == 1


def test_many_clients_at_once_share_the_trials(served: Commands, study: Study) -> None:
    found: list[int] = []

    def work() -> None:
        with Client(served) as client:
            for _ in range(10):
                number = client.call("ask")["number"]
                client.call("tell", number, 0.5)
                found.append(number)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == list(range(80))
    assert {trial.state.name for trial in study.trials} == {"COMPLETE"}


def test_a_client_that_reads_no_answers_holds_up_nobody(served: Commands, client: Client, study: Study) -> None:
    study.set_user_attr("long", "x" * 2**20)
    with Client(served) as deaf:
        for _ in range(20):
            deaf.request("attr")
        assert client.call("ask")["number"] == 0


def test_a_bounded_number_of_studies_stays_open(tmp_path: Path) -> None:
    studies = Studies(most_open=2)
    paths = [str(tmp_path / f"{name}.journal") for name in range(4)]
    for path in paths:
        journaltune.create_study(path, params={"x": "float(0, 1)"}).close()
    opened = []
    with studies.opened(paths[0], None) as used:
        for path in paths[1:]:
            with studies.opened(path, None) as study:
                opened.append(study)
        assert used.state().name == "0"
        with studies.opened(paths[0], None) as again:
            assert again is used
    with studies.opened(paths[3], None) as latest:
        assert latest is opened[-1]
    with studies.opened(paths[1], None) as first:
        assert first is not opened[0]


def test_a_bug_is_an_internal_error_and_the_server_goes_on(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(load("trials"), "answer", broken)
    code, message = refused(client, "trials")
    assert (code, "ZeroDivisionError" in message) == (-32603, True)
    assert client.call("ask")["number"] == 0


def test_a_full_disk_is_the_machines_refusal(client: Client, study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(load("trials"), "answer", full)
    assert refused(client, "trials")[0] == 7
    assert json.loads(json.dumps(client.call("ask")))["number"] == 0
