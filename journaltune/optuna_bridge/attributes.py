"""Values that Optuna can store, in a form that every reader of the journal can read."""

from __future__ import annotations

from math import isnan, nan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

_STEP_LIMIT = 2**63


def values_of(values: Sequence[float] | None) -> list[float] | None:
    """Objective values as floats. ValueError for NaN, which Optuna refuses too."""
    floats = None if values is None else [float(value) for value in values]
    if floats is not None and any(map(isnan, floats)):
        raise ValueError(f"{floats} is not a result: an objective value can't be NaN; fail the trial instead")
    return floats


def step_of(step: int) -> int:
    """The step as int. ValueError for one that some reader can't hold."""
    if not 0 <= step < _STEP_LIMIT:
        raise ValueError(f"a step lies between 0 and {_STEP_LIMIT - 1}, not {step}")
    return int(step)


def intermediate_of(given: Mapping[int, float]) -> dict[str, Any]:
    """Intermediate values as in the record of a whole trial; ``with_attrs`` takes care of a NaN."""
    return {str(step_of(step)): nan if isnan(value) else float(value) for step, value in given.items()}
