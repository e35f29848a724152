"""That `scripts/bench` measures every row and says what it found; how fast anything is, is for the bench itself to say."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from benchmarks import command, landscapes, regrets
from benchmarks.bench import ISOLATED, interleave
from benchmarks.command import ROWS
from benchmarks.journals import Journals, optuna_records
from benchmarks.table import Bar, Line, more, render, shorter, within
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

ROOT = Path(__file__).resolve().parents[2]
# Rows that measure the same with other sizes do the same with --quick: the first of them stands for all.
FIRST = {getattr(row.run, "func", row.run): name for name, row in reversed(ROWS.items())}.values()
GROUPS = (
    "shell",
    "report",
    "single",
    "parallel",
    "open",
    "quality",
    "pruning",
    "failures",
    "lookup",
    "memory",
    "run",
    "serve",
    "storage",
)
# What costs in these is that Optuna or scikit-learn is imported in process after process. The others start each one for real.
IMPORTING = ("parallel", "open", "quality", "pruning", "failures", "lookup", "storage")
Bench = Callable[..., subprocess.CompletedProcess[str]]


def bench(*arguments: str, python: str = sys.executable) -> subprocess.CompletedProcess[str]:
    called = [str(ROOT / "scripts" / "bench"), "--python", python, *arguments]
    return subprocess.run(called, capture_output=True, text=True, check=False)


@pytest.fixture
def python(warm_sklearn_env: dict[str, str], tmp_path: Path) -> str:
    """An interpreter that is forked from one with the libraries loaded, also where it is told which folders not to look in."""
    path = tmp_path / "python"
    warm = warm_sklearn_env["PATH"].partition(os.pathsep)[0]
    path.write_text(f'#!/bin/sh\n[ "$1" != {ISOLATED} ] || shift\nexec \'{warm}/python\' "$@"\n', encoding="utf-8")
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def bench_forking(python: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Bench:
    """The bench in this process; those that it measures are forked."""

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        with monkeypatch.context() as patched:
            patched.setattr(sys, "executable", python)
            code = command.main(arguments)
        return subprocess.CompletedProcess(arguments, code, *capfd.readouterr())

    return call


@pytest.mark.parametrize("group", GROUPS)
def test_every_row_runs_and_its_lines_stand_in_the_table_under_the_machine_and_the_versions(
    group: str, tmp_path: Path, bench_forking: Bench
) -> None:
    journals, numbers = tmp_path / "journals", tmp_path / "numbers.json"
    journals.mkdir()
    wanted = {name for name in FIRST if name.startswith(group)}
    call = bench_forking if group in IMPORTING else bench
    done = call("--quick", "--json", str(numbers), "--dir", str(journals), *wanted)
    assert done.returncode == 0, done.stderr
    rows = json.loads(numbers.read_text(encoding="utf-8"))["rows"]
    assert {row["row"] for row in rows} == wanted
    assert all(sample > 0 for row in rows for sample in [*row["ours"], *row["peer"]])
    above, table = done.stdout.split("\n\n")[:2]
    machine, versions, meanwhile = above.splitlines()
    assert machine.startswith("machine: ")
    assert f"optuna {optuna.__version__}" in versions
    assert meanwhile.startswith("meanwhile: other programs used ")
    heading, rule, *lines = table.splitlines()
    assert heading.split() == ["row", "ours", "peer", "ratio", "bar"]
    assert set(rule) == {"-", " "}
    assert len(lines) == len(rows)
    for line, row in zip(lines, rows, strict=True):
        assert line.startswith(f"{row['row']}: {row['what']} ")
        assert line.endswith({True: "  met", False: "  MISSED"}.get(row["met"], line[-1]))
        assert (row["met"] is None) == (row["bar"] is None)
    assert not list(journals.iterdir())


def test_the_groups_are_all_rows() -> None:
    assert {name.partition("-")[0] for name in ROWS} == set(GROUPS)


def test_samplers_are_compared_by_their_trials(tmp_path: Path, python: str) -> None:
    results = tmp_path / "results.jsonl"
    options = ("--budget", "6", "--seeds", "2", "--workers", "1,2", "--samplers", "auto,random", "--results", str(results))
    done = bench("--quality", "branin", "failing", *options, python=python)
    assert done.returncode == 0, done.stderr
    tables = done.stdout.split("\n\n")
    assert [table.splitlines()[0] for table in tables] == [
        f"{name} beside Optuna's TPE, {workers} workers" for workers in (1, 2) for name in ("auto", "random")
    ]
    assert all(len(table.splitlines()) == 9 for table in tables)
    runs = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]
    assert len(runs) == 5 * 2 * 2 * 3
    assert all(run["regrets"]["6"] >= 0 for run in runs)
    assert {run["problem"] for run in runs if run["failed"]} >= {"fails-corner", "fails-diagonal"}
    again = bench("--quality", "branin", "failing", *options, python=python)
    assert (again.stdout, again.stderr) == (done.stdout, "")


def test_what_is_expected_stands_beside_what_came(tmp_path: Path, python: str) -> None:
    results = tmp_path / "results.jsonl"
    options = ("branin", "noisy-branin", "--seeds", "1", "--after", "6,8", "--results", str(results))
    done = bench("--gains", *options, python=python)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split("  ")[0] for line in lines[2:]] == ["branin", "noisy-branin", "ratio of the sums", "rank correlation"]
    gains = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]
    assert len(gains) == 2 * 2
    assert all(gain["expected"] > 0 for gain in gains)
    assert all(gain["realised"] >= 0 for gain in gains if gain["problem"] == "branin")
    assert bench("--gains", *options, python=python).stdout == done.stdout


def test_recommended_trials_are_shown_where_results_are_noisy(tmp_path: Path, python: str) -> None:
    results = tmp_path / "results.jsonl"
    options = ("--budget", "12", "--seeds", "2", "--workers", "1", "--samplers", "random", "--results", str(results))
    done = bench("--quality", "branin", "noisy-branin", *options, python=python)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.split("\n\n")[-1].splitlines()
    assert lines[0].startswith("recommended trials")
    assert [line.split()[:3] for line in lines[3:]] == [["noisy-branin", "1", name] for name in ("optuna-tpe", "random")]
    runs = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]
    assert {run["problem"] for run in runs if run["recommended"] is not None} == {"noisy-branin"}


def test_what_is_no_problem_is_named() -> None:
    done = bench("--quality", "brannin")
    assert done.returncode != 0
    assert "'brannin'" in done.stderr


@pytest.mark.parametrize("name", [name for name in landscapes.ALL if not name.endswith("-table")])
def test_every_problem_has_its_optimum_at_0(name: str) -> None:
    """Nothing random is below it, and problems are no plains."""
    median, worst = regrets.scale(name)
    assert 0 < median < worst
    assert landscapes.ALL[name].noise < worst


def test_a_row_that_is_not_there_is_refused_with_the_names_of_those_that_are() -> None:
    done = bench("shell-7")
    assert done.returncode == 2
    assert "shell-7" in done.stderr
    assert "shell-100 " in done.stderr


def test_an_interpreter_that_is_not_there_is_refused_with_the_next_step() -> None:
    done = bench("--python=/nowhere/python")
    assert done.returncode == 2
    assert "/nowhere/python" in done.stderr
    assert "scripts/quickstart" in done.stderr


def test_generated_records_are_what_journal_storage_writes(tmp_path: Path) -> None:
    path = tmp_path / "written"
    study = optuna.create_study(storage=JournalStorage(JournalFileBackend(str(path))), study_name="bench")
    space = {name: optuna.distributions.FloatDistribution(0, 1) for name in ("x0", "x1")}
    trials = []
    for value in (0.25, 1e-7):
        asked = study.ask(dict(space))
        study.tell(asked, value)
        texts = {name: optuna.distributions.distribution_to_json(kind) for name, kind in space.items()}
        trials.append((asked.params, texts, value))
    written = path.read_text(encoding="utf-8").splitlines()
    assert [_timeless(line) for line in "".join(optuna_records(trials)).splitlines()] == [_timeless(line) for line in written]


def _timeless(line: str) -> str:
    """A record without what no two writers have alike."""
    return re.sub(r'"(worker_id|datetime_[a-z]+)":"[^"]+"', r'"\1":""', line)


def test_prepared_journals_hold_the_same_trials_for_us_and_for_optuna(tmp_path: Path) -> None:
    journals = Journals(tmp_path, 5)
    ours, theirs = (_trials(path) for path in (journals.ours(3, "tpe"), journals.optuna(3)))
    assert len(ours) == 3
    assert ours == theirs


def _trials(path: Path) -> list[tuple[dict[str, Any], float | None]]:
    study = optuna.load_study(study_name="bench", storage=JournalStorage(JournalFileBackend(str(path))))
    return [(trial.params, trial.value) for trial in study.trials]


def test_contenders_are_measured_in_turns() -> None:
    order: list[str] = []
    calls: Iterator[int] = iter(range(10))
    first, second = interleave("row", 2, lambda: (order.append("a"), next(calls))[1], lambda: (order.append("b"), next(calls))[1])
    assert order == ["a", "b", "a", "b"]
    assert (first, second) == ([0, 2], [1, 3])


def test_a_bar_is_judged_by_medians_in_its_own_direction() -> None:
    assert shorter("r", "w", "ms", [1, 2, 900], "peer", [20, 24, 28], 12).met
    assert shorter("r", "w", "ms", [2], "peer", [23], 12).met is False
    assert more("r", "w", "trials/s", [3000], "peer", [200], 15).met
    assert more("r", "w", "trials/s", [2999], "peer", [200], 15).met is False
    assert within("r", "w", "ms", [39], "peer", [13], 3).met
    assert within("r", "w", "ms", [40], "peer", [13], 3).met is False
    assert Line("r", "w", "ms", [14, 15, 99], bar=Bar("<=", 15, "ms")).met
    assert shorter("r", "w", "ms", [1], "peer", [2]).met is None


def test_a_missed_bar_is_seen_in_the_table() -> None:
    assert render([within("r", "w", "ms", [40], "peer", [10], 3)]).splitlines()[-1].split() == (
        ["r:", "w", "40", "ms", "10", "ms", "peer", "4x", "<=", "3x", "MISSED"]
    )
