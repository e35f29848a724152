"""Pruners beside Optuna's classes: the decision on every report of many random histories."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import optuna
import pytest
import scipy.stats
from pruning import CLASSES, compare
from torture.share import Clean, Finds, Run, Share

from journaltune.suggest.pruners import percentile

RUNS = 10_000 * len(CLASSES)
Percentile = Callable[[list[float], float], float]


@pytest.fixture(autouse=True)
def quiet_and_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without log lines. SciPy takes the p-value of a small sample with ties from its permutations, for a second each: here both
    sides get the asymptotic one. The unit tests have SciPy's own choice."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    monkeypatch.setattr(scipy.stats, "wilcoxon", partial(scipy.stats.wilcoxon, method="asymptotic"))


@pytest.mark.torture(runs=RUNS, few=8)
def test_pruners_decide_as_optunas(clean: Clean) -> None:
    clean(pruners)


def pruners(share: Share) -> None:
    share.each([name for _ in range(-(-share.n // len(CLASSES))) for name in CLASSES][: share.n], _history)


def _history(run: Run, name: str) -> None:
    run.what = name
    try:
        compare(name, run.seed * RUNS + run.number)
    except AssertionError as error:
        run.find("wrong", str(error))


def test_another_rounding_of_a_percentile_is_found(finds: Finds, monkeypatch: pytest.MonkeyPatch) -> None:
    exact: Percentile = percentile.percentile
    monkeypatch.setattr(percentile, "percentile", lambda values, share: exact(values, share) * (1 + 1e-15) - 1e-9)
    assert finds(pruners, 400, "percentile")
