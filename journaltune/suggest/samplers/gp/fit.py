"""Length scales, variance and noise: the most probable ones, given the results and what is usual."""

from __future__ import annotations

from math import log, sqrt

import numpy as np

from journaltune.base.frozen import Frozen
from journaltune.suggest.samplers.gp.inverse import inverse_factor
from journaltune.suggest.samplers.gp.kernel import matern
from journaltune.suggest.samplers.gp.lbfgs import minimise
from journaltune.suggest.samplers.gp.posterior import JITTER, Hyperparameters

TYPE_CHECKING = False
if TYPE_CHECKING:
    from numpy.typing import NDArray

    from journaltune.suggest.samplers.gp.kernel import Places

    Array = NDArray[np.float64]

_STEPS, _SLOPE, _GAIN = 40, 1e-2, 1e-4
_LENGTH = 0.5  # times the root of the number of parameters: distances grow with it (Hvarfner et al., arXiv 2402.02229)
_CATEGORY_LENGTH = 1.0
_LENGTHS, _VARIANCES, _LEAST_NOISE = (0.01, 100.0), (1e-2, 1e2), 1e-7
_LENGTH_SPREAD, _VARIANCE_SPREAD, _NOISE_SPREAD = 1.0, 1.0, 2.0  # standard deviations of the logarithms


class Noise(Frozen):
    """The usual variance, and the most there can be, of outputs with variance 1."""

    usual: float
    most: float


RESULTS = Noise(1e-4, 2.0)


def fitted(places: Places, rows: Array, outputs: Array, noise: Noise = RESULTS, starts: int = 2) -> Hyperparameters:
    """Maximum a posteriori from one or two starts, the second for a function with more noise and shorter waves than usual."""
    problem = Evidence(places, rows, outputs, noise)
    second = problem.usual.copy()
    second[:-2] -= 1.0
    second[-1] = log(1e-2)
    tried = [
        minimise(problem.loss, start, problem.low, problem.high, _STEPS, _SLOPE, _GAIN)
        for start in (problem.usual, second)[:starts]
    ]
    return problem.hyperparameters(min(tried, key=lambda found: found[1])[0])


class Evidence:
    """The negative log posterior of the hyperparameters' logarithms: lengths by column, variance, noise."""

    def __init__(self, places: Places, rows: Array, outputs: Array, noise: Noise) -> None:
        n_columns = rows.shape[1]
        self._outputs = outputs
        self._squared = places.squared_differences(rows)
        self._pairs = np.tril_indices(len(rows), -1)
        present = max(1.0, float((~np.isnan(rows)).sum(axis=1).mean()))
        lengths = np.where(places.category, _CATEGORY_LENGTH, _LENGTH * sqrt(present))
        self.usual = np.log(np.concatenate([lengths, [1.0, noise.usual]]))
        self._spread = np.array([_LENGTH_SPREAD] * n_columns + [_VARIANCE_SPREAD, _NOISE_SPREAD])
        bounds = [_LENGTHS] * n_columns + [_VARIANCES, (_LEAST_NOISE, noise.most)]
        self.low, self.high = np.log(np.array(bounds)).T

    def loss(self, logs: Array) -> tuple[float, Array]:
        """With its gradient. Infinite where rounding leaves a covariance that is not positive."""
        value, gradient = self.negative_log_likelihood(logs)
        unusual = (logs - self.usual) / self._spread
        return value + 0.5 * float(unusual @ unusual), gradient + unusual / self._spread

    def negative_log_likelihood(self, logs: Array) -> tuple[float, Array]:
        """Rasmussen and Williams, equations 5.8 and 5.9, but for a constant."""
        inverse_squares = np.exp(-2.0 * logs[:-2])
        variance, noise = np.exp(logs[-2:])
        kernel, slope = matern(inverse_squares @ self._squared)
        covariance = np.diag(np.full(len(self._outputs), variance + noise + JITTER))
        covariance[self._pairs] = covariance.T[self._pairs] = variance * kernel
        try:
            root = inverse_factor(covariance)
        except np.linalg.LinAlgError:
            return np.inf, np.zeros_like(logs)
        whitened = root @ self._outputs
        solved = whitened @ root
        rest = root.T @ root - np.outer(solved, solved)
        # Each pair stands twice in the matrix, and the book's half is gone.
        of_pairs, of_rows = variance * rest[self._pairs], float(rest.trace())
        gradient = np.empty_like(logs)
        gradient[:-2] = inverse_squares * (self._squared @ (of_pairs * slope))
        gradient[-2] = of_pairs @ kernel + 0.5 * variance * of_rows
        gradient[-1] = 0.5 * noise * of_rows
        return 0.5 * float(whitened @ whitened) - float(np.log(root.diagonal()).sum()), gradient

    @staticmethod
    def hyperparameters(logs: Array) -> Hyperparameters:
        lengths, (variance, noise) = np.exp(logs[:-2]), np.exp(logs[-2:])
        return Hyperparameters(lengths, float(variance), float(noise))
