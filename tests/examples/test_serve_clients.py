"""Clients of `serve` in other languages: the same search from each, and the same after a kill."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import journaltune

if TYPE_CHECKING:
    from collections.abc import Sequence

    from journaltune.api.study import Study

TRIALS = 24
CLIENTS = {"js": ["node"], "R": ["Rscript"], "pl": ["perl"], "sh": ["bash"], "c": ["cc", "-O2", "-Wall", "-Werror"]}


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest, examples: Path, tmp_path: Path) -> list[str]:
    """The command that starts a client. Skipped where the machine does not have its language."""
    program, *options = CLIENTS[request.param]
    if shutil.which(program) is None:
        pytest.skip(f"this machine has no {program}")
    if request.param == "R" and subprocess.run(["Rscript", "-e", "library(jsonlite)"], capture_output=True).returncode != 0:
        pytest.skip("this machine's R has no package jsonlite (Debian: r-cran-jsonlite)")
    source = str(examples / "serve" / f"search.{request.param}")
    if request.param != "c":
        return [program, source]
    subprocess.run([program, *options, source, "-o", str(tmp_path / "client")], check=True)
    return [str(tmp_path / "client")]


def finished(client: Sequence[str], folder: Path, env: dict[str, str], trials: int = TRIALS) -> str:
    done = subprocess.run([*client, str(trials)], cwd=folder, env=env, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def facts(folder: Path) -> list[dict[str, Any]]:
    with journaltune.load_study(folder / "study.journal") as study:
        return [
            {"number": trial.number, "state": trial.state.name, "params": trial.params, "value": trial.value}
            | {"reported": trial.intermediate_values}
            for trial in study.trials
        ]


def made(folder: Path) -> Study:
    """The study that the clients make, with a pruner."""
    folder.mkdir()
    params = {"x": "float(-1, 1)", "y": "float(-1, 1)"}
    pruner: dict[str, Any] = {"pruner": "median", "pruner_options": {"n_startup_trials": 3}}
    return journaltune.create_study(folder / "study.journal", params=params, sampler="tpe", seed=42, **pruner)


def expected(folder: Path) -> list[dict[str, Any]]:
    """The same search in Python."""
    with made(folder) as study:
        for trial in study.trials_iter(TRIALS):
            x, y = trial.params["x"], trial.params["y"]
            for step in range(1, 5):
                loss = (x - 0.3) * (x - 0.3) + (y + 0.2) * (y + 0.2) + 1 / step
                trial.report(loss, step)
                if trial.should_prune():
                    study.tell(trial, state="pruned")
                    break
            else:
                study.tell(trial, loss)
    return facts(folder)


def test_a_search_from_any_language_is_the_one_from_python_with_its_prunings_even_after_a_kill(
    client: list[str], tmp_path: Path, shell_env: dict[str, str]
) -> None:
    folder = tmp_path / "search"
    made(folder).close()
    with subprocess.Popen([*client, str(TRIALS)], cwd=folder, env=shell_env, stdout=subprocess.DEVNULL) as killed:
        deadline = time.monotonic() + 60
        while n_trials(folder) < 5 and time.monotonic() < deadline:
            time.sleep(0.005)
        killed.kill()
    assert n_trials(folder) >= 5
    said = finished(client, folder, shell_env)
    wanted = expected(tmp_path / "python")
    assert facts(folder) == wanted
    assert {trial["state"] for trial in wanted} == {"COMPLETE", "PRUNED"}
    best = min((trial for trial in wanted if trial["state"] == "COMPLETE"), key=lambda trial: trial["value"])
    assert said.startswith(f"best: trial {best['number']} with ")
    assert float(said.split()[-1]) == best["value"]
    assert finished(client, folder, shell_env) == said


def n_trials(folder: Path) -> int:
    """How many trials there are, while another process writes."""
    try:
        return (folder / "study.journal").read_bytes().count(b'{"op_code":4,')
    except OSError:
        return 0


def test_an_error_ends_a_client_with_its_line(client: list[str], tmp_path: Path, shell_env: dict[str, str]) -> None:
    (tmp_path / "study.journal").write_text("no journal\n", encoding="utf-8")
    done = subprocess.run(client, cwd=tmp_path, env=shell_env, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert "study.journal" in done.stderr
