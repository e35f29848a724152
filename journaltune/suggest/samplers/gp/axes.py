"""The space as an optimiser walks through it: rows of unit coordinates, whole or with NaN where a parameter is absent."""

from __future__ import annotations

import numpy as np

from journaltune.suggest.samplers.gp.scale import RESOLUTION, internal_of, n_values, units

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from typing import Protocol

    from numpy.typing import NDArray

    from journaltune.space import Distribution
    from journaltune.suggest.samplers.gp.stream import Stream

    Array = NDArray[np.float64]
    Key = tuple[float, ...]

    class Conditions(Protocol):
        """Which parameters a configuration has."""

        parents: Sequence[str]
        """The parameters that conditions read."""
        optional: Collection[str]
        """The parameters that conditions may leave out."""

        def present(self, values: Mapping[str, float]) -> Collection[str]:
            """The columns that are there with these internal values of the parents, absent ones among them."""


_MOST_BRANCHES = 8
_RELAXED = 10  # a number with more values than this is followed along its slope, and rounded
_STEPS = (1, 2, 4, 8, 16, 32)


class Axes:
    """``grids`` holds the places of a column's values, None where it is continuous."""

    def __init__(self, distributions: Mapping[str, Distribution], conditions: Conditions | None = None) -> None:
        self.distributions = list(distributions.values())
        self.names = list(distributions)
        self.n_choices = [len(known.choices) for known in self.distributions]
        self.grids = [_grid(known) for known in self.distributions]
        self.slope = np.array(
            [known.kind != "categorical" and not 0 < n_values(known) <= _RELAXED for known in self.distributions]
        )
        self._conditions = conditions
        self.optional = np.array([conditions is not None and name in conditions.optional for name in self.names])
        self.parents = [self.names.index(name) for name in conditions.parents] if conditions else []
        self._masks: dict[Key, NDArray[np.bool_]] = {}

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
        if self._conditions is None:
            return rows
        return np.where([self._mask(row) for row in rows.tolist()], rows, np.nan)

    def _mask(self, row: list[float]) -> NDArray[np.bool_]:
        key = tuple([internal_of(self.distributions[parent], row[parent]) for parent in self.parents])
        if key not in self._masks and self._conditions is not None:
            present = self._conditions.present({self.names[at]: value for at, value in zip(self.parents, key, strict=True)})
            self._masks[key] = np.array([name in present for name in self.names])
        return self._masks[key]

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
