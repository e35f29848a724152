"""Seeds derived from a seed: SplitMix64."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

SAMPLING, TRAINER, CONSTANT, REDRAW, GROUP = range(5)  # purposes of a derived seed
_MASK = 0xFFFFFFFFFFFFFFFF


def derive_seed(study_seed: int, number: int, purpose: int) -> int:
    """64 bits that depend on all three arguments alone: SplitMix64's output function over each in turn.

    Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
    """
    state = 0
    for part in (study_seed, number, purpose):
        state = (state + part + 0x9E3779B97F4A7C15) & _MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
        state ^= state >> 31
    return state


def trainer_seed(config: Mapping[str, Any], number: int) -> int:
    """A seed for the random generators of a trial's trainer, from the study's seed: 31 bits, as R takes no larger one.

    A study of before, whose configuration says nothing of its ``grid``, goes on with the 32 bits that it began with.
    """
    seed = config.get("seed")
    bits = derive_seed(seed if isinstance(seed, int) else 0, number, TRAINER)
    return bits & (0x7FFFFFFF if "grid" in config else 0xFFFFFFFF)
