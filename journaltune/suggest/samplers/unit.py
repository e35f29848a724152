"""Parameters as numbers from 0 to 1, and how children differ from their parents there.

A grid's values are the middles of equal cells, an int on a log scale has half a step more at each end, and an unordered choice is
its index, which has no neighbours.

Sources: Deb, Agrawal, "Simulated binary crossover for continuous search space", 1995; for the mutation Deb, Goyal, "A combined
genetic adaptive search (GeneAS) for engineering design", 1996.
"""

from __future__ import annotations

from math import exp, log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from journaltune.space import Distribution

_CROSSOVER = 2.0  # distribution index: the larger, the nearer are children to their parents


class UnitColumn:
    """One parameter. ``encode`` turns internal values into numbers from 0 to 1, ``decode`` back; choices stay as they are."""

    __slots__ = ("_distribution", "_high", "_low", "_n_cells", "_n_choices")

    def __init__(self, distribution: Distribution) -> None:
        self._distribution = distribution
        low, high = distribution.low, distribution.high
        self._n_choices = len(distribution.choices) if distribution.kind == "categorical" else 0
        self._n_cells = 0 if distribution.log or self._n_choices else distribution.cardinality or 0
        half = 0.5 if distribution.log and distribution.kind == "int" else 0.0
        self._low: float = log(low - half) if distribution.log else low
        self._high: float = log(high + half) if distribution.log else high

    def encode(self, internal: float) -> float:
        if self._n_choices:
            return internal
        if self._n_cells:
            return (round((internal - self._low) / (self._distribution.step or 1)) + 0.5) / self._n_cells
        place = log(internal) if self._distribution.log else internal
        return _clipped((place - self._low) / (self._high - self._low)) if self._high > self._low else 0.5

    def decode(self, unit: float) -> float:
        known = self._distribution
        if self._n_choices:
            return unit
        if self._n_cells:
            return float(known.value_at(self._cell(unit)))
        place = self._low + unit * (self._high - self._low)
        if not known.log:
            return float(min(max(place, known.low), known.high))
        value = exp(place)
        return float(min(max(round(value) if known.kind == "int" else value, known.low), known.high))

    def crossed(self, one: float, other: float, drawn: float, is_near: bool) -> float:
        """A child's value from its parents' (``is_near``: nearer to the first one's), by a number drawn from 0 to 1."""
        if self._n_choices:
            return one if is_near else other
        power = 1 / (_CROSSOVER + 1)
        spread = (2 * drawn) ** power if drawn <= 0.5 else (1 / (2 * (1 - drawn))) ** power
        signed = spread if is_near else -spread
        return _clipped(0.5 * ((1 + signed) * one + (1 - signed) * other))

    @property
    def is_choice(self) -> bool:
        return self._n_choices > 0

    def mutated(self, unit: float, nearness: float, drawn: float) -> float:
        """A value beside this one, by a number drawn from 0 to 1: another cell of a grid, any other choice.

        ``nearness`` is the distribution index: the mean step is about 1 / (``nearness`` + 2) of the range.
        """
        if self._n_choices:
            steps = 1 + int(drawn * (self._n_choices - 1))
            return (unit + steps) % self._n_choices if self._n_choices > 1 else unit
        power = 1 / (nearness + 1)
        step = (2 * drawn) ** power - 1 if drawn < 0.5 else 1 - (2 * (1 - drawn)) ** power
        moved = _clipped(unit + step)
        if not self._n_cells or self._cell(moved) != self._cell(unit):
            return moved
        cell = self._cell(unit) + (1 if drawn >= 0.5 else -1)
        if not 0 <= cell < self._n_cells:
            cell = min(max(2 * self._cell(unit) - cell, 0), self._n_cells - 1)
        return (cell + 0.5) / self._n_cells

    def _cell(self, unit: float) -> int:
        return min(int(unit * self._n_cells), self._n_cells - 1)


def _clipped(unit: float) -> float:
    return min(max(unit, 0.0), 1.0)
