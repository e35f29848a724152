"""What a model expects of ten more trials, and what these bring."""

from __future__ import annotations

import math
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from searching import make

from journaltune.engine.recommend import present_outlook
from journaltune.suggest.outlook import N_MORE
from journaltune.suggest.samplers.gp.outputs import Warp

if TYPE_CHECKING:
    from collections.abc import Callable

    from journaltune.api.study import Study


def expected(study: Study) -> float:
    gain = present_outlook(study._study).gain
    assert gain is not None
    return gain


def go_on(study: Study, objective: Callable[[float, float], float], n: int) -> None:
    for _ in range(n):
        trial = study.ask()
        study.tell(trial, objective(**trial.params))


def branin(x: float, y: float) -> float:
    a, b = 15 * x - 5, 15 * y
    return (b - 5.1 / (4 * math.pi**2) * a * a + 5 / math.pi * a - 6) ** 2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(a) + 10


def test_it_is_about_what_ten_more_trials_bring(path: Path) -> None:
    """In the mean over searches, within a factor of 4; and later less is expected, and less comes."""
    early, late = [], []
    for seed in range(3):
        study = make(path, "auto", study_name=f"{seed}", seed=seed)
        for phase, after in ((early, 8), (late, 30)):
            go_on(study, branin, after - len(study.trials))
            before, gain = study.best_value, expected(study)
            go_on(study, branin, N_MORE)
            phase.append((gain, before - study.best_value))
    predicted, realised = (fmean(column) for column in zip(*early, strict=True))
    assert realised / 4 < predicted < 4 * realised
    assert fmean(gain for gain, _ in late) < predicted / 10
    assert fmean(gain for _, gain in late) < realised / 10


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_it_is_on_the_scale_of_the_results_and_positive_whatever_the_direction(path: Path, direction: str) -> None:
    sign = -1.0 if direction == "maximize" else 1.0
    gains = []
    for name, factor, shift in (("plain", 1.0, 0.0), ("scaled", 1000.0, -5e4)):
        study = make(path, "random", study_name=name, directions=direction)
        go_on(study, lambda x, y, f=factor, s=shift: sign * (f * branin(x, y) + s), 20)
        gains.append(expected(study) / factor)
    assert gains[0] > 0
    assert gains[1] == pytest.approx(gains[0], rel=1e-6)


def test_a_lucky_result_is_no_gain(path: Path) -> None:
    """Near the optimum of something noisy ten more results are likely to hold a luckier one, but hardly a better one."""
    gains, lucky = [], []
    for seed in range(3):
        study, dice = make(path, "auto", study_name=f"{seed}", seed=seed), np.random.default_rng(seed)
        go_on(study, lambda x, y, d=dice: (x - 0.3) ** 2 + (y - 0.6) ** 2 + d.normal(0, 0.2), 30)
        before = study.best_value
        gains.append(expected(study))
        lucky.append(max(0.0, before - min(float(dice.normal(0, 0.2, N_MORE).min()) for _ in range(40))))
    assert fmean(gains) < 0.03
    assert fmean(gains) < fmean(lucky) / 2


def test_what_is_tried_out_has_nothing_to_gain(path: Path) -> None:
    study = make(path, "auto", params={"x": "int(0, 3)", "y": "a | b | c"})
    go_on(study, lambda x, y: x + ord(y), 30)
    assert expected(study) == 0.0


def test_running_trials_count_as_made(path: Path) -> None:
    """Ten more are ten beside those that run: what these may bring is no gain of the others."""
    study = make(path, "auto")
    go_on(study, branin, 12)
    alone = expected(study)
    for _ in range(8):
        study.ask()
    assert 0 < expected(study) < alone


def test_a_constraint_bounds_what_can_be_gained(path: Path) -> None:
    study = make(path, "random")
    for _ in range(30):
        trial = study.ask()
        x, y = trial.params["x"], trial.params["y"]
        study.tell(trial, (x - 0.8) ** 2 + (y - 0.8) ** 2, constraints={"x": x - 0.5})
    assert expected(study) == pytest.approx(study.best_value - 0.09, abs=0.02)


def test_where_trials_fail_less_is_expected(path: Path) -> None:
    """Of two studies with the same results, one of which has failures where its results promise most."""
    gains = []
    for name, reason in (("told", "exit"), ("untold", "interrupted")):  # the latter says nothing about its parameters
        study = make(path, "random", study_name=name, seed=3)
        while len(study.trials) < 40:
            trial = study.ask()
            x, y = trial.params["x"], trial.params["y"]
            if x > 0.5:
                study.tell(trial, state="fail", reason=reason)
            else:
                study.tell(trial, (x - 0.8) ** 2 + (y - 0.8) ** 2)
        gains.append(expected(study))
    assert 0.0 < gains[0] < gains[1] / 2


def test_it_is_unknown_while_no_result_counts_or_too_few_are_there(path: Path) -> None:
    study = make(path, "auto")
    go_on(study, branin, 4)
    assert present_outlook(study._study).gain is None
    for _ in range(8):
        study.tell(study.ask(), state="fail", reason="exit")
    assert present_outlook(study._study).gain is None
    other = make(path, "auto", study_name="broken")
    for _ in range(10):
        other.tell(other.ask(), 1.0, constraints={"c": 1.0})
    assert present_outlook(other._study).gain is None


@given(st.lists(st.floats(-1e6, 1e6), min_size=4, max_size=40))
def test_the_way_back_from_modelled_values_is_the_way_there(values: list[float]) -> None:
    quarters = np.quantile(values, [0.25, 0.5, 0.75])
    assume(max(abs(np.array(values) - quarters[1])) < 1e4 * (quarters[2] - quarters[0]))  # no outliers
    warp = Warp(np.array(values))
    spread = max(values) - min(values)
    assert warp.back(warp.outputs) == pytest.approx(np.array(values), abs=1e-6 * spread + 1e-9 * max(map(abs, values)) + 1e-12)


@given(st.lists(st.floats(-1e3, 1e3), min_size=4, max_size=20), st.floats(-50, 50))
def test_beyond_the_results_it_is_finite_and_keeps_the_order(values: list[float], far: float) -> None:
    there = Warp(np.array(values)).back(np.array([far, far + 1.0]))
    assert np.isfinite(there).all()
    assert there[0] <= there[1]
