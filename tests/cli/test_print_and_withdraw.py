"""`tell --print`, `withdraw` and the stop rules, from the shell."""

from __future__ import annotations

import json
from typing import Any


def test_of_many_processes_just_those_that_improve_the_study_say_so(program: Any) -> None:
    program.out("create", "--param", "x: float(0, 1)", "--sampler", "random", "--seed", "1")
    program.out("ask", "-n", "24")
    values = [(number * 17 % 24) / 4 for number in range(24)]
    told = [program.start("tell", str(number), str(value), "--print") for number, value in enumerate(values)]
    printed = [json.loads(process.communicate()[0]) for process in told]
    assert {process.returncode for process in told} == {0}
    assert [(each["number"], each["state"]) for each in printed] == [(number, "complete") for number in range(24)]
    by_end = sorted(program.json("trials", "--format", "json"), key=lambda trial: trial["datetime_complete"])
    improved = [trial["values"][0] for trial in by_end if printed[trial["number"]]["best"]]
    assert improved == sorted(improved, reverse=True)
    assert len(set(improved)) == len(improved)
    assert improved[-1] == min(values)
    assert [program.json("tell", str(number), str(values[number]), "--print") for number in range(3)] == printed[:3]


def test_a_failure_is_never_best_and_a_front_grows(program: Any) -> None:
    program.out("create", "--param", "x: float(0, 1)", "--minimize", "a", "--maximize", "b")
    program.out("ask", "-n", "5")
    calls = (("0", "1", "1"), ("1", "2", "2"), ("2", "1", "1"), ("3", "3", "1.5"), ("4", "nan", "0"))
    printed = [json.loads(program.call("tell", *call, "--print").stdout) for call in calls]
    assert [each["best"] for each in printed] == [True, True, False, False, False]
    assert printed[4]["state"] == "fail"


def test_withdraw_says_why_and_best_changes(program: Any) -> None:
    program.out("create", "--param", "x: float(0, 1)", "--seed", "1")
    program.out("ask", "-n", "4")
    for number, value in ((0, "0.5"), (1, "0.1"), (2, "0.3")):
        program.out("tell", str(number), value)
    assert program.json("best")["number"] == 1
    assert "--reason is missing" in program.refused(2, "withdraw", "1")
    assert "still runs" in program.refused(4, "withdraw", "1", "3", "--reason", "x")
    assert "no trial 9" in program.refused(3, "withdraw", "9", "--reason", "x")
    assert program.out("withdraw", "1", "--reason", "labels were shuffled") == '{"number": 1}\n'
    assert program.json("best")["number"] == 2
    status = program.json("status", "--format", "json")
    assert (status["trials"]["complete"], status["withdrawn"]) == (2, {"1": "labels were shuffled"})
    assert "trial 1 is withdrawn: labels were shuffled\n" in program.out("status")
    assert program.call("lookup", "1").returncode == 1
    assert len(program.json("trials", "--format", "json")) == 4


def test_a_study_that_has_what_it_was_made_for_says_so(program: Any) -> None:
    program.out("create", "--param", "x: float(0, 1)", "--target", "0.5", "--patience", "9")
    program.out("ask")
    program.out("tell", "0", "0.4")
    assert "trial 0 has 0.4, which is as good as its target 0.5" in program.refused(11, "ask")
    assert ", target 0.5, patience 9" in program.out("status")
    ran = program.call("run", "-f", "r.journal", "-n", "40", "--patience", "3", "--", "sh", "-c", "echo 1; : {x: float(0, 1)}")
    assert ran.returncode == 0
    assert b"trial 0 has 1.0, and 3 trials since brought nothing better" in ran.stderr
    assert program.json("status", "-f", "r.journal", "--format", "json")["trials"]["complete"] == 4


BOWL = 'BEGIN { printf "%.17g\\n", (x - 0.3) ^ 2 + (y - 0.6) ^ 2 }'


def test_a_search_ends_once_little_is_expected_of_it(program: Any) -> None:
    (program.folder / "space.toml").write_text('min_gain = 0.01\n[params]\nx = "float(0, 1)"\ny = "float(0, 1)"\n', "utf-8")
    trainer = ("awk", "-v", "x={x}", "-v", "y={y}", BOWL.replace("{", "{{").replace("}", "}}"))
    ran = program.call("run", "-n", "60", "--seed", "1", "--no-progress", "--space", "space.toml", "--", *trainer)
    assert ran.returncode == 0
    assert b"10 more trials are expected to gain " in ran.stderr
    known = program.json("status", "--format", "json")
    assert 6 <= known["trials"]["complete"] < 30
    assert 0 <= known["expected_gain"] < known["min_gain"] == 0.01
    assert ", gain of 0.01 or more\n" in program.out("status")
    assert f"           10 more trials are expected to gain {known['expected_gain']:.3g}\n" in program.out("status")
    refused = program.refused(11, "ask")
    assert f"10 more trials are expected to gain {known['expected_gain']:.3g}, less than 0.01; --min-gain sets" in refused
    assert program.call("create", "--exist-ok", "--min-gain", "0").returncode == 0
    assert program.json("ask")["number"] == known["trials"]["complete"]
    assert "is for one objective" in program.refused(
        2, "create", "-f", "b", "--param", "x: float(0, 1)", "--minimize", "a", "--minimize", "b", "--min-gain", "1"
    )


def test_nothing_is_expected_where_no_model_is(program: Any) -> None:
    program.out("create", "--param", "x: float(0, 1)", "--sampler", "random")
    program.out("ask", "-n", "12")
    for number in range(12):
        program.out("tell", str(number), f"0.{number}")
    assert program.json("status", "--format", "json")["expected_gain"] is None
    assert "more trials" not in program.out("status")
