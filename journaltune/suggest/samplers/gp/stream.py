"""Random numbers that every version of NumPy draws alike: its own generators may change, and a study is verified years later."""

from __future__ import annotations

import numpy as np

TYPE_CHECKING = False
if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MASK = 0xFFFFFFFFFFFFFFFF


class Stream:
    """SplitMix64 (Steele, Lea, Flood, OOPSLA 2014), many numbers at a time."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._n_drawn = 0

    def _bits(self, count: int) -> NDArray[np.uint64]:
        steps = np.arange(self._n_drawn + 1, self._n_drawn + count + 1, dtype=np.uint64)
        self._n_drawn += count
        state = np.uint64(self._seed & _MASK) + steps * _GOLDEN
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return state ^ (state >> np.uint64(31))

    def uniform(self, *shape: int) -> Array:
        """In [0, 1), with 53 bits."""
        bits = self._bits(int(np.prod(shape))) >> np.uint64(11)
        return (bits.astype(np.float64) * 2.0**-53).reshape(shape)

    def normal(self, *shape: int) -> Array:
        """Box and Muller's transform (Annals of Mathematical Statistics 29, 1958, equation 1)."""
        radius = np.sqrt(-2.0 * np.log1p(-self.uniform(*shape)))
        return radius * np.cos(2.0 * np.pi * self.uniform(*shape))

    def order(self, count: int) -> NDArray[np.intp]:
        """A permutation of 0 to ``count`` - 1."""
        return np.argsort(self.uniform(count), kind="stable")
