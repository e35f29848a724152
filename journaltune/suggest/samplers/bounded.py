"""Which trials TPE learns from when there are many: the best ones, and one of each stretch of all, so that an ask costs the same.

TPE divides trials into the best 25 at most and the rest. So the best ones are the same whatever the sample is, and the density of
the rest is that of some hundred trials instead of all. What is chosen depends on the trials alone, in the order in which they
finished: a trial that was left out never comes back.

Source of the 25: ``default_gamma`` of Optuna's TPE, and Rustuna's.
"""

from __future__ import annotations

from heapq import nsmallest
from itertools import chain, compress

from journaltune.suggest.samplers.from_rustuna import MOST_WHOLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any, Protocol

    class Leaders(Protocol):
        """The best trials. A loss is comparable with others, and the smaller one is better."""

        def add(self, rows: Sequence[int], losses: Sequence[Any]) -> None: ...

        def rows(self) -> list[int]: ...


_BEST = 25
_BLOCK = 4096
_GOLDEN = 0x9E3779B97F4A7C15  # 2**64 divided by the golden ratio: the higher bits of its multiples look random
_CROWD = 128  # of best trials with several objectives, of which half are kept


class Chosen:
    """The rows that are chosen among those that were added."""

    __slots__ = ("_leaders", "_level", "_sample", "n")

    def __init__(self, n_objectives: int) -> None:
        self.n = self._level = 0
        self._leaders: Leaders = Front() if n_objectives > 1 else Best()
        self._sample: list[tuple[int, int]] = []  # the place among all that were added, and the row

    def add(self, rows: Sequence[int], observed: Sequence[int], losses: Sequence[Any]) -> None:
        """``rows``: more of them, in order. Those that are ``observed`` have ``losses``."""
        first, self.n = self.n, self.n + len(rows)
        level = _level_of(self.n)
        if level != self._level:
            self._level = level
            self._sample = [(place, row) for place, row in self._sample if _of_stretch(place >> level, level) == place]
        self._sample += [(place, rows[place - first]) for place in _sampled(first, self.n, level)]
        if observed:
            self._leaders.add(observed, losses)

    def rows(self) -> list[int]:
        """In the order in which the trials finished."""
        return sorted({row for _, row in self._sample}.union(self._leaders.rows()))


def _level_of(n: int) -> int:
    """How often the trials are halved: a stretch has 2 to this power of them."""
    return (n // (MOST_WHOLE + 1)).bit_length()


def _of_stretch(stretch: int, level: int) -> int:
    """The place that is sampled in a stretch: the one of its first or of its second half, by the toss of a coin.

    So a place that is sampled was so in each shorter stretch, too; and nothing that repeats itself every 2, 4 or 8 trials, as the
    asks of some workers do, falls in with the sample.
    """
    place = stretch
    for height in range(level, 0, -1):
        place = 2 * place + (place * _GOLDEN >> 32 + height & 1)
    return place


def _sampled(first: int, end: int, level: int) -> Iterator[int]:
    places = (_of_stretch(stretch, level) for stretch in range(first >> level, -(-end >> level)))
    return (place for place in places if first <= place < end)


class Best:
    """The trials with the smallest losses, of equal ones the first."""

    __slots__ = ("_best",)

    def __init__(self) -> None:
        self._best: list[tuple[Any, int]] = []

    def add(self, rows: Sequence[int], losses: Sequence[Any]) -> None:
        for start in range(0, len(rows), _BLOCK):  # most blocks of many have no better one
            block, worst = losses[start : start + _BLOCK], self._best[-1][0] if len(self._best) == _BEST else None
            if worst is None or min(block) < worst:
                better: Iterator[tuple[Any, int]] = zip(block, rows[start : start + _BLOCK], strict=True)
                if worst is not None:
                    better = compress(better, map(worst.__gt__, block))
                self._best = nsmallest(_BEST, chain(self._best, better))

    def rows(self) -> list[int]:
        return [row for _, row in self._best]


class Front:
    """Trials that few others dominate, thinned out where they crowd. A loss is a violation of constraints and a value each.

    Source: Deb, Pratap, Agarwal, Meyarivan, "A fast and elitist multiobjective genetic algorithm: NSGA-II", 2002, III.
    """

    __slots__ = ("_members",)

    def __init__(self) -> None:
        self._members: list[tuple[tuple[float, ...], int]] = []

    def add(self, rows: Sequence[int], losses: Sequence[Any]) -> None:
        for row, loss in zip(rows, losses, strict=True):
            if self._n_dominating(loss, _BEST) < _BEST:
                self._members.append((loss, row))
                if len(self._members) >= _CROWD:
                    self._thin_out()

    def rows(self) -> list[int]:
        return [row for _, row in self._members]

    def _n_dominating(self, loss: tuple[float, ...], enough: int) -> int:
        count = 0
        for other, _ in self._members:
            if _dominates(other, loss):
                count += 1
                if count == enough:
                    break
        return count

    def _thin_out(self) -> None:
        room = [-each for each in _distances([loss for loss, _ in self._members])]
        order = sorted(range(len(self._members)), key=lambda at: (self._n_dominating(self._members[at][0], _CROWD), room[at], at))
        self._members = [self._members[at] for at in sorted(order[: _CROWD // 2])]


def _dominates(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    if a[0] != b[0] or a[0]:
        return a[0] < b[0]
    better = False
    for ours, theirs in zip(a, b, strict=True):
        if ours > theirs:
            return False
        better = better or ours < theirs
    return better


def _distances(losses: Sequence[tuple[float, ...]]) -> list[float]:
    """Crowding distances."""
    distances = [0.0] * len(losses)
    for objective in range(1, len(losses[0])):
        order = sorted(range(len(losses)), key=lambda at: losses[at][objective])
        low, high = losses[order[0]][objective], losses[order[-1]][objective]
        distances[order[0]] = distances[order[-1]] = float("inf")
        for before, at, after in zip(order, order[1:], order[2:], strict=False):
            if high / 2 > low / 2:
                distances[at] += (losses[after][objective] / 2 - losses[before][objective] / 2) / (high / 2 - low / 2)
    return distances
