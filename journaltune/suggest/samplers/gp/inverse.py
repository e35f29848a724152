"""The inverse of a covariance's Cholesky factor: NumPy has the factor, but nothing that solves with it."""

from __future__ import annotations

import numpy as np

TYPE_CHECKING = False
if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

_SMALL = 48  # rows below which NumPy's general inverse is as fast


def inverse_factor(covariance: Array) -> Array:
    """R with R C R' = 1, lower triangular. LinAlgError where rounding left no positive definite matrix.

    What is multiplied with R has the rounding errors of the square root of the condition of C; with C's inverse, of all of it.
    """
    return _lower_inverse(np.asarray(np.linalg.cholesky(covariance), float))


def _lower_inverse(factor: Array) -> Array:
    """Of a lower triangular matrix, by halves: the inverse of (A 0; B C) is (A' 0; -C'BA' C')."""
    n = len(factor)
    if n <= _SMALL:
        return np.asarray(np.linalg.inv(factor), float)
    half, found = n // 2, np.zeros_like(factor)
    found[:half, :half] = _lower_inverse(factor[:half, :half])
    found[half:, half:] = _lower_inverse(factor[half:, half:])
    found[half:, :half] = -(found[half:, half:] @ factor[half:, :half] @ found[:half, :half])
    return found
