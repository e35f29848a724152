"""The normal distribution's tails, by their logarithms.

h(z) = phi(z) + z Phi(z) is the expected improvement of a normal variable in its own standard deviations. In plain arithmetic it
is 0 below z = -39, and a search for its maximum has no direction to go (Ament et al., "Unexpected improvements to expected
improvement for Bayesian optimization", arXiv 2310.20708).
"""

from __future__ import annotations

from math import erfc, log, pi, sqrt

import numpy as np

TYPE_CHECKING = False
if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

_SQRT_HALF = sqrt(0.5)
_LOG_SQRT_2PI = 0.5 * log(2 * pi)
_TAIL = -5.0  # below it the two terms of h cancel, and the continued fraction needs few terms
_N_TERMS = 24


def log_h(z: Array) -> tuple[Array, Array]:
    """log h(z) and its derivative, Phi(z) / h(z)."""
    flat = z.ravel()
    near = np.maximum(flat, _TAIL)
    density = np.exp(-0.5 * near * near - _LOG_SQRT_2PI)
    below = 0.5 * np.fromiter(map(erfc, (-_SQRT_HALF * near).tolist()), float, near.size)
    h = density + near * below
    value, slope = np.log(h), below / h
    tail = np.flatnonzero(flat < _TAIL)
    if tail.size:
        value[tail], slope[tail] = _log_h_in_the_tail(flat[tail])
    return value.reshape(z.shape), slope.reshape(z.shape)


def _log_h_in_the_tail(z: Array) -> tuple[Array, Array]:
    """By Laplace's continued fraction for t = -z: Phi = phi / (t + K), K = 1 / (t + 2 / (t + 3 / ...)), so h = phi K / (t + K).

    Abramowitz and Stegun, Handbook of Mathematical Functions, 26.2.14.
    """
    rest = np.zeros_like(z)
    for term in range(_N_TERMS, 0, -1):
        rest = term / (rest - z)
    return -0.5 * z * z - _LOG_SQRT_2PI + np.log(rest / (rest - z)), 1.0 / rest


def log_cdf(z: Array) -> tuple[Array, Array]:
    """log Phi(z) and its derivative, phi(z) / Phi(z)."""
    log_h_value, slope = log_h(z)
    value = log_h_value + np.log(slope)
    return value, np.exp(-0.5 * z * z - _LOG_SQRT_2PI - value)
