"""What the tests of samplers share: studies of two floats, and what a sampler would suggest next."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from journaltune import AskedTrial, create_study, load_study
from journaltune.api.study import Study
from journaltune.suggest.choose import history, sampler_of

PARAMS = {"x": "float(0, 1)", "y": "float(0, 1)"}
HAS_SCIPY = importlib.util.find_spec("scipy") is not None
HAS_CMAES = importlib.util.find_spec("cmaes") is not None
HAS_GP = HAS_SCIPY and importlib.util.find_spec("torch") is not None
needs_scipy = pytest.mark.skipif(not HAS_SCIPY, reason="the extra `qmc` is not installed")
needs_cmaes = pytest.mark.skipif(not HAS_CMAES, reason="the extra `cmaes` is not installed")
needs_gp = pytest.mark.skipif(not HAS_GP, reason="the extra `gp` is not installed")


def make(path: Path, sampler: str, options: dict[str, Any] | None = None, **rest: Any) -> Study:
    return create_study(path, **{"params": PARAMS, "seed": 1, **rest}, sampler=sampler, sampler_options=options)


def tell_all(study: Study, count: int) -> None:
    for _ in range(count):
        trial = study.ask()
        study.tell(trial, [(trial.params["x"] - 0.3 * (i + 1)) ** 2 for i in range(len(study.directions))])


def next_ones(study: Study, seeds: int = 4) -> list[dict[str, float]]:
    """What new objects with several seeds would suggest next, nothing written."""
    opened = load_study(study._study.path, study.study_name)._study
    number = opened.state().n_trials
    return [sampler_of(opened).suggest(history(opened, number), opened.varied, number, seed, 0).internal for seed in range(seeds)]


def tell_there(trial: AskedTrial) -> tuple[int, dict[str, Any], int, int]:
    """What another process, which imports this file, finds in a trial that it is given and tells."""
    trial.study.tell(trial, trial.params["x"])
    return trial.number, trial.params, trial.seed, trial.slot
