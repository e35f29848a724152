"""Searches that are killed at drawn moments and simply started again, beside the same search left alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from journaltune import create_study, load_study

# Objectives that take a moment, so that most kills come in the middle of a trial.
PYTHON = """
import sys, time
from journaltune import load_study
def objective(trial):
    time.sleep(0.05)
    return sum((value - 0.3) ** 2 if isinstance(value, float) else len(str(value)) for value in trial.params.values())
study = load_study(sys.argv[1])
if sys.argv[3] == "optimize":
    study.optimize(objective, total_trials=int(sys.argv[2]))
elif sys.argv[3] == "isolate":
    study.optimize(objective, total_trials=int(sys.argv[2]), isolate=True)
else:
    for trial in study.trials_iter(total_trials=int(sys.argv[2])):
        study.tell(trial, objective(trial))
"""
SHELL = """
while suggestion=$(journaltune ask -f "$1" --format sh --owner $$ --trials "$2"); do
    eval "$suggestion"
    sleep 0.01
    journaltune tell -f "$1" "$JT_TRIAL" "$(awk -v x="$JT_x" 'BEGIN { printf "%.17g", (x - 0.3) ^ 2 }')" || exit 1
done
ended=$?
[ "$ended" -eq 11 ] || exit "$ended"
"""

FLOATS = {"x": "float(0, 1)", "y": "log(1e-3, 1)"}
MIXED = {**FLOATS, "c": "a | bb | ccc", "n": "int(1, 9)"}
GRID = {"x": "float(0, 1, step=0.1)", "c": "a | bb | ccc"}
SAMPLERS: dict[str, dict[str, str]] = {
    "tpe": MIXED,
    "random": MIXED,
    "nsgaii": MIXED,
    "qmc": FLOATS,
    "cmaes": FLOATS,
    "grid": GRID,
}


def by_python(way: str) -> Callable[[Path, int], list[str]]:
    return lambda path, n_trials: [sys.executable, "-c", PYTHON, str(path), str(n_trials), way]


def by_shell(path: Path, n_trials: int) -> list[str]:
    return ["sh", "-c", SHELL, "sh", str(path), str(n_trials)]


def make(path: Path, sampler: str, **settings: Any) -> None:
    options = {"population_size": 6} if sampler == "nsgaii" else {"n_startup_trials": 3} if sampler == "cmaes" else None
    create_study(
        path,
        study_name="s",
        params=SAMPLERS[sampler],
        sampler=sampler,
        sampler_options=options,
        seed=11,
        attempts=10_000,
        **settings,
    ).close()


def left_alone(command: list[str], env: dict[str, str], n_workers: int = 1) -> None:
    workers = [subprocess.Popen(command, env=env) for _ in range(n_workers)]
    assert [worker.wait() for worker in workers] == [0] * n_workers


def killed(
    command: list[str], env: dict[str, str], n_kills: int, dice: Random, within_s: tuple[float, float], n_workers: int = 1
) -> int:
    """Kill one of the workers at a drawn moment, with all that it started, and start it again; until all have come to the end.

    How many kills hit.
    """
    workers = [_start(command, env) for _ in range(n_workers)]
    hits = 0
    while hits < n_kills:
        time.sleep(dice.uniform(*within_s))
        living = [index for index, worker in enumerate(workers) if worker.poll() is None]
        if not living:
            break
        index = dice.choice(living)
        # The loop alone, or its whole group: a command that it runs may outlive it.
        whole = dice.random() < 0.5
        (os.killpg if whole else os.kill)(workers[index].pid, signal.SIGKILL)
        workers[index].wait()
        hits += 1
        workers[index] = _start(command, env)
    assert [worker.wait() for worker in workers] == [0] * n_workers
    return hits


def _start(command: list[str], env: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, env=env, start_new_session=True)


def trials_of(path: Path) -> list[tuple[Any, ...]]:
    """Number, state, parameters and values of every trial."""
    with load_study(path) as study:
        return [(trial.number, trial.state.name, trial.params, trial.values) for trial in study.trials]
