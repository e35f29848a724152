"""A search that is killed at any moment and simply started again is the same search as one that was left alone."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import killing
import pytest
import searching

from journaltune import load_study

N_TRIALS, N_KILLS = 14, 6
MARKS = {"qmc": searching.needs_scipy, "cmaes": searching.needs_cmaes}
SAMPLERS = [pytest.param(name, marks=MARKS.get(name, ())) for name in killing.SAMPLERS]


def both(
    tmp_path: Path,
    env: dict[str, str],
    command: Any,
    sampler: str,
    within_s: tuple[float, float],
    n_workers: int = 1,
    **settings: Any,
) -> int:
    whole, broken = tmp_path / "whole.journal", tmp_path / "broken.journal"
    for path in (whole, broken):
        killing.make(path, sampler, **settings)
    killing.left_alone(command(whole, N_TRIALS), env, n_workers)
    hits = killing.killed(command(broken, N_TRIALS), env, N_KILLS, Random(sampler), within_s, n_workers)
    assert killing.trials_of(broken) == killing.trials_of(whole)
    study = load_study(broken)
    assert study.counts() == {"running": 0, "waiting": 0, "complete": N_TRIALS, "pruned": 0, "fail": 0}
    assert study.verify().difference is None
    return hits


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_search_in_python_that_is_killed_and_started_again(tmp_path: Path, shell_env: dict[str, str], sampler: str) -> None:
    slow = sampler in ("qmc", "cmaes", "grid")  # their libraries take a while to import
    way = "optimize" if sampler != "random" else "trials_iter"
    assert both(tmp_path, shell_env, killing.by_python(way), sampler, (0.4, 1.2) if slow else (0.08, 0.25)) > 0


@pytest.mark.parametrize("sampler", ["tpe", "nsgaii"])
def test_a_shell_loop_that_is_killed_and_started_again(tmp_path: Path, shell_env: dict[str, str], sampler: str) -> None:
    assert both(tmp_path, shell_env, killing.by_shell, sampler, (0.05, 0.3)) > 0


def test_children_die_with_a_search_that_is_killed(tmp_path: Path, shell_env: dict[str, str]) -> None:
    assert both(tmp_path, shell_env, killing.by_python("isolate"), "tpe", (0.08, 0.25)) > 0


def test_with_a_lag_and_several_workers(tmp_path: Path, shell_env: dict[str, str]) -> None:
    assert both(tmp_path, shell_env, killing.by_shell, "tpe", (0.05, 0.3), n_workers=4, lag=4) > 0


def test_several_workers_end_with_exactly_the_trials_that_were_wanted(tmp_path: Path, shell_env: dict[str, str]) -> None:
    path = tmp_path / "s.journal"
    killing.make(path, "random")
    command = killing.by_shell(path, 24)
    assert killing.killed(command, shell_env, 10, Random(8), (0.02, 0.15), n_workers=8) > 0
    found = killing.trials_of(path)
    assert [(number, state) for number, state, _, _ in found] == [(number, "COMPLETE") for number in range(24)]
