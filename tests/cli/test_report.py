"""`report`, and calls with a request id, from the shell."""

from __future__ import annotations

from typing import Any


def test_report_says_whether_to_go_on(program: Any) -> None:
    program.out("create", "--param", "x: float(0, 1)")
    program.out("ask")
    assert program.out("report", "0", "1", "0.5") == "continue\n"
    assert program.out("report", "0", "2", "-inf") == "continue\n"
    again = program.call("report", "0", "1", "0.75")
    assert (again.returncode, again.stdout) == (0, b"continue\n")
    assert b"ignored: trial 0 has another value at step 1" in again.stderr
    (trial,) = program.json("trials", "--format", "json")
    assert trial["intermediate_values"] == {"1": 0.5, "2": "-inf"}


def test_report_refuses_what_makes_no_sense(program: Any) -> None:
    program.out("create", "--param", "x: float(0, 1)")
    program.out("ask")
    program.out("tell", "0", "1")
    before = program.journal.read_bytes()
    assert "already complete" in program.refused(4, "report", "0", "1", "0.5")
    assert "no trial 5" in program.refused(3, "report", "5", "1", "0.5")
    for arguments in (("0", "1"), ("0", "-1", "2"), ("0", "1", "high"), ("0", "1", "2", "3")):
        program.refused(2, "report", *arguments)
    assert program.journal.read_bytes() == before


def test_a_call_with_a_request_id_can_be_repeated(program: Any) -> None:
    program.out("create", "--param", "x: float(0, 1)")
    program.out("ask")
    calls = (
        ("enqueue", "--params", '{"x": 0.5}', "--request-id", "a"),
        ("report", "0", "1", "0.5", "--request-id", "a"),
        ("tell", "0", "0.5", "--request-id", "a"),
    )
    said = [program.out(*call) for call in calls]
    before = program.journal.read_bytes()
    assert [program.out(*call) for call in calls] == said
    assert program.journal.read_bytes() == before
    assert "request id 'a' was used to tell trial 0" in program.refused(4, "tell", "1", "0.5", "--request-id", "a")
