"""What a trial at some place is worth: the logarithm of its expected improvement, and of the chance that it does not fail."""

from __future__ import annotations

from math import exp, log, sqrt

import numpy as np

from journaltune.suggest.samplers.gp.normal import log_cdf, log_h

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from journaltune.suggest.samplers.gp.posterior import Posterior

    Array = NDArray[np.float64]


class Margin:
    """``weight`` times the log probability that the posterior's function is above 0 by ``caution`` standard deviations."""

    def __init__(self, posterior: Posterior, weight: float, extra_variance: float, caution: float) -> None:
        self._posterior, self._weight, self._extra, self._caution = posterior, weight, extra_variance, caution

    def at(self, rows: Array) -> Array:
        mean, variance = self._posterior.moments(rows)
        deviation: Array = np.sqrt(self._extra + variance)
        return self._weight * log_cdf(mean[:, 0] / deviation - self._caution)[0]

    def chance(self, rows: Array) -> Array:
        """The probability itself, without caution."""
        mean, variance = self._posterior.moments(rows)
        probability: Array = np.exp(log_cdf(mean[:, 0] / np.sqrt(self._extra + variance))[0])
        return probability

    def slope(self, row: Array) -> tuple[float, Array]:
        mean, variance, mean_slopes, variance_slopes = self._posterior.slopes(row)
        deviation = sqrt(self._extra + variance)
        value, slope = log_cdf(mean / deviation - self._caution)
        by_row = mean_slopes[0] / deviation - 0.5 * mean[0] * variance_slopes / deviation**3
        return self._weight * float(value[0]), self._weight * slope[0] * by_row


class Acquisition:
    """log of the mean over the posterior's draws, each with its own incumbent, of EI = s h((incumbent - mean) / s); plus margins.

    ``least_gain`` is added to the mean: where no more is expected, margins alone decide. Without it, differences between
    expectations of 1e-100 and 1e-200 outweigh every margin.

    Source: Ament et al., arXiv 2310.20708, whose LogEI this is.
    """

    def __init__(self, posterior: Posterior, incumbents: Array, margins: Sequence[Margin] = (), least_gain: float = 0.0) -> None:
        self.posterior, self._incumbents, self._margins = posterior, incumbents, margins
        self._least = log(least_gain) if least_gain else -np.inf

    def at(self, rows: Array) -> Array:
        mean, variance = self.posterior.moments(rows)
        deviation = np.sqrt(variance)
        gains = log_h((self._incumbents - mean) / deviation[:, None])[0]
        highest = gains.max(axis=1)
        value: Array = np.log(deviation) + highest + np.log(np.exp(gains - highest[:, None]).mean(axis=1))
        value = np.logaddexp(value, self._least)
        for margin in self._margins:
            value += margin.at(rows)
        return value

    def slope(self, row: Array) -> tuple[float, Array]:
        """At one place, with the derivatives by the row's numbers."""
        mean, variance, mean_slopes, variance_slopes = self.posterior.slopes(row)
        deviation = sqrt(variance)
        z = (self._incumbents - mean) / deviation
        gains, gain_slopes = log_h(z)
        highest = float(gains.max())
        shares = np.exp(gains - highest)
        total = float(shares.sum())
        deviation_slopes = variance_slopes / (2.0 * deviation)
        by_row = -(mean_slopes + np.outer(z, deviation_slopes)) / deviation
        value = log(deviation) + highest + log(total / len(shares))
        gradient = deviation_slopes / deviation + (shares * gain_slopes / total) @ by_row
        expected = float(np.logaddexp(value, self._least))
        gradient, value = gradient * exp(value - expected), expected
        for margin in self._margins:
            more, more_slopes = margin.slope(row)
            value, gradient = value + more, gradient + more_slopes
        return value, gradient
