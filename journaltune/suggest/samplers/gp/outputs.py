"""Results on the scale on which they are modelled: nearly normal, mean 0, variance 1."""

from __future__ import annotations

import numpy as np

TYPE_CHECKING = False
if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

_POWERS = np.linspace(-2.0, 2.0, 33).tolist()
_LARGEST = 1e150  # of which squares are finite
_FARTHEST = 1e6  # robust deviations from the median; an outlier of 1e30 says no more than one of these


def warped(values: Array) -> Array:
    """`Warp.outputs`."""
    return Warp(values).outputs


class Warp:
    """The power transform that makes some values most likely normal; their order stays. ``outputs`` are theirs.

    Source: Yeo and Johnson, "A new family of power transformations to improve normality or symmetry", Biometrika 87 (2000). The
    transform is not free of scale, so the values are centred on their median and divided by their interquartile range first.
    """

    def __init__(self, values: Array) -> None:
        clipped = np.clip(values, -_LARGEST, _LARGEST)
        # As np.quantile, whose first call imports numpy.ma: a tenth of the time of an ask from the shell.
        quarters = np.array([0.25, 0.5, 0.75]) * (len(values) - 1)
        low, self._median, high = np.interp(quarters, np.arange(len(values)), np.sort(clipped))
        # 1.349 interquartile ranges are a standard deviation of a normal distribution; where half of the values are equal, none.
        self._scale = (high - low) / 1.349 or clipped.std() or 1.0
        with np.errstate(over="ignore"):  # beside a scale of 1e-320 all others are outliers
            centred: Array = np.clip((clipped - self._median) / self._scale, -_FARTHEST, _FARTHEST)
        likely = [log_likelihood(centred, power) for power in _POWERS]
        self._power = _POWERS[likely.index(max(likely))]
        normal = yeo_johnson(centred, self._power)
        self._mean, self._deviation = normal.mean(), normal.std()
        all_equal = not self._deviation > 0
        self.outputs: Array = np.zeros_like(normal) if all_equal else (normal - self._mean) / self._deviation

    def back(self, outputs: Array) -> Array:
        """The values to which such outputs belong: `outputs` brings the values themselves, if none of them is an outlier."""
        values: Array = self._median + self._scale * inverse_yeo_johnson(outputs * self._deviation + self._mean, self._power)
        return values


def yeo_johnson(values: Array, power: float) -> Array:
    """((1 + v)^p - 1) / p for v >= 0, -((1 - v)^(2 - p) - 1) / (2 - p) below, with their limits at p = 0 and 2."""
    size = np.log1p(np.abs(values))
    up = np.expm1(power * size) / power if power else size
    down = np.expm1((2.0 - power) * size) / (2.0 - power) if power != 2.0 else size
    return np.where(values >= 0, up, -down)


def inverse_yeo_johnson(outputs: Array, power: float) -> Array:
    """The v that `yeo_johnson` takes there; the largest outlier that counts, where no v does."""
    size = np.abs(outputs)
    sides = []
    for own in (power, 2.0 - power):
        grown = np.maximum(1.0 + own * size, np.finfo(float).tiny)
        logs = np.log(grown) / own if own else size
        sides.append(np.minimum(np.expm1(np.minimum(logs, 700.0)), _FARTHEST))
    return np.where(outputs >= 0, sides[0], -sides[1])


def log_likelihood(values: Array, power: float) -> float:
    """Of the power, with the most likely mean and variance, but for a constant."""
    variance = float(yeo_johnson(values, power).var())
    if not 0.0 < variance < _LARGEST:
        return -np.inf
    stretch = (power - 1.0) * np.sum(np.sign(values) * np.log1p(np.abs(values)))
    return float(-0.5 * len(values) * np.log(variance) + stretch)
