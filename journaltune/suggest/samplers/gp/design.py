"""The first trials: a Latin hypercube, without NumPy.

Source: McKay, Beckman, Conover, "A comparison of three methods for selecting values of input variables in the analysis of output
from a computer code", Technometrics 21 (1979). Each block of as many trials as a design has hits each of as many slices of every
parameter once. A low-discrepancy sequence is no substitute: one put the first four trials into a single category.
"""

from __future__ import annotations

from journaltune.base import derive_seed
from journaltune.suggest.samplers.gp.scale import internal_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from journaltune.space import Distribution

_SHUFFLE = 0x9E37  # apart from the purposes that base names
_TO_UNIT = 2.0**-64


def size(n_columns: int) -> int:
    """How many trials a model begins with."""
    return min(10, max(6, n_columns + 2))


def row(distributions: Mapping[str, Distribution], number: int, seed: int, constant_seed: int) -> dict[str, float]:
    """Internal values of trial ``number``. The slices follow from ``constant_seed``, the place in each from ``seed``."""
    n_slices = size(len(distributions))
    block, place = divmod(number, n_slices)
    found = {}
    for column, (name, known) in enumerate(distributions.items()):
        slices = _shuffled(n_slices, derive_seed(constant_seed, block, _SHUFFLE + column))
        unit = (slices[place] + derive_seed(seed, column, _SHUFFLE) * _TO_UNIT) / n_slices
        if known.kind == "categorical":
            count = len(known.choices)
            unit = min(int(unit * count), count - 1)
        found[name] = internal_of(known, unit)
    return found


def _shuffled(count: int, seed: int) -> list[int]:
    """Fisher and Yates's shuffle of 0 to ``count`` - 1 (Knuth, The Art of Computer Programming 2, algorithm 3.4.2P)."""
    order = list(range(count))
    for last in range(count - 1, 0, -1):
        other = derive_seed(seed, last, _SHUFFLE) % (last + 1)
        order[last], order[other] = order[other], order[last]
    return order
