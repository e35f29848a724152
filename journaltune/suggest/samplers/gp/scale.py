"""A parameter on the unit scale: where a model sees it, and the way back to a value. Without NumPy, for the first trials.

A number lies in [0, 1], by its logarithm where its range is logarithmic; a category is the index of its choice.
"""

from __future__ import annotations

from math import exp, log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from journaltune.space import Distribution

RESOLUTION = 1e-4
"""Of a range. Other processors' arithmetic moves a suggestion by less (at most 3e-5 was seen), so both round to the same."""

MOST_VALUES = 1000  # of a number whose values are told apart one by one; beyond, it is as good as continuous


def n_values(known: Distribution) -> int:
    """How many values an optimiser tells apart; 0: so many that the parameter is continuous."""
    count = known.cardinality
    if count is None or (known.kind != "categorical" and count > MOST_VALUES):
        return 0
    return count


def unit_of(known: Distribution, internal: float) -> float:
    """Beyond [0, 1] for a value beyond the bounds, which have changed since."""
    if known.kind == "categorical":
        return float(int(internal))
    low, high = _ends(known)
    value = log(internal) if known.log else internal
    return (value - low) / (high - low) if high > low else 0.5


def internal_of(known: Distribution, unit: float) -> float:
    """The value at a place in [0, 1]; of a category's choices the one with that index.

    A continuous one is the shortest decimal within half of ``RESOLUTION`` of the place, rounded to ``RESOLUTION``.
    """
    if known.kind == "categorical":
        return float(unit)
    low, high = _ends(known)
    unit = min(max(unit, 0.0), 1.0)
    if not n_values(known):
        unit = round(unit / RESOLUTION) * RESOLUTION
    value = (1.0 - unit) * low + unit * high
    value = exp(value) if known.log else value
    if known.step is None:
        return _shortest(known, unit, value)
    index = round((value - known.low) / known.step)
    last = (known.cardinality or 1) - 1
    return float(known.value_at(min(max(index, 0), last)))


def nearly(known: Distribution, unit: float) -> float:
    """`internal_of`, except that a continuous value is not rounded, which takes most of the time."""
    if known.kind != "float" or known.step is not None:
        return internal_of(known, unit)
    low, high = _ends(known)
    value = (1.0 - unit) * low + unit * high
    return exp(value) if known.log else value


def internals_of(known: Distribution, units: Any) -> Any:
    """`nearly` for an array of places."""
    import numpy as np

    if known.choices and known.kind == "categorical":
        return np.trunc(units)
    low, high = _ends(known)
    units = np.clip(units, 0.0, 1.0)
    values = (1.0 - units) * low + units * high
    values = np.exp(values) if known.log else values
    if known.step is None:
        return values
    last = (known.cardinality or 1) - 1
    indexes = np.clip(np.rint((values - known.low) / known.step), 0, last)
    if last > MOST_VALUES:
        return known.low + indexes * known.step
    return np.array([float(known.value_at(index)) for index in range(last + 1)])[indexes.astype(int)]


def alike(known: Distribution, one: object, other: float) -> bool:
    """Whether two values are neighbours to the resolution of suggestions, and so perhaps one that was rounded in two ways.

    Those of a parameter with few values are alike where they are equal.
    """
    if one == other or n_values(known) or known.kind == "categorical" or not isinstance(one, (int, float)):
        return one == other
    return known.low <= one <= known.high and abs(unit_of(known, one) - unit_of(known, other)) < 1.75 * RESOLUTION


def units(known: Distribution) -> list[float]:
    """The places of all values of a number that has few."""
    return [unit_of(known, known.value_at(index)) for index in range(n_values(known))]


def _ends(known: Distribution) -> tuple[float, float]:
    """Stepped values lie in the middle of cells of equal width, so that the outer ones are as likely as the inner ones."""
    margin = 0.0 if known.step is None else known.step / 2
    low, high = known.low - margin, known.high + margin
    return (log(low), log(high)) if known.log else (float(low), float(high))


def _shortest(known: Distribution, unit: float, value: float) -> float:
    for digits in range(1, 18):
        short = float(f"{value:.{digits}g}") + 0.0
        if known.low <= short <= known.high and abs(unit_of(known, short) - unit) < 0.5 * RESOLUTION:
            return short
    return float(min(max(value, known.low), known.high))
