"""Minimising a smooth function in a box."""

from __future__ import annotations

import numpy as np

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Function = Callable[[Array], tuple[float, Array]]

_MEMORY = 8
_MOST_HALVINGS = 12
_SUFFICIENT = 1e-4
_SHRINK = 0.35
_FIRST_STEP = 0.3


def minimise(
    function: Function, start: Array, low: Array, high: Array, max_steps: int, slope: float, gain: float
) -> tuple[Array, float]:
    """The place where L-BFGS, projected onto the box, ends, and the value there. ``function`` gives value and gradient.

    It ends after ``max_steps``, where the free gradient is below ``slope``, and when a step gains less than the share ``gain``.
    """
    x = np.clip(start, low, high)
    value, gradient = function(x)
    pairs: list[tuple[Array, Array]] = []
    for _ in range(max_steps):
        free = ~(((x <= low) & (gradient > 0)) | ((x >= high) & (gradient < 0)))
        downhill = np.where(free, gradient, 0.0)
        if not np.isfinite(value) or np.abs(downhill).max(initial=0.0) < slope:
            break
        direction = np.where(free, _direction(downhill, pairs), 0.0)
        if direction @ downhill <= 0:
            direction, pairs = downhill, []
        length = 1.0 if pairs else min(1.0, _FIRST_STEP / float(np.abs(direction).max()))
        found = _step(function, x, value, gradient, direction, length, low, high)
        if found is None:
            break
        moved, turned = found[0] - x, found[2] - gradient
        if moved @ turned > 1e-10 * (turned @ turned):
            pairs = [*pairs[1 - _MEMORY :], (moved, turned)]
        gained, (x, value, gradient) = value - found[1], found
        if gained < gain * max(1.0, abs(value)):
            break
    return x, value


def _direction(gradient: Array, pairs: list[tuple[Array, Array]]) -> Array:
    """The inverse Hessian's estimate times the gradient (Nocedal and Wright, Numerical Optimization, algorithm 7.4)."""
    direction, shares = gradient.copy(), []
    for moved, turned in reversed(pairs):
        shares.append((moved @ direction) / (moved @ turned))
        direction -= shares[-1] * turned
    if pairs:
        moved, turned = pairs[-1]
        direction *= (moved @ turned) / (turned @ turned)  # their equation 7.20
    for (moved, turned), share in zip(pairs, reversed(shares), strict=True):
        direction += (share - (turned @ direction) / (moved @ turned)) * moved
    return direction


def _step(
    function: Function, x: Array, value: float, gradient: Array, direction: Array, length: float, low: Array, high: Array
) -> tuple[Array, float, Array] | None:
    """Backtracking along the projected path until the decrease is sufficient (their equation 3.4); None if it never is."""
    for _ in range(_MOST_HALVINGS):
        reached = np.clip(x - length * direction, low, high)
        reached_value, reached_gradient = function(reached)
        if np.isfinite(reached_value) and reached_value <= value - _SUFFICIENT * float(gradient @ (x - reached)):
            return reached, reached_value, reached_gradient
        length *= _SHRINK
    return None
