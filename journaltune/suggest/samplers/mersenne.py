"""NumPy's ``RandomState``, as far as samplers here draw from it, without NumPy: its import takes longer than a whole ask.

The generator is the one of CPython's ``random`` (Matsumoto and Nishimura's MT19937); NumPy seeds it otherwise, by Knuth's
recurrence. Streams are NumPy's bit for bit: journals of before were written with them.
"""

from __future__ import annotations

from _random import Random
from bisect import bisect_right
from itertools import accumulate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import MutableSequence, Sequence
    from typing import Any

_WORDS = 624
_MASK = 0xFFFFFFFF
_BLOCK, _LANES = 128, 8  # of NumPy's pairwise sum


class RandomState:
    """``numpy.random.RandomState(seed)`` for a seed of 32 bits."""

    def __init__(self, seed: int) -> None:
        words = [seed & _MASK]
        for place in range(1, _WORDS):
            words.append((1812433253 * (words[-1] ^ (words[-1] >> 30)) + place) & _MASK)
        self._random = Random()
        self._random.setstate((*words, _WORDS))

    def shuffle(self, items: MutableSequence[Any]) -> None:
        """``RandomState.shuffle`` of a list."""
        bits = self._random.getrandbits
        for last in range(len(items) - 1, 0, -1):
            mask = (1 << last.bit_length()) - 1
            other = bits(32) & mask
            while other > last:
                other = bits(32) & mask
            items[last], items[other] = items[other], items[last]

    def choice(self, weights: Sequence[float]) -> int:
        """``RandomState.choice(len(weights), p=weights)``; the weights sum to 1."""
        sums = list(accumulate(weights))
        return bisect_right([each / sums[-1] for each in sums], self._random.random())


def pairwise_sum(numbers: Sequence[float]) -> float:
    """``numpy.sum`` of an array of doubles: its order of additions decides the last bit."""
    n = len(numbers)
    if n < _LANES:
        return sum_of(numbers, 0.0)
    if n <= _BLOCK:
        whole = n - n % _LANES
        a, b, c, d, e, f, g, h = (sum_of(numbers[lane + _LANES : whole : _LANES], numbers[lane]) for lane in range(_LANES))
        return sum_of(numbers[whole:], ((a + b) + (c + d)) + ((e + f) + (g + h)))
    half = n // 2 - n // 2 % _LANES
    return pairwise_sum(numbers[:half]) + pairwise_sum(numbers[half:])


def sum_of(numbers: Sequence[float], first: float) -> float:
    """One addition after the other; the built-in ``sum`` compensates rounding errors since Python 3.12."""
    for number in numbers:
        first += number
    return first
