"""Length scales, variance and noise: the most probable ones, given the results and what is usual."""

from __future__ import annotations

from math import log, sqrt

import numpy as np

from journaltune.base.frozen import Frozen
from journaltune.suggest.samplers.gp.covariance import Hyperparameters
from journaltune.suggest.samplers.gp.inverse import inverse_factor
from journaltune.suggest.samplers.gp.kernel import matern
from journaltune.suggest.samplers.gp.lbfgs import minimise
from journaltune.suggest.samplers.gp.posterior import JITTER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from numpy.typing import NDArray

    from journaltune.suggest.samplers.gp.kernel import Places

    Array = NDArray[np.float64]

_STEPS, _SLOPE, _GAIN = 40, 1e-2, 1e-4
_LENGTH = 0.5  # times the root of the number of parameters: distances grow with it (Hvarfner et al., arXiv 2402.02229)
_CATEGORY_LENGTH = 1.0
_LENGTHS, _VARIANCES, _LEAST_NOISE = (0.01, 100.0), (1e-2, 1e2), 1e-7
_SUM, _REST = 0.5, 0.5
_LENGTH_SPREAD, _VARIANCE_SPREAD = 1.0, 1.0  # standard deviations of the logarithms


class Noise(Frozen):
    """The usual variance, and the most there can be, of outputs with variance 1; the standard deviation of its logarithm."""

    usual: float
    most: float
    spread: float = 2.0


RESULTS = Noise(1e-4, 2.0, 3.0)
"""A formula's results are exact, those of trainings rough: neighbours differ by what no length scale explains."""


def fitted(
    places: Places, rows: Array, outputs: Array, noise: Noise = RESULTS, starts: int = 2, sums: bool = True
) -> Hyperparameters:
    """Maximum a posteriori from one or two starts, the second for a function with more noise and shorter waves than usual.

    ``sums``: the covariance has a part that is a sum.
    """
    problem = Evidence(places, rows, outputs, noise, sums)
    second = problem.usual.copy()
    second[: rows.shape[1]] -= 0.5 if sums else 1.0
    second[-1] = log(0.1 if sums else 1e-2)
    tried = [
        minimise(problem.loss, start, problem.low, problem.high, _STEPS, _SLOPE, _GAIN)
        for start in (problem.usual, second)[:starts]
    ]
    return problem.hyperparameters(min(tried, key=lambda found: found[1])[0])


class Evidence:
    """The negative log posterior of the hyperparameters' logarithms: lengths by column, variance, noise; with ``sums`` the sum's
    variance before them."""

    def __init__(self, places: Places, rows: Array, outputs: Array, noise: Noise, sums: bool) -> None:
        self._n_columns = n_columns = rows.shape[1]
        self._sums = sums = sums and n_columns > 1
        self._outputs = outputs
        self._squared = places.squared_differences(rows)
        if sums:
            self._own, self._equal = 0.25 * n_columns * self._squared, np.full(n_columns, 1.0 / n_columns)
            self._buffers = np.empty_like(self._own), np.empty_like(self._own)
        self._pairs = np.ravel_multi_index(np.tril_indices(len(rows), -1), (len(rows), len(rows)))
        present = max(1.0, float((~np.isnan(rows)).sum(axis=1).mean()))
        lengths = np.where(places.category, _CATEGORY_LENGTH, _LENGTH * sqrt(present))
        variances = [_SUM, _REST] if sums else [1.0]
        self.usual = np.log(np.concatenate([lengths, variances, [noise.usual]]))
        self._spread = np.array([_LENGTH_SPREAD] * n_columns + [_VARIANCE_SPREAD] * len(variances) + [noise.spread])
        bounds = [_LENGTHS] * n_columns + [_VARIANCES] * len(variances) + [(_LEAST_NOISE, noise.most)]
        self.low, self.high = np.log(np.array(bounds)).T

    def loss(self, logs: Array) -> tuple[float, Array]:
        """With its gradient. Infinite where rounding leaves a covariance that is not positive."""
        value, gradient = self.negative_log_likelihood(logs)
        unusual = (logs - self.usual) / self._spread
        return value + 0.5 * float(unusual @ unusual), gradient + unusual / self._spread

    def negative_log_likelihood(self, logs: Array) -> tuple[float, Array]:
        """Rasmussen and Williams, equations 5.8 and 5.9, but for a constant."""
        n_columns = self._n_columns
        inverse_squares = np.exp(-2.0 * logs[:n_columns])
        variance, noise = np.exp(logs[-2:])
        kernel, slope = matern(inverse_squares @ self._squared)
        of_pairs, diagonal = variance * kernel, variance + noise + JITTER
        if self._sums:
            additive = float(np.exp(logs[n_columns]))
            share, squares = self._buffers
            np.multiply(self._own, inverse_squares[:, None], out=share)
            share += 1.0
            np.reciprocal(share, out=share)  # `rational` in place
            np.multiply(share, share, out=squares)
            means = self._equal @ squares
            of_pairs, diagonal = of_pairs + additive * means, diagonal + additive
        covariance = np.diag(np.full(len(self._outputs), diagonal))
        covariance.ravel()[self._pairs] = of_pairs  # of the upper triangle the factor takes no notice
        try:
            root = inverse_factor(covariance)
        except np.linalg.LinAlgError:
            return np.inf, np.zeros_like(logs)
        whitened = root @ self._outputs
        solved = whitened @ root
        # Each pair stands twice in the matrix, and the book's half is gone.
        rest = root.T @ root - np.outer(solved, solved)
        of_pairs, of_rows = rest.ravel().take(self._pairs), 0.5 * float(rest.trace())
        gradient = np.empty_like(logs)
        gradient[:n_columns] = inverse_squares * (self._squared @ (variance * of_pairs * slope))
        gradient[-2] = variance * (of_pairs @ kernel + of_rows)
        gradient[-1] = noise * of_rows
        if self._sums:
            share *= squares
            gradient[:n_columns] += 4.0 * additive / n_columns * (squares @ of_pairs - share @ of_pairs)
            gradient[n_columns] = additive * (of_pairs @ means + of_rows)
        return 0.5 * float(whitened @ whitened) - float(np.log(root.diagonal()).sum()), gradient

    def hyperparameters(self, logs: Array) -> Hyperparameters:
        lengths, (variance, noise) = np.exp(logs[: self._n_columns]), np.exp(logs[-2:])
        additive = float(np.exp(logs[self._n_columns])) if self._sums else 0.0
        return Hyperparameters(lengths, float(variance), float(noise), additive)
