"""How results at any two places vary together: a function of all parameters, and one that is a sum over them.

The sum learns from every result what each parameter does by itself, wherever the others are: most of what decides about a
training's result, and a model needs far fewer results to know it. Source: Duvenaud, Nickisch, Rasmussen, "Additive Gaussian
processes", arXiv 1112.4394, of which these are the first and the last order.
"""

from __future__ import annotations

from math import sqrt

import numpy as np

from journaltune.suggest.samplers.gp.kernel import matern, rational, squared_distances

TYPE_CHECKING = False
if TYPE_CHECKING:
    from numpy.typing import NDArray

    from journaltune.suggest.samplers.gp.kernel import Places

    Array = NDArray[np.float64]


class Hyperparameters:
    """Length scales by column, variance of the function of all parameters, noise's variance, and the sum's variance."""

    __slots__ = ("additive", "lengths", "noise", "variance")

    def __init__(self, lengths: Array, variance: float, noise: float, additive: float = 0.0) -> None:
        self.lengths, self.variance, self.noise, self.additive = lengths, variance, noise, additive

    @property
    def whole(self) -> float:
        """The variance at a place that is far from all others, without noise."""
        return self.variance + self.additive


class Covariance:
    """Over points: the coordinates of rows in length scales. The sum's scales are shorter by the root of its terms' number."""

    def __init__(self, places: Places, hyper: Hyperparameters) -> None:
        self._places, self._hyper = places, hyper
        self._n_columns = len(hyper.lengths)
        self._scale = 1.0 / hyper.lengths[places.owner]
        self._by_column = (places.owner[:, None] == np.arange(self._n_columns)).astype(float)

    def points(self, rows: Array) -> Array:
        found: Array = self._places.of(rows) * self._scale
        return found

    def between(self, one: Array, other: Array) -> Array:
        """(one, other)."""
        found: Array = self._hyper.variance * matern(squared_distances(one, other))[0]
        if self._hyper.additive:
            found += self._hyper.additive / self._n_columns * self._sum(one, other)
        return found

    def _sum(self, one: Array, other: Array) -> Array:
        """Of the columns' `rational`, in place: new arrays would take half of the time."""
        found, half = np.zeros((len(one), len(other))), 0.5 * sqrt(self._n_columns)
        squared = np.empty_like(found)
        for column in range(self._n_columns):
            coordinates = np.flatnonzero(self._by_column[:, column])
            a, b = half * one[:, coordinates], half * other[:, coordinates]
            if len(coordinates) == 1:
                np.subtract(a, b[:, 0], out=squared)
                np.multiply(squared, squared, out=squared)
            else:
                squared[:] = squared_distances(a, b)
            squared += 1.0
            np.multiply(squared, squared, out=squared)
            found += np.reciprocal(squared, out=squared)
        return found

    def slopes(self, row: Array, others: Array) -> tuple[Array, Array]:
        """Between one row and other points (others), and the derivatives by the row's numbers (others, columns)."""
        smooth = self._places.n_smooth
        difference = self.points(row[None]) - others
        squares = difference * difference
        value, slope = matern(squares.sum(axis=1))
        covariance: Array = self._hyper.variance * value
        by_square = (self._hyper.variance * slope)[:, None]
        if self._hyper.additive:
            values, slopes = rational(self._n_columns * (squares @ self._by_column))
            covariance += self._hyper.additive * values.mean(axis=1)
            by_square = by_square + self._hyper.additive * slopes[:, self._places.owner[:smooth]]
        by_number = -by_square * difference[:, :smooth] * (self._scale[:smooth] * self._places.slopes(row))
        return covariance, by_number @ self._by_column[:smooth, : len(row)]
