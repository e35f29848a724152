"""A search that is killed at any moment and simply started again is the same search as one that was left alone.

Shell loops and searches in Python, with each sampler; then with a lag and four workers. Numbers, states, parameters and values of
all trials have to be those of a search that nobody killed. Eight workers without a lag have to end with exactly the trials that
were wanted. No trial may be left running, and every suggestion is recomputed.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import killing
import pytest
from torture.share import Clean, Run, Share, evenly

from journaltune import load_study

_N_TRIALS, _N_KILLS, _N_TIMES = 14, 6, 5  # five times six kills for each way
_NEEDS = {"qmc": "scipy", "cmaes": "cmaes"}
_SLOW = ("qmc", "cmaes", "grid")  # their libraries take a while to import

Way = tuple[str, str, int, dict[str, Any]]  # how the search runs, its sampler, how many workers, settings


def _ways() -> list[Way]:
    samplers = [name for name in killing.SAMPLERS if find_spec(_NEEDS.get(name, "journaltune"))]
    alone: list[Way] = [(how, sampler, 1, {}) for sampler in samplers for how in ("optimize", "shell")]
    # Of two the first one and the last: a search in Python alone, and shell loops of several workers.
    return [
        *alone,
        ("trials_iter", "random", 1, {}),
        ("trials_iter", "tpe", 1, {"duplicates": "reuse"}),
        ("isolate", "tpe", 1, {}),
        ("shell", "random", 8, {}),
        ("shell", "tpe", 4, {"lag": 4}),
    ]


WAYS: list[Way] = _ways()


@pytest.mark.torture(runs=_N_TIMES * len(WAYS), few=2)
def test_killed_searches_are_the_same_search(clean: Clean, shell_env: dict[str, str]) -> None:
    tally = clean(lambda share: resume(share, shell_env))
    assert tally.counts["kills"] >= 3 * tally.runs


def resume(share: Share, env: dict[str, str]) -> None:
    share.each(evenly(WAYS, share.n), lambda run, way: _search(run, way, env))


def _search(run: Run, way: Way, env: dict[str, str]) -> None:
    how, sampler, n_workers, settings = way
    run.what = f"{how} {sampler} {n_workers} {settings}"
    whole, broken = run.fresh() / "whole.journal", run.folder / "broken.journal"
    command = killing.by_shell if how == "shell" else killing.by_python(how)
    same = n_workers == 1 or "lag" in settings
    within_s = (0.3, 1.0) if sampler in _SLOW else (0.05, 0.3)
    killing.make(broken, sampler, **settings)
    hits = killing.killed(command(broken, _N_TRIALS), env, _N_KILLS, run.dice(run.number), within_s, n_workers)
    run.count("kills", hits)
    if same:
        killing.make(whole, sampler, **settings)
        killing.left_alone(command(whole, _N_TRIALS), env, n_workers)
        if killing.trials_of(broken) != killing.trials_of(whole):
            run.find("wrong", f"other trials after {hits} kills: {killing.trials_of(broken)}, {killing.trials_of(whole)}")
    _check_whole(run, broken, settings)


def _check_whole(run: Run, path: Path, settings: dict[str, Any]) -> None:
    with load_study(path) as study:
        counts, verdict = study.counts(), study.verify()
    if counts["running"] or counts["complete"] < _N_TRIALS:
        run.find("lost", f"trials are left or missing: {counts}")
    if counts["complete"] + counts["fail"] > _N_TRIALS and "duplicates" not in settings:
        run.find("doubled", f"more trials than were wanted: {counts}")
    if verdict.difference is not None:
        run.find("wrong", f"verify: {verdict.difference}")
