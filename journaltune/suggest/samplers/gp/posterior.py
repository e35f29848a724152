"""What the results say of the rest of the space: a Gaussian process, conditioned.

Equations are those of Rasmussen and Williams, Gaussian Processes for Machine Learning, chapter 2. An inverse factor stands where
the book solves with a Cholesky factor: NumPy has no triangular solver, and one inverse serves hundreds of places.
"""

from __future__ import annotations

import numpy as np

from journaltune.suggest.samplers.gp.inverse import inverse_factor
from journaltune.suggest.samplers.gp.kernel import matern, squared_distances

TYPE_CHECKING = False
if TYPE_CHECKING:
    from numpy.typing import NDArray

    from journaltune.suggest.samplers.gp.kernel import Places

    Array = NDArray[np.float64]

JITTER = 1e-9  # of the outputs' variance, against equal rows
_LEAST_VARIANCE = 1e-12


class Hyperparameters:
    """Length scales by column, variance, and noise's variance."""

    __slots__ = ("lengths", "noise", "variance")

    def __init__(self, lengths: Array, variance: float, noise: float) -> None:
        self.lengths, self.variance, self.noise = lengths, variance, noise


class Posterior:
    """Of outputs (rows, draws): one column for the results themselves, or one for each joint draw that stands for them."""

    def __init__(self, places: Places, hyper: Hyperparameters, rows: Array, outputs: Array, noise: float | None = None) -> None:
        self.places, self.hyper, self.rows, self.outputs = places, hyper, rows, outputs
        self._scale = 1.0 / hyper.lengths[places.owner]
        self._points = places.of(rows) * self._scale
        self._by_column = (places.owner[: places.n_smooth, None] == np.arange(rows.shape[1])).astype(float)
        covariance = self._kernel(self._points, self._points)
        covariance.ravel()[:: len(rows) + 1] += (hyper.noise if noise is None else noise) + JITTER
        self._root = inverse_factor(covariance)
        self._weights = self._root.T @ (self._root @ outputs)

    def _kernel(self, one: Array, other: Array) -> Array:
        return self.hyper.variance * matern(squared_distances(one, other))[0]

    def moments(self, rows: Array) -> tuple[Array, Array]:
        """Mean (rows, draws) and variance (rows) of the function, noise left out: equations 2.25 and 2.26."""
        covariance = self._kernel(self.places.of(rows) * self._scale, self._points)
        whitened = covariance @ self._root.T
        explained = np.einsum("ij,ij->i", whitened, whitened)
        return covariance @ self._weights, np.maximum(self.hyper.variance - explained, _LEAST_VARIANCE)

    def slopes(self, row: Array) -> tuple[Array, float, Array, Array]:
        """At one place: mean (draws), variance, and their derivatives by the row's numbers: (draws, columns) and (columns)."""
        place, smooth = self.places.of(row[None]) * self._scale, self.places.n_smooth
        value, slope = matern(squared_distances(place, self._points)[0])
        covariance = self.hyper.variance * value
        difference = place[:, :smooth] - self._points[:, :smooth]
        by_place = difference * (-self.hyper.variance * slope)[:, None] * (self._scale[:smooth] * self.places.slopes(row))
        whitened = self._root @ covariance
        variance = max(self.hyper.variance - float(whitened @ whitened), _LEAST_VARIANCE)
        mean_slopes, variance_slopes = self._weights.T @ by_place, -2.0 * ((whitened @ self._root) @ by_place)
        by_column = self._by_column[:, : len(row)]
        return covariance @ self._weights, variance, mean_slopes @ by_column, variance_slopes @ by_column

    def joint(self, rows: Array) -> tuple[Array, Array]:
        """Mean (rows) of the first draw, and covariance (rows, rows), of the function at all rows together."""
        points = self.places.of(rows) * self._scale
        covariance = self._kernel(points, self._points)
        whitened = covariance @ self._root.T
        return (covariance @ self._weights[:, :1])[:, 0], self._kernel(points, points) - whitened @ whitened.T

    def draws(self, rows: Array, normal: Array) -> Array:
        """Joint draws of the function at ``rows`` (rows, draws) from standard normal ones: equation 2.24, noise left out."""
        mean, joint = self.joint(rows)
        # Draws near each other have a singular covariance, which has eigenvalues, but no Cholesky factor.
        values, vectors = np.linalg.eigh(joint)
        drawn: Array = mean[:, None] + (vectors * np.sqrt(np.maximum(values, 0.0))) @ normal
        return drawn
