"""What the results say of the rest of the space: a Gaussian process, conditioned.

Equations are those of Rasmussen and Williams, Gaussian Processes for Machine Learning, chapter 2. An inverse factor stands where
the book solves with a Cholesky factor: NumPy has no triangular solver, and one inverse serves hundreds of places.
"""

from __future__ import annotations

import numpy as np

from journaltune.suggest.samplers.gp.covariance import Covariance
from journaltune.suggest.samplers.gp.inverse import inverse_factor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from numpy.typing import NDArray

    from journaltune.suggest.samplers.gp.covariance import Hyperparameters
    from journaltune.suggest.samplers.gp.kernel import Places

    Array = NDArray[np.float64]

JITTER = 1e-9  # of the outputs' variance, against equal rows
_LEAST_VARIANCE = 1e-12


class Posterior:
    """Of outputs (rows, draws): one column for the results themselves, or one for each joint draw that stands for them."""

    def __init__(self, places: Places, hyper: Hyperparameters, rows: Array, outputs: Array, noise: float | None = None) -> None:
        self.places, self.hyper, self.rows, self.outputs = places, hyper, rows, outputs
        self._covariance = Covariance(places, hyper)
        self._points = self._covariance.points(rows)
        covariance = self._covariance.between(self._points, self._points)
        covariance.ravel()[:: len(rows) + 1] += (hyper.noise if noise is None else noise) + JITTER
        self._root = inverse_factor(covariance)
        self._weights = self._root.T @ (self._root @ outputs)

    def moments(self, rows: Array) -> tuple[Array, Array]:
        """Mean (rows, draws) and variance (rows) of the function, noise left out: equations 2.25 and 2.26."""
        covariance = self._covariance.between(self._covariance.points(rows), self._points)
        whitened = covariance @ self._root.T
        explained = np.einsum("ij,ij->i", whitened, whitened)
        return covariance @ self._weights, np.maximum(self.hyper.whole - explained, _LEAST_VARIANCE)

    def slopes(self, row: Array) -> tuple[Array, float, Array, Array]:
        """At one place: mean (draws), variance, and their derivatives by the row's numbers: (draws, columns) and (columns)."""
        covariance, by_row = self._covariance.slopes(row, self._points)
        whitened = self._root @ covariance
        variance = max(self.hyper.whole - float(whitened @ whitened), _LEAST_VARIANCE)
        return covariance @ self._weights, variance, self._weights.T @ by_row, -2.0 * ((whitened @ self._root) @ by_row)

    def joint(self, rows: Array) -> tuple[Array, Array]:
        """Mean (rows) of the first draw, and covariance (rows, rows), of the function at all rows together."""
        points = self._covariance.points(rows)
        covariance = self._covariance.between(points, self._points)
        whitened = covariance @ self._root.T
        joint = self._covariance.between(points, points) - whitened @ whitened.T
        return (covariance @ self._weights[:, :1])[:, 0], joint

    def draws(self, rows: Array, normal: Array) -> Array:
        """Joint draws of the function at ``rows`` (rows, draws) from standard normal ones: equation 2.24, noise left out."""
        mean, joint = self.joint(rows)
        # Draws near each other have a singular covariance, which has eigenvalues, but no Cholesky factor.
        values, vectors = np.linalg.eigh(joint)
        drawn: Array = mean[:, None] + (vectors * np.sqrt(np.maximum(values, 0.0))) @ normal
        return drawn
