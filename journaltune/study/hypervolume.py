"""How much of the objectives' space a set of results dominates: the hypervolume, exactly, for two and three objectives.

Source: Zitzler, Thiele, "Multiobjective optimization using evolutionary algorithms: a comparative case study", PPSN V, 1998.
"""

from __future__ import annotations

from bisect import insort
from math import isfinite

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Loss = Sequence[float]

MOST = {2: 100_000, 3: 500}  # results of a front, by the number of objectives: more would take longer than a command may


def reference_of(losses: Iterable[Loss]) -> tuple[float, ...] | None:
    """The worst finite value of each objective; None where an objective has none."""
    columns = [[value for value in column if isfinite(value)] for column in zip(*losses, strict=True)]
    return tuple(map(max, columns)) if columns and all(columns) else None


def hypervolume(losses: Iterable[Loss], reference: Sequence[float]) -> float | None:
    """The volume between the losses and the reference, which they are to fall below; None for one objective, for more than
    three, and for more results than ``MOST``. Losses at or beyond the reference add nothing, nor does -inf."""
    inside = {tuple(loss) for loss in losses if all(-float("inf") < a < b for a, b in zip(loss, reference, strict=True))}
    if len(inside) > MOST.get(len(reference), -1):
        return None
    if len(reference) == 2:
        return _area(sorted(inside), reference)
    volume = 0.0
    stairs: list[tuple[float, ...]] = []  # sorted by the first objective
    ordered = sorted(inside, key=lambda loss: loss[2])
    for place, loss in enumerate(ordered):
        insort(stairs, loss[:2])
        top = ordered[place + 1][2] if place + 1 < len(ordered) else reference[2]
        volume += _area(stairs, reference) * (top - loss[2])
    return volume


def _area(ordered: Iterable[Loss], reference: Sequence[float]) -> float:
    """In two objectives, of losses that are sorted."""
    area, height = 0.0, reference[1]
    for loss in ordered:
        if loss[1] < height:
            area += (reference[0] - loss[0]) * (height - loss[1])
            height = loss[1]
    return area
