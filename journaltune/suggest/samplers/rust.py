"""Rustuna: its compiled core, how a parameter is put to it, and how its number becomes an internal value again.

Rustuna 0.2 draws a float with a step by ``floor((high - low) / step)``, which loses the top of 0 to 0.7 in steps of 0.1, and it
takes a range of two values for one value. It draws the logarithm of an int from ``ln(low)`` to ``ln(high)``, which halves the
share of the ends, or worse. So here a grid is put as its indexes, and an int on a log scale with half a step more at each end,
as Optuna does it.
"""

from __future__ import annotations

import sys
from math import log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from journaltune.space import Distribution

    Convert = Callable[[float], float]

_CORE = "rustuna._rustuna"
_NARROW = 1e-6  # of ln(high / low): values are as good as equally likely below, and Rustuna panics at 0


_alone = False


def core() -> Any:
    """The module ``rustuna._rustuna``."""
    if _CORE not in sys.modules and _alone and "rustuna" not in sys.modules:
        _load_alone()
    if _CORE not in sys.modules:
        import rustuna._rustuna  # noqa: F401
    return sys.modules[_CORE]


def without_its_package() -> None:
    """From now on ``core`` does not run ``rustuna/__init__.py``, which imports ``typing``: half of the time of a shell's ``ask``.

    Only our own command may say so: a program that imports Rustuna later would miss the core as an attribute of the package.
    """
    global _alone
    _alone = True


def _load_alone() -> None:
    from _frozen_importlib_external import PathFinder  # importlib.machinery's, without its package: a millisecond less

    spec = PathFinder.find_spec("rustuna")
    if spec is None or spec.submodule_search_locations is None:
        return
    package = type(sys)("rustuna")
    package.__path__ = spec.submodule_search_locations
    sys.modules["rustuna"] = package
    try:
        import rustuna._rustuna  # noqa: F401
    except ImportError:
        sys.modules.pop(_CORE, None)
    finally:
        del sys.modules["rustuna"]


class Column:
    """A parameter as Rustuna gets it. ``drawn`` is for random draws, ``modelled`` for the densities of TPE.

    ``decode`` turns Rustuna's value into an internal one, and ``encode`` an internal value into Rustuna's; None: it is the same.
    """

    __slots__ = ("decode", "drawn", "encode", "modelled")

    def __init__(self, drawn: Any, modelled: Any, decode: Convert = float, encode: Convert | None = None) -> None:
        self.drawn, self.modelled, self.decode, self.encode = drawn, modelled, decode, encode


def as_it_is(distribution: Distribution) -> Column:
    """The distribution itself, with Rustuna's faults: ``verify`` has to repeat the asks of older studies."""
    if distribution.kind == "categorical":
        given = core().Distribution.categorical(list(range(len(distribution.choices))))
    else:
        build = core().Distribution.float if distribution.kind == "float" else core().Distribution.int
        given = build(distribution.low, distribution.high, log=distribution.log, step=distribution.step)
    return Column(given, given)


def as_in_optuna(distribution: Distribution) -> Column:
    """A column that Rustuna draws from, and models, as Optuna's samplers do with the distribution."""
    if distribution.kind == "categorical" or (distribution.step is None and not distribution.log):
        return as_it_is(distribution)
    narrow = distribution.log and log(distribution.high) - log(distribution.low) < _NARROW
    if distribution.kind == "float" and distribution.log:
        return _log_float(distribution, not narrow)
    return _log_int(distribution) if distribution.log and not narrow else _grid(distribution)


def _log_float(distribution: Distribution, is_log: bool) -> Column:
    low, high = distribution.low, distribution.high
    given = core().Distribution.float(low, high, log=is_log, step=None)
    return Column(given, given, lambda value: min(max(value, low), high))  # exp(ln(low)) may be below low


def _log_int(distribution: Distribution) -> Column:
    low, high = distribution.low, distribution.high
    drawn = core().Distribution.float(low - 0.5, high + 0.5, log=True, step=None)
    return Column(drawn, _halved(low, high, True), lambda value: float(min(max(round(value), low), high)))


def _grid(distribution: Distribution) -> Column:
    low, step, value_at, last = distribution.low, distribution.step, distribution.value_at, (distribution.cardinality or 1) - 1
    drawn = core().Distribution.int(0, last, log=False, step=1)
    return Column(
        drawn,
        _halved(0, last, False),
        lambda index: float(value_at(min(max(round(index), 0), last))),
        lambda value: float(round((value - low) / step)),
    )


def _halved(low: int, high: int, is_log: bool) -> Any:
    """The ints from ``low`` to ``high`` for TPE, each as its two halves, low - 0.25 and low + 0.25.

    Rustuna cuts the density on a grid off in the middle of the outermost cells, so that the ends of an int distribution count
    for half. Here it cuts off a quarter, and the inner half of each end counts in full.
    """
    return core().Distribution.float(low - 0.25, high + 0.25, log=is_log, step=0.5)
