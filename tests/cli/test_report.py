"""`report`, and calls with a request id, from the shell."""

from __future__ import annotations

from typing import Any


def test_report_says_whether_to_go_on(program: Any) -> None:
    program.out("create", "--param", "x: float(0, 1)")
    program.out("ask")
    first = program.call("report", "0", "1", "0.5")
    assert (first.returncode, first.stdout) == (0, b"continue\n")
    assert b"has no pruner, so no trial stops early" in first.stderr
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
    program.out("create", "--param", "x: float(0, 1)", "--pruner", "median")
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


def test_the_pruner_of_the_study_decides(program: Any) -> None:
    program.out(
        "create", "--param", "x: float(0, 1)", "--pruner", "median", "--pruner-option", "n_startup_trials=2", "--maximize"
    )
    program.out("ask", "-n", "3")
    for number in ("0", "1"):
        assert program.out("report", number, "1", "0.5") == "continue\n"
        program.out("tell", number, "0.5")
    assert program.out("report", "2", "0", "0.1") == "continue\n"
    stopped = program.call("report", "2", "1", "0.4")
    assert (stopped.returncode, stopped.stdout, stopped.stderr) == (10, b"prune\n", b"")
    program.out("tell", "2", "--state", "pruned")
    trial = program.json("trials", "--format", "json")[2]
    assert (trial["state"], trial["values"]) == ("pruned", [0.4])
    status = program.json("status", "--format", "json")
    assert (status["pruner"], status["pruner_options"]) == ("median", {"n_startup_trials": 2})
    assert ", pruner median" in program.out("status")


def test_a_pruner_that_cannot_decide_is_refused(program: Any) -> None:
    create = ("create", "--param", "x: float(0, 1)", "--pruner")
    for arguments, words in (
        (("medium",), "did you mean median?"),
        (("median", "--pruner-option", "n_warmup=1"), "has no option 'n_warmup'; its options are n_startup_trials"),
        (("percentile",), "the option percentile of the pruner percentile is missing; it is a number from 0 to 100"),
        (("percentile", "--pruner-option", "percentile=101"), "can't be 101"),
        (("halving", "--pruner-option", "reduction_factor=1"), "it is a whole number from 2"),
        (("halving", "--pruner-option", "bootstrap_count=1"), "needs a number for min_resource"),
        (("threshold",), "needs a bound"),
        (
            ("patient", "--pruner-option", "patience=1", "--pruner-option", 'wrapped_pruner="none"', "--maximize", "--minimize"),
            "2 obj",
        ),
    ):
        assert words in program.refused(2, *create, *arguments)
    assert not program.journal.exists()
