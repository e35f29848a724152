"""Duplicates from the shell: `lookup`, the policies, and replicates."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def told(program: Any, value: str, **params: Any) -> None:
    program.out("enqueue", "--params", json.dumps(params))
    number = program.json("ask")["number"]
    program.out("tell", str(number), value)


def test_lookup_prints_the_trials_with_these_parameters_newest_first(program: Any) -> None:
    program.out("create", "--param", "x: float(0, 1, step=0.1)", "--param", "c: a | 1 | true | '1'")
    for value, choice in enumerate(("a", 1, True, "1", 1)):
        told(program, str(value), x=0.3, c=choice)
    lines = program.out("lookup", "--params", '{"c": 1, "x": 0.30000000000000004}').splitlines()
    assert [json.loads(line) for line in lines] == [
        {"number": 4, "state": "complete", "values": [4.0], "params": {"x": 0.3, "c": 1}},
        {"number": 1, "state": "complete", "values": [1.0], "params": {"x": 0.3, "c": 1}},
    ]
    assert json.loads(program.out("lookup", "4"))["number"] == 1
    nothing = program.call("lookup", "--params", '{"c": "a", "x": 0.4}')
    assert (nothing.returncode, nothing.stdout, nothing.stderr) == (1, b"", b"")
    assert program.call("lookup", "2").returncode == 1
    assert program.call("lookup", "1", "--states", "pruned,fail").returncode == 1


def test_lookup_says_where_it_found_what_it_found_elsewhere(program: Any, tmp_path: Path) -> None:
    for study, file in (("one", "study.journal"), ("two", "study.journal"), ("far", "other.journal")):
        program.out("create", "-f", file, "--study", study, "--param", "x: float(0, 1)")
        program.out("enqueue", "-f", file, "--study", study, "--params", '{"x": 0.5}')
        program.out("ask", "-f", file, "--study", study)
        program.out("tell", "-f", file, "--study", study, "0", "2")
    lines = program.out(
        "lookup", "--study", "one", "--params", '{"x": 0.5}', "--all-studies", "--also", "other.journal"
    ).splitlines()
    found = [json.loads(line) for line in lines]
    assert [each["study"] for each in found] == ["one", "two", "far"]
    assert [Path(each["journal"]).name for each in found] == ["study.journal", "study.journal", "other.journal"]


def test_lookup_refuses_what_it_can_not_look_for(program: Any) -> None:
    program.out("create", "--param", "x: float(0, 1)")
    assert "give a trial's number or --params" in program.refused(2, "lookup")
    assert "give a trial's number or --params" in program.refused(2, "lookup", "0", "--params", "{}")
    assert "is missing" in program.refused(2, "lookup", "--params", "{}")
    assert "no trial 0" in program.refused(3, "lookup", "0")
    assert "no journal" in program.refused(3, "lookup", "--params", '{"x": 1}', "--also", "none.journal")


def test_what_ask_prints_under_reuse_always_needs_work_until_nothing_is_left(program: Any) -> None:
    program.out("create", "--param", "c: a | b | c", "--param", "d: a | b", "--duplicates", "reuse", "--seed", "1")
    asked = []
    for number in range(6):
        suggestion = program.json("ask")
        asked.append(json.dumps(suggestion["params"]))
        program.out("tell", str(suggestion["number"]), str(number))
    assert len(set(asked)) == 6
    assert "all 6 combinations" in program.refused(11, "ask")
    trials = program.json("trials", "--format", "json")
    assert len([trial for trial in trials if "duplicate_of" not in trial["user_attrs"]]) == 6
    assert program.call("verify").returncode == 0


def test_best_shows_mean_and_spread_of_replicates(program: Any) -> None:
    program.out("create", "--param", "x: float(0, 1)", "--replicates", "2")
    seeds = []
    for value in ("4", "6", "1", "2"):
        suggestion = program.json("ask")
        seeds.append(suggestion["seed"])
        program.out("tell", str(suggestion["number"]), value)
    best = program.json("best")
    assert (best["number"], best["value"], best["replicates"]) == (2, 1.5, 2)
    assert 0.70 < best["spread"] < 0.71
    assert len(set(seeds)) == 4
    status = program.json("status", "--format", "json")
    assert (status["best"]["value"], status["replicates"], status["duplicates"]) == (1.5, 2, "allow")
    assert "2 replicates" in program.out("status")


def test_a_policy_can_be_changed_without_repeating_the_space(program: Any) -> None:
    program.out("create", "--param", "c: a | b", "--duplicates", "resample")
    asked = {program.json("ask")["params"]["c"] for _ in range(2)}
    program.refused(11, "ask")
    changed = program.call("create", "--exist-ok", "--duplicates", "allow")
    assert (changed.returncode, changed.stderr) == (0, b"journaltune: create: duplicates is allow now (it was resample)\n")
    assert program.json("ask")["params"]["c"] in asked
    assert "no study 'other'" in program.refused(3, "create", "--exist-ok", "--study", "other", "--seed", "1")
    assert "no journal" in program.refused(3, "create", "-f", "none.journal", "--exist-ok", "--seed", "1")
