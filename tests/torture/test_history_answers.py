"""The checker of histories finds answers that can't be: refusals, what an ask saw, what a look counts, request ids."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sealing import read, sealed
from torture import checker, clients, rounds
from torture.agreement import disagreements
from torture.checker import Call, Finding, read_calls

import journaltune
from journaltune.engine import ask, enqueue, report, tell
from journaltune.suggest import choose

Judge = Callable[..., list[Finding]]
Findings = Callable[..., list[str]]


@pytest.fixture
def client(tmp_path: Path) -> clients.Ours:
    return clients.Ours(clients.Log(rounds.make(tmp_path).parent / "logs", 1), journaltune.load_study(tmp_path / "s.journal"))


@pytest.fixture
def findings(tmp_path: Path) -> Findings:
    """What the checker says of what ``client`` did: of its journal or other bytes, and of calls that a function changed."""

    def check(change: Callable[[list[Call]], object] = lambda calls: None, data: bytes | None = None) -> list[str]:
        calls = read_calls(tmp_path / "logs")
        change(calls)
        whole = (tmp_path / "s.journal").read_bytes() if data is None else data
        return [finding.text for finding in checker.judge(whole, calls)]

    return check


class TestRefusals:
    @pytest.mark.parametrize(
        ("what", "asked", "code", "right"),
        [
            ("tell", {"number": 0, "values": [0.5]}, 4, False),  # the same result again
            ("tell", {"number": 0, "values": [0.75]}, 4, True),
            ("tell", {"number": 0, "values": [0.75]}, 3, False),
            ("tell", {"number": 1, "values": [0.5]}, 4, False),  # it is running
            ("tell", {"number": 1, "values": [0.5]}, 3, False),
            ("tell", {"number": 2, "values": [0.5]}, 4, True),  # it waits to be asked for
            ("tell", {"number": 3, "values": [0.5]}, 3, True),
            ("tell", {"number": 3, "values": [0.5]}, 4, False),
            ("ask", {"ttl_s": 7.0}, 11, False),
            ("ask", {"ttl_s": 7.0, "max_trials": 2}, 11, True),
            ("ask", {"ttl_s": 7.0, "max_trials": 4}, 11, False),
            ("ask", {"ttl_s": 7.0, "max_trials": 2}, 4, False),
            ("report", {"number": 0, "step": 1, "value": 0.5}, 4, True),
            ("report", {"number": 1, "step": 1, "value": 0.5}, 4, False),
            ("report", {"number": 1, "step": 1, "value": 0.5}, 3, False),
            ("enqueue", {"params": {}, "attrs": {"token": "t"}}, 3, False),
            ("look", {}, 3, False),
            ("create", {"name": "other"}, 4, False),
            ("delete", {"name": "other"}, 3, True),
        ],
    )
    def test_each_has_to_be_right(
        self, client: clients.Ours, findings: Findings, what: str, asked: dict[str, Any], code: int, right: bool
    ) -> None:
        client.ask()
        client.ask()
        client.enqueue({"x": 0.5})
        client.tell(0, [0.5])
        client.look()
        assert findings() == []

        def one_more(calls: list[Call]) -> None:
            end = max(call.end or 0 for call in calls)
            calls.append(type(calls[0])("000009", 1, what, asked, end + 1, end + 2, None, code, "no"))

        assert (findings(one_more) == []) == right

    def test_a_client_whom_everybody_refuses_is_found(self, client: clients.Ours, tmp_path: Path) -> None:
        client.tell(7, [0.5])
        client.ask(max_trials=0)
        for what, finding in zip(("ask", "tell"), rounds.idle(tmp_path, "it", lambda index: index == 1), strict=True):
            assert f"it: only 0 calls of {what} were acknowledged; {what} " in finding.text
        client.tell(client.ask()["number"], [0.5])
        assert rounds.idle(tmp_path, "it", lambda index: index == 1) == []
        assert len(rounds.idle(tmp_path, "it", lambda index: index == 2)) == 2
        assert len(rounds.idle(tmp_path, "it", lambda index: index == 1, 2)) == 2


class TestACallInDoubtThatIsRepeated:
    """What is known of the acknowledged one holds, whatever became of the one before it."""

    def before(self, calls: list[Call], call: Call) -> None:
        calls.append(type(call)("000009", 1, call.what, call.asked, call.begin - 5))

    def test_a_look_has_to_see_it(self, client: clients.Ours, findings: Findings) -> None:
        client.tell(client.ask()["number"], [0.5], request_id="r")
        client.look()

        def unseen(calls: list[Call]) -> None:
            self.before(calls, calls[1])
            calls[2].answer["finished"] = 0

        assert "1 finished had been acknowledged" in findings(unseen)[0]
        assert findings(lambda calls: self.before(calls, calls[1])) == []

    def test_its_place_is_before_what_began_after_it(self, client: clients.Ours, findings: Findings) -> None:
        first, second = client.ask()["number"], client.ask()["number"]
        client.tell(second, [0.25])
        client.tell(first, [0.5], request_id="r")

        def turned_round(calls: list[Call]) -> None:
            one, other = calls[2:]
            one.begin, one.end, other.begin, other.end = other.begin, other.end, one.begin, one.end
            self.before(calls, other)

        assert "comes before" in findings(turned_round)[0]


class TestAsks:
    def test_one_that_did_not_see_what_was_acknowledged_before_is_found(self, history: Path, judge: Judge) -> None:
        records, checked = read(history), 0
        for place, record in enumerate(records):
            if "saw" in record.get("jt", {}):
                last = max(other["was at"] for other in records if other["was at"] < record["jt"]["saw"])
                stale = {**record, "jt": {**record["jt"], "saw": last}}
                checked += last > 0
                assert judge(sealed([*records[:place], stale, *records[place + 1 :]])) or last == 0, json.dumps(record)
        assert checked > 15

    @pytest.mark.parametrize("change", [{"n": 7}, {"n": 0}])
    def test_one_that_was_meant_for_another_number_is_found(self, history: Path, judge: Judge, change: dict[str, int]) -> None:
        records = read(history)
        for place, record in enumerate(records):
            if record.get("jt", {}).get("n", change["n"]) != change["n"]:
                other = {**record, "jt": {**record["jt"], **change}}
                assert judge(sealed([*records[:place], other, *records[place + 1 :]])), json.dumps(record)

    def test_one_that_answers_another_seed_is_found(self, client: clients.Ours, findings: Findings) -> None:
        client.ask()

        def other(calls: list[Call]) -> None:
            calls[0].answer["seed"] ^= 1

        assert "has another one" in findings(other)[0]

    def test_attributes_that_nobody_gave_are_found(self, client: clients.Ours, findings: Findings, tmp_path: Path) -> None:
        client.ask()
        study, trial = read(tmp_path)
        assert "attributes of it" in findings(data=sealed([study, {**trial, "user_attrs": {"k": 1}}]))[0]

    def test_one_beyond_its_budget_is_found(
        self, client: clients.Ours, findings: Findings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(ask, "_check_budget", lambda *_: None)
        client.ask(max_trials=2)
        client.tell(0, state="fail", reason="interrupted")  # counts for none
        client.enqueue({"x": 0.5})
        client.ask(max_trials=2)
        client.ask(max_trials=2)
        assert findings() == []
        client.ask(max_trials=2)
        assert [text.endswith("there were 2 trials already") for text in findings()] == [True]

    def test_one_that_passes_over_the_queue_is_found(
        self, client: clients.Ours, findings: Findings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        client.enqueue({"x": 0.5})
        with monkeypatch.context() as patch:
            patch.setattr(ask, "_first_waiting", lambda state, skipped: None)
            client.ask()
        client.ask()
        assert "enqueued trials [0] waited" in findings()[0]

    def test_one_that_takes_the_last_of_the_queue_first_is_found(
        self, client: clients.Ours, findings: Findings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        client.enqueue({"x": 0.25})
        client.enqueue({"x": 0.5})
        waiting = ask._first_waiting
        monkeypatch.setattr(ask, "_first_waiting", lambda state, _: waiting(state, {0}) or waiting(state, ()))
        client.ask()
        client.ask()
        assert "enqueued trials [0] waited" in findings()[0]

    def test_a_suggestion_that_does_not_follow_from_what_it_saw_is_found(
        self, client: clients.Ours, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "s.journal"
        client.ask()
        assert disagreements(path) == []
        with monkeypatch.context() as patch:
            patch.setattr(choose, "sampling_seed", lambda *_: 7)
            client.ask()
        assert [text.partition(":")[0] for text in disagreements(path)] == ["verify of study 'study'"]


def test_a_tell_that_answers_another_state_is_found(client: clients.Ours, findings: Findings) -> None:
    client.ask()
    client.tell(0, [0.5])

    def pruned(calls: list[Call]) -> None:
        calls[1].answer = 2

    assert findings() == []
    assert "its state is 1" in findings(pruned)[0]


class TestLooks:
    @pytest.mark.parametrize("key", ["trials", "finished"])
    def test_one_that_sees_too_much_is_found(self, history: Path, judge: Judge, key: str) -> None:
        calls = read_calls(history / "logs")
        for look in [call for call in calls if call.what == "look" and call.acknowledged]:
            look.answer[key] += 1
            assert judge(calls=calls), str(look)
            look.answer[key] -= 1

    def test_one_that_sees_less_than_that_client_saw_before_is_found(self, client: clients.Ours, findings: Findings) -> None:
        client.ask()
        client.look()
        client.look()

        def in_doubt(calls: list[Call]) -> None:
            calls[0].end = calls[0].answer = None

        def less(calls: list[Call]) -> None:
            in_doubt(calls)
            calls[2].answer["trials"] = 0

        assert findings(in_doubt) == []
        assert "had seen 1 trials before" in findings(less)[0]


class TestRequestIds:
    def test_one_that_is_lost_or_another_one_is_found(self, history: Path, judge: Judge) -> None:
        asked = {call.asked.get("request_id") for call in read_calls(history / "logs")}
        records, checked = read(history), set()
        for place, record in enumerate(records):
            if record.get("jt", {}).get("id") in asked - {None}:
                checked.add(record["op_code"])
                for request in ({}, {"id": "another"}):
                    jt = {key: value for key, value in record["jt"].items() if key != "id"} | request
                    assert judge(sealed([*records[:place], {**record, "jt": jt}, *records[place + 1 :]])), json.dumps(record)
        assert checked >= {4, 6, 7}

    @pytest.mark.parametrize("what", ["tell", "enqueue", "report"])
    def test_one_that_stands_there_twice_is_found(
        self, client: clients.Ours, findings: Findings, monkeypatch: pytest.MonkeyPatch, what: str
    ) -> None:
        for module in (enqueue, report, tell):
            monkeypatch.setattr(module, "earlier_request", lambda *_: None)
        for number, value in enumerate((0.25, 0.75)):
            client.ask()
            if what == "tell":
                client.tell(number, [value], request_id="r")
            elif what == "report":
                client.report(number, 1, value, request_id="r")
            else:
                client.enqueue({"x": value}, request_id="r")
        assert any(f"2 records of a {what} have request id 'r'" in text for text in findings())


class TestWhatIsRightAndRare:
    def test_a_report_of_nan_and_a_step_that_is_reported_again(self, client: clients.Ours, findings: Findings) -> None:
        client.ask()
        client.report(0, 1, math.nan)
        client.report(0, 1, math.nan)
        assert client.report(0, 1, 0.5) is False
        client.report(0, 2, 0.5, request_id="r")
        client.report(0, 2, 0.5, request_id="r")
        assert client.report(0, 2, 0.75) is False
        client.tell(0, [0.5])
        assert client.report(0, 2, 0.5, request_id="r") is True
        assert client.report(0, 2, 0.5) is None
        assert findings() == []

    def test_pruned_without_a_value_takes_the_last_one(self, client: clients.Ours, findings: Findings, tmp_path: Path) -> None:
        for number, reports in enumerate([(), (0.5, 0.25), (0.5, math.nan)]):
            client.ask()
            for step, value in enumerate(reports):
                client.report(number, step, value)
            client.tell(number, state="pruned")
            client.tell(number, state="pruned")
        assert findings() == []
        records = read(tmp_path)
        for place, record in enumerate(records):
            if record["op_code"] == 6:
                other = {**record, "values": [0.5]}
                assert findings(data=sealed([*records[:place], other, *records[place + 1 :]]))
