"""One BLAS thread: several add in an order that depends on how many the machine has, and cost more than they gain here."""

from __future__ import annotations

import ctypes
from contextlib import contextmanager
from functools import cache

from numpy.linalg import _umath_linalg

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# OpenBLAS's own names, and those in NumPy's wheels; 64: with integers of 64 bits.
_NAMES = ("scipy_openblas_{}64_", "scipy_openblas_{}", "openblas_{}64_", "openblas_{}")


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """While the block runs; the rest of the process gets its threads back.

    For OpenBLAS only, which NumPy's wheels have. What another library rounds otherwise is nearly always less than the resolution
    of a suggestion.
    """
    count, limit = _call("get_num_threads"), _call("set_num_threads")
    before = count() if count and limit else 1
    if before > 1 and limit:
        limit(1)
    try:
        yield
    finally:
        if before > 1 and limit:
            limit(before)


@cache
def _call(name: str) -> Callable[..., int] | None:
    """A function of the BLAS that NumPy is linked to."""
    # What a library depends on is found through it.
    linked = ctypes.CDLL(_umath_linalg.__file__)
    return next((getattr(linked, spelt.format(name)) for spelt in _NAMES if hasattr(linked, spelt.format(name))), None)
