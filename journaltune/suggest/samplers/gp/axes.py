"""The space as an optimiser walks through it: rows of unit coordinates, whole or with NaN where a parameter is absent."""

from __future__ import annotations

import numpy as np

from journaltune.suggest.samplers.gp.scale import RESOLUTION, internal_of, n_values, units

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from journaltune.space import Distribution
    from journaltune.space.rules import Rules
    from journaltune.suggest.samplers.gp.constraints import Constraints
    from journaltune.suggest.samplers.gp.stream import Stream

    Array = NDArray[np.float64]
    Key = tuple[float, ...]


_MOST_BRANCHES = 8
_RELAXED = 10  # a number with more values than this is followed along its slope, and rounded
_STEPS = (1, 2, 4, 8, 16, 32)


class Axes:
    """``grids`` holds the places of a column's values, None where it is continuous."""

    def __init__(self, distributions: Mapping[str, Distribution], rules: Rules | None = None) -> None:
        self.distributions = list(distributions.values())
        self.names = list(distributions)
        self.n_choices = [len(known.choices) if known.kind == "categorical" else 0 for known in self.distributions]
        self.grids = [_grid(known) for known in self.distributions]
        self.slope = np.array(
            [known.kind != "categorical" and not 0 < n_values(known) <= _RELAXED for known in self.distributions]
        )
        self._rules = rules
        self.optional = np.array([rules is not None and name in rules.optional for name in self.names])
        self.parents = [self.names.index(name) for name in rules.parents if name in self.names] if rules else []
        self._constraints: Constraints | None = None
        if rules is not None and rules.restricts:
            from journaltune.suggest.samplers.gp.constraints import Constraints

            self._constraints = Constraints(rules, distributions)

    def __len__(self) -> int:
        return len(self.names)

    def branches(self) -> list[tuple[int, float]]:
        """Every value of each parent that has few, as (column, place)."""
        grids = [(parent, self.grids[parent]) for parent in self.parents]
        return [(at, float(u)) for at, grid in grids if grid is not None and len(grid) <= _MOST_BRANCHES for u in grid]

    def spread(self, uniform: Array) -> Array:
        """Whole rows from numbers in [0, 1)."""
        rows = uniform.copy()
        for column, count in enumerate(self.n_choices):
            if count:
                rows[:, column] = np.floor(uniform[:, column] * count)
        return self.snapped(rows)

    def random(self, stream: Stream, count: int) -> Array:
        return self.spread(stream.uniform(count, len(self)))

    def snapped(self, rows: Array) -> Array:
        """The nearest rows that lie inside, with values that the columns have."""
        found = np.empty_like(rows)
        for column, grid in enumerate(self.grids):
            if grid is None:
                found[:, column] = np.clip(rows[:, column], 0.0, 1.0)
            else:
                found[:, column] = grid[np.searchsorted(0.5 * (grid[1:] + grid[:-1]), rows[:, column])]
        return found

    def masked(self, rows: Array) -> Array:
        """Whole rows without what their conditions leave out."""
        return rows if self._constraints is None or not self.parents else self._constraints.masked(rows)

    def allowed(self, masked: Array) -> NDArray[np.bool_]:
        """Whether each row keeps the constraints; without those that its conditions leave out."""
        return np.ones(len(masked), bool) if self._constraints is None else self._constraints.keep(masked)

    def keeps_rules(self, masked: Array) -> bool:
        """Whether one row's values, as they would be suggested, keep the constraints."""
        return self._constraints is None or (self._rules is not None and self._rules.settled(self.internal(masked)) is not None)

    def neighbours(self, row: Array, column: int) -> Array:
        """Other places of one column: every category, and values near and farther of a number that has few."""
        grid = self.grids[column]
        if grid is None:
            return np.empty(0)
        at = int(np.searchsorted(grid, row[column] - RESOLUTION / 2))
        if self.n_choices[column] or len(grid) <= 2 * len(_STEPS):
            return np.delete(grid, at)
        return grid[[place for step in _STEPS for place in (at - step, at + step) if 0 <= place < len(grid)]]

    def keys(self, rows: Array) -> list[Key]:
        """What tells configurations apart, to the resolution of suggestions."""
        rounded = np.where(np.isnan(rows), -1.0, np.rint(rows / RESOLUTION))
        return [tuple(row) for row in rounded.tolist()]

    def internal(self, row: Array) -> dict[str, float]:
        """The values of what is present."""
        columns = zip(self.names, self.distributions, row.tolist(), strict=True)
        return {name: internal_of(known, unit) for name, known, unit in columns if unit == unit}


def _grid(known: Distribution) -> Array | None:
    if not n_values(known):
        return None
    return np.arange(float(len(known.choices))) if known.kind == "categorical" else np.array(units(known))
