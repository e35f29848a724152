"""The rank test, against scipy's and against every way to deal the ranks out."""

from __future__ import annotations

import random
from itertools import combinations

import pytest

from journaltune.study.ranks import p_value


def by_enumeration(one: list[float], other: list[float]) -> float:
    values = [*one, *other]
    ranks = [sum(v < value for v in values) + (values.count(value) + 1) / 2 for value in values]
    observed = sum(ranks[: len(one)])
    sums = [sum(chosen) for chosen in combinations(ranks, len(one))]
    tails = [sum(s <= observed + 1e-9 for s in sums), sum(s >= observed - 1e-9 for s in sums)]
    return min(1.0, 2 * min(tails) / len(sums))


@pytest.mark.parametrize("seed", range(30))
def test_it_is_exact_with_and_without_ties(seed: int) -> None:
    dice = random.Random(seed)
    one, other = ([float(dice.randrange(6)) for _ in range(dice.randint(1, 6))] for _ in range(2))
    assert p_value(one, other) == pytest.approx(by_enumeration(one, other))


@pytest.mark.parametrize(
    ("n_one", "n_other", "method"), [(3, 3, "exact"), (8, 5, "exact"), (20, 25, "exact"), (50, 40, "asymptotic")]
)
def test_it_agrees_with_scipy(n_one: int, n_other: int, method: str) -> None:
    stats = pytest.importorskip("scipy.stats")
    for seed in range(10):
        dice = random.Random(seed)
        one = [dice.gauss(0, 1) for _ in range(n_one)]
        other = [dice.gauss(0.5, 1) for _ in range(n_other)]
        if method == "asymptotic":  # with ties, which scipy's exact method does not take
            one, other = [round(value, 1) for value in one], [round(value, 1) for value in other]
        theirs = stats.mannwhitneyu(one, other, alternative="two-sided", method=method).pvalue
        assert p_value(one, other) == pytest.approx(theirs, rel=1e-9)


def test_the_ends() -> None:
    assert p_value([], [1.0]) is None
    assert p_value([1.0], [1.0]) == 1
    assert p_value([1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, float("inf")]) == pytest.approx(2 / 70)
    assert p_value([1.0] * 40, [1.0] * 40) == 1  # no variance
