"""The hypervolume, against Optuna's and against counted cells."""

from __future__ import annotations

import random
from math import inf
from pathlib import Path

import numpy as np
import pytest

from journaltune import create_study
from journaltune.study.best import best_trials, front_volume
from journaltune.study.hypervolume import MOST, hypervolume, reference_of


@pytest.mark.parametrize("n_objectives", [2, 3])
@pytest.mark.parametrize("seed", range(8))
def test_it_is_optunas(n_objectives: int, seed: int) -> None:
    wfg = pytest.importorskip("optuna._hypervolume").compute_hypervolume
    dice = random.Random(seed)
    losses = [[dice.uniform(0, 1.2) for _ in range(n_objectives)] for _ in range(dice.randint(1, 40))]
    reference = [1.0] * n_objectives
    inside = np.array([loss for loss in losses if max(loss) <= 1.0]).reshape(-1, n_objectives)
    theirs = wfg(inside, np.array(reference)) if len(inside) else 0.0
    assert hypervolume(losses, reference) == pytest.approx(theirs)


@pytest.mark.parametrize("n_objectives", [2, 3])
def test_on_a_grid_it_is_the_number_of_dominated_cells(n_objectives: int) -> None:
    dice = random.Random(3)
    losses = [[dice.randrange(6) for _ in range(n_objectives)] for _ in range(6)]
    cells = np.indices([5] * n_objectives).reshape(n_objectives, -1).T
    dominated = sum(any(all(a <= b for a, b in zip(loss, cell, strict=True)) for loss in losses) for cell in cells.tolist())
    assert hypervolume(losses, [5.0] * n_objectives) == dominated


def test_what_has_no_volume() -> None:
    assert hypervolume([(0.0, 2.0), (-inf, 0.0), (0.0, inf)], (1.0, 1.0)) == 0
    assert hypervolume([(0.5,)], (1.0,)) is None
    assert hypervolume([(0.5,) * 4], (1.0,) * 4) is None
    assert hypervolume([(float(n), -float(n), 0.0) for n in range(MOST[3] + 1)], (1e9,) * 3) is None


def test_the_reference_is_the_worst_finite_value() -> None:
    assert reference_of([(1.0, inf), (3.0, 2.0)]) == (3.0, 2.0)
    assert reference_of([(1.0, inf)]) is None
    assert reference_of([]) is None


def test_a_study_s_volume_leaves_out_what_violates_a_constraint(tmp_path: Path) -> None:
    directions = ["maximize", "minimize"]
    study = create_study(tmp_path / "s.journal", params={"x": "float(0, 1)"}, directions=directions, sampler="random", seed=1)
    for values, broken in (([1.0, 5.0], -1), ([2.0, 7.0], 0), ([9.0, 0.0], 1), ([0.0, 8.0], -1)):
        study.tell(study.ask(), values=values, constraints={"c": broken})
    best = best_trials(study._study)
    assert [trial.number for trial in best] == [0, 1]
    assert study._study.look(lambda state: front_volume(state, best)) == (1 * 3 + 1 * 1, [0.0, 8.0])
