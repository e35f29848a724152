"""The rank test of Mann and Whitney: whether the values of one group tend to be smaller than those of another.

Source: Mann, Whitney, "On a test of whether one of two random variables is stochastically larger than the other", 1947.
"""

from __future__ import annotations

from math import comb, erfc, sqrt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_MOST_EXACT = 60  # values in both groups: their rank sums are counted; the normal distribution is close enough beyond


def p_value(one: Sequence[float], other: Sequence[float]) -> float | None:
    """The two-sided p-value; None where a group is empty. Equal values share their mean rank.

    Exact for up to 60 values in all, ties included: among all ways to deal the ranks out, the share of those as extreme as this
    one. Beyond, the normal approximation with corrections for ties and continuity. NaN is not taken.
    """
    if not one or not other:
        return None
    ranks = _doubled_ranks([*one, *other])
    rank_sum = sum(ranks[: len(one)])
    return (_exact if len(ranks) <= _MOST_EXACT else _approximate)(ranks, len(one), rank_sum)


def _doubled_ranks(values: Sequence[float]) -> list[int]:
    """Twice the rank of each value, which is whole for a mean rank too."""
    ordered = sorted(values)
    first: dict[float, int] = {}
    last: dict[float, int] = {}
    for rank, value in enumerate(ordered, 1):
        first.setdefault(value, rank)
        last[value] = rank
    return [first[value] + last[value] for value in values]


def _exact(ranks: Sequence[int], n_one: int, rank_sum: int) -> float:
    ways: list[dict[int, int]] = [{0: 1}, *({} for _ in range(n_one))]  # by size: how many subsets have which sum
    for rank in ranks:
        for size in range(n_one - 1, -1, -1):
            larger = ways[size + 1]
            for total, count in ways[size].items():
                larger[total + rank] = larger.get(total + rank, 0) + count
    below = sum(count for total, count in ways[n_one].items() if total <= rank_sum)
    above = sum(count for total, count in ways[n_one].items() if total >= rank_sum)
    return min(1.0, 2 * min(below, above) / comb(len(ranks), n_one))


def _approximate(ranks: Sequence[int], n_one: int, rank_sum: int) -> float:
    n = len(ranks)
    ties = sum(count**3 - count for count in map(ranks.count, set(ranks)))
    variance = n_one * (n - n_one) / 12 * (n + 1 - ties / (n * (n - 1)))
    distance = abs(rank_sum / 2 - n_one * (n + 1) / 2) - 0.5
    return min(1.0, erfc(max(0.0, distance) / sqrt(2 * variance))) if variance > 0 else 1.0
