"""The Pareto front, against its definition."""

from __future__ import annotations

import random

import pytest

from journaltune.study.best import pareto_front


@pytest.mark.parametrize("n_objectives", [2, 3])
@pytest.mark.parametrize("seed", range(20))
def test_a_loss_is_in_the_front_just_if_none_dominates_it(n_objectives: int, seed: int) -> None:
    dice = random.Random(seed)
    losses = [(tuple(float(dice.randrange(6)) for _ in range(n_objectives)), number, number) for number in range(30)]
    expected = [
        loss
        for loss in losses
        if not any(other[0] != loss[0] and all(a <= b for a, b in zip(other[0], loss[0], strict=True)) for other in losses)
    ]
    assert sorted(pareto_front(losses)) == sorted(expected)


def test_of_nothing_the_front_is_empty() -> None:
    assert pareto_front([]) == []
