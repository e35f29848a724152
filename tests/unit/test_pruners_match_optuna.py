"""Each pruner decides as Optuna's class does on the same history."""

from __future__ import annotations

import optuna
import pytest
from pruning import CLASSES, compare

optuna.logging.set_verbosity(optuna.logging.WARNING)
SEEDS = 25


@pytest.mark.parametrize("name", CLASSES)
def test_every_decision_on_random_histories_is_optunas(name: str) -> None:
    stopped = sum(compare(name, seed) for seed in range(SEEDS))
    assert (stopped >= SEEDS // 5) == (name != "none"), "a history in which nothing stops shows nothing"
