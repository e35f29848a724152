"""Which of the tried configurations is recommended."""

from __future__ import annotations

import math
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest
from searching import make

from journaltune.base.errors import NotFoundError, UsageError


def bowl(x: float, y: float) -> float:
    return (x - 0.3) ** 2 + (y - 0.7) ** 2


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_without_noise_it_is_the_best_observed_trial(path: Path, direction: str) -> None:
    study = make(path, "random", directions=direction)
    for number in range(25):
        trial = study.ask()
        value = bowl(**trial.params)
        study.tell(trial, -value if direction == "maximize" else value)
        assert number < 3 or study.recommended_trial == study.best_trial


def test_with_noise_it_is_better_than_the_luckiest_trial(path: Path) -> None:
    """Of the trials of any sampler; on the mean, since a lucky one can be good too."""
    observed, recommended = [], []
    for seed in range(16):
        study, dice = make(path, "tpe", study_name=f"{seed}", seed=seed), np.random.default_rng(seed)
        for _ in range(40):
            trial = study.ask()
            study.tell(trial, bowl(**trial.params) + dice.normal(0, 0.3))
        observed.append(bowl(**study.best_trial.params))
        recommended.append(bowl(**study.recommended_trial.params))
    assert fmean(recommended) < fmean(observed)


def test_replicates_are_taken_together(path: Path) -> None:
    study = make(path, "random")
    for x, values in ((0.1, (0.0, 4.0, 4.2)), (0.5, (1.0, 1.2, 1.1)), (0.9, (3.0, 3.1, 2.9))):
        for value in values:
            study.enqueue({"x": x, "y": 0.5})
            study.tell(study.ask(), value)
    assert study.best_trial.params["x"] == 0.1
    assert study.recommended_trial.params["x"] == 0.5
    assert study.recommended_trial.number == 3


def test_pruned_trials_and_those_that_break_a_constraint_are_not_recommended(path: Path) -> None:
    study = make(path, "random")
    for at in range(12):
        trial = study.ask()
        if at % 3 == 0:
            trial.report(-5.0, 1)
            study.tell(trial, state="pruned")
        else:
            study.tell(trial, float(at % 3), constraints={"size": 1.0 if at % 3 == 1 else -1.0})
    assert study.recommended_trial.number % 3 == 2


def test_infinite_and_equal_values_are_no_obstacle(path: Path) -> None:
    study = make(path, "random")
    for value in (math.inf, math.inf, 1.0, 1.0, -math.inf, 1.0):
        study.to_optuna().tell(study.ask().number, value)  # our own tell takes the one that would be best for an overflow
    assert study.recommended_trial.number == 4


def test_before_the_first_result_and_with_several_objectives_there_is_none(path: Path) -> None:
    study = make(path, "random")
    with pytest.raises(NotFoundError):
        study.recommended_trial  # noqa: B018
    study.tell(study.ask(), 1.0)
    assert study.recommended_trial == study.best_trial
    several = make(path, "random", study_name="several", directions=["minimize", "maximize"])
    with pytest.raises(UsageError, match="2 objectives"):
        several.recommended_trial  # noqa: B018


def test_parameters_with_one_value_only_leave_the_best_observed_trial(path: Path) -> None:
    study = make(path, "random", params={"x": "choice(fixed)"})
    for value in (2.0, 1.0, 3.0):
        study.tell(study.ask(), value)
    assert study.recommended_trial.number == 1
