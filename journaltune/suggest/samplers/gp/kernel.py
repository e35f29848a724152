"""How alike two trials are: the Matern kernel of order 5/2 over a place in Euclidean space for each.

A number is its own coordinate. A category is a corner of a simplex with edges of length 1, so that any two are equally far apart:
the Hamming distance. A number that some trials lack lies on an arc of one radian of the unit circle, and at its centre where it
is absent: absent ones are alike, an absent and a present one are 1 apart, two present ones nearly as far apart as without the arc
(Hutter and Osborne, "A kernel for hierarchical parameter spaces", arXiv 1310.5738).
"""

from __future__ import annotations

import numpy as np

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

_CORNER = np.sqrt(0.5)  # corners of a simplex on the axes, 1 apart


class Places:
    """From rows of unit coordinates (NaN where a parameter is absent) to coordinates; ``owner`` is the column of each.

    ``n_choices`` is 0 for a number; ``optional`` tells which parameters may be absent. The first ``n_smooth`` coordinates are
    those of numbers. Rows that lack the last column have 1 there: the end of a trial, see ``observations.Observations``.
    """

    def __init__(self, n_choices: Sequence[int], optional: Sequence[bool]) -> None:
        self.category, absent = np.array(n_choices) > 0, np.array(optional)
        self._arc, self._line = np.flatnonzero(absent & ~self.category), np.flatnonzero(~absent & ~self.category)
        # One corner more, NaN, for trials that lack the category.
        corners = [[*range(n), *[np.nan] * may] if n else [] for n, may in zip(n_choices, optional, strict=True)]
        self._corners = np.array([corner for each in corners for corner in each])
        self._of_corners = np.repeat(np.arange(len(n_choices)), [len(each) for each in corners])
        self.owner = np.concatenate([self._line, self._arc, self._arc, self._of_corners])
        self.n_smooth = len(self._line) + 2 * len(self._arc)

    def of(self, rows: Array) -> Array:
        if rows.shape[1] < len(self.category):
            rows = np.concatenate([rows, np.ones((len(rows), 1))], axis=1)
        parts = [rows[:, self._line]]
        if self._arc.size:
            angle = rows[:, self._arc]
            parts += [_zero_where_absent(np.cos(angle)), _zero_where_absent(np.sin(angle))]
        if self._corners.size:
            choice = rows[:, self._of_corners]
            here = (choice == self._corners) | (np.isnan(choice) & np.isnan(self._corners))
            parts.append(here * _CORNER)
        return np.concatenate(parts, axis=1)

    def slopes(self, row: Array) -> Array:
        """Derivatives of the coordinates of numbers, each by its own column's number; 0 where that is absent."""
        lines = np.ones(len(self._line))
        if not self._arc.size:
            return lines
        angle = row[self._arc]
        return np.concatenate([lines, _zero_where_absent(-np.sin(angle)), _zero_where_absent(np.cos(angle))])

    def squared_differences(self, rows: Array) -> Array:
        """Column by column, for each pair of different rows as ``np.tril_indices`` lists them: (columns, pairs)."""
        one, other = np.tril_indices(len(rows), -1)
        places = self.of(rows).T
        found = np.zeros((len(self.category), len(one)))
        for coordinate in range(self.n_smooth):
            difference = places[coordinate, one] - places[coordinate, other]
            found[self.owner[coordinate]] += difference * difference
        for column in np.flatnonzero(self.category):
            choice = np.nan_to_num(rows[:, column], nan=-1.0)
            found[column] = choice[one] != choice[other]
        return found


def _zero_where_absent(values: Array) -> Array:
    """``np.nan_to_num`` takes ten times as long."""
    values[np.isnan(values)] = 0.0
    return values


def matern(squared: Array) -> tuple[Array, Array]:
    """k and -2 dk/d(r^2) for squared distances r^2, with variance 1.

    Rasmussen and Williams, Gaussian Processes for Machine Learning, equation 4.17 with l = 1.
    """
    root = np.sqrt(5.0 * squared)
    decay = np.exp(-root)
    return decay * (1.0 + root + root * root / 3.0), (5.0 / 3.0) * decay * (1.0 + root)


def rational(squared: Array) -> tuple[Array, Array]:
    """k and -2 dk/d(r^2) of the rational quadratic kernel with alpha = 2: waves of many lengths, and no root to compute.

    Rasmussen and Williams, equation 4.19 with l = 1.
    """
    share = 1.0 / (1.0 + 0.25 * squared)
    value = share * share
    return value, value * share


def squared_distances(one: Array, other: Array) -> Array:
    """Between all places of both."""
    if len(one) <= 8:  # exact, and as fast for few
        difference = one[:, None, :] - other[None, :, :]
        exact: Array = np.einsum("ijk,ijk->ij", difference, difference)
        return exact
    squares = np.einsum("ij,ij->i", one, one)[:, None] + np.einsum("ij,ij->i", other, other)
    found: Array = np.maximum(squares - 2.0 * (one @ other.T), 0.0)
    return found
