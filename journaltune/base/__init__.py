"""Words, plain data and checks for every room; nothing here imports another room, or touches a file.

Here itself, because every command needs it: what the numbers in an Optuna journal stand for, seeds, and parts of the standard
library. Plain numbers, as a ``tell`` from the shell would pay for the import of ``enum``: ``model.TrialState`` is made of them.
The parts are CPython's own in C, the very objects that the public modules hand on, without the Python modules around them:
three milliseconds of a ``tell``. Another Python takes the public ones.
"""

# ruff: noqa: F401  (others import these parts from here)

from __future__ import annotations

import sys
from _thread import _count

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array as array
    from bisect import bisect_left as bisect_left
    from bisect import bisect_right as bisect_right
    from collections import deque as deque
    from collections.abc import Mapping
    from datetime import UTC as UTC
    from datetime import datetime as datetime
    from datetime import timedelta as timedelta
    from operator import index as index
    from operator import itemgetter as itemgetter
    from operator import le as le
    from struct import pack as pack
    from typing import Any
else:
    try:
        from _bisect import bisect_left, bisect_right
        from _collections import deque
        from _datetime import UTC, datetime, timedelta
        from _operator import index, itemgetter, le
        from _struct import pack
    except ImportError:
        from bisect import bisect_left, bisect_right
        from collections import deque
        from datetime import UTC, datetime, timedelta
        from operator import index, itemgetter, le
        from struct import pack


def _load_array() -> None:
    """Import the module ``array``, which takes ``collections.abc`` to register its class there, and so all of ``collections``.

    It needs only what ``collections.abc`` hands on, and that module is loaded before nearly any program begins. So it stands in
    for both, where no other thread can see it, and nobody has imported ``collections`` yet.
    """
    modules = sys.modules
    if "collections" in modules or _count() > 0:
        return
    import _collections_abc as abstract

    modules["collections"] = modules["collections.abc"] = abstract
    try:
        import array
    finally:
        del modules["collections"], modules["collections.abc"]


if not TYPE_CHECKING:
    _load_array()
    from array import array

VERSION = "0.1.0"
SSH = "ssh://"  # how the name of a journal on another machine begins

STATES = range(5)
RUNNING, COMPLETE, PRUNED, FAIL, WAITING = STATES
FINISHED = (COMPLETE, PRUNED, FAIL)
STATE_NAMES = {RUNNING: "running", WAITING: "waiting", COMPLETE: "complete", PRUNED: "pruned", FAIL: "fail"}  # as listed

DIRECTIONS = range(3)
NOT_SET, MINIMIZE, MAXIMIZE = DIRECTIONS  # NOT_SET is Optuna's; everybody minimizes then


def counted(codes: bytes) -> dict[int, int]:
    """How often each byte is there; of a million a hundred times as fast as a set of them, which makes a number of each."""
    found: dict[int, int] = {}
    while codes:
        rest = codes.translate(None, codes[:1])
        found[codes[0]] = len(codes) - len(rest)
        codes = rest
    return found


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
