"""The loops of the examples, started as a user starts them."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

TRIALS = 8


@pytest.fixture(params=["bash", "c"])
def loop(request: pytest.FixtureRequest, examples: Path, data: dict[str, Path]) -> list[str]:
    if request.param == "c":
        request.getfixturevalue("c_trainer")  # for its reason to skip
    csv = data["breast_cancer" if request.param == "bash" else "digits"]
    return [str(examples / request.param / "loop.sh"), str(csv)]


def finish(*processes: subprocess.Popen[str]) -> str:
    """What the processes said on stderr, once all of them ended well."""
    said = [process.communicate()[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes), said
    return "".join(said)


def start(loop: list[str], trials: int, folder: Path, env: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen([*loop, str(trials)], cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def trials(folder: Path, env: dict[str, str]) -> list[dict[str, Any]]:
    listed = subprocess.run(
        ["journaltune", "trials", "--format", "jsonl"], cwd=folder, env=env, capture_output=True, text=True, check=True
    )
    return [json.loads(line) for line in listed.stdout.splitlines()]


def test_two_loops_at_once_share_exactly_the_trials(loop: list[str], tmp_path: Path, shell_env: dict[str, str]) -> None:
    said = finish(*(start(loop, TRIALS, tmp_path, shell_env) for _ in range(2)))
    found = trials(tmp_path, shell_env)
    assert [trial["number"] for trial in found] == list(range(TRIALS))
    assert {trial["state"] for trial in found} <= {"complete", "fail"}  # a trial that diverged has failed
    assert sum(line.startswith("trial ") for line in said.splitlines()) == TRIALS
    assert min(trial["values"][0] for trial in found if trial["state"] == "complete") < 0.15


def test_a_loop_started_again_goes_on_to_its_total(loop: list[str], tmp_path: Path, shell_env: dict[str, str]) -> None:
    for total in (2, 2, 3):
        finish(start(loop, total, tmp_path, shell_env))
        assert len(trials(tmp_path, shell_env)) == total


def test_a_trainer_that_fails_fails_its_trial_only(loop: list[str], tmp_path: Path, shell_env: dict[str, str]) -> None:
    finish(start([loop[0], "no-such.csv"], 2, tmp_path, shell_env))
    assert [trial["state"] for trial in trials(tmp_path, shell_env)] == ["fail", "fail"]
