"""Values that Optuna can store, in a form that every reader of the journal can read."""

from __future__ import annotations

from math import isnan, nan

from journaltune.base.jsontext import dumps, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

_DEPTH = 60  # Rustuna's reader gives up at 128 levels
_STEP_LIMIT = 2**63


def with_attrs(record: dict[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """The record with copies of ``fields``, which are JSON values.

    Rustuna's reader fails at a NaN, so the field gets the word "NaN", and ``jt`` the exact value as text, which ``replay`` reads.
    TypeError for a value that JSON can't hold, ValueError for one that is nested too deeply.
    """
    exact = dumps(dict(fields))
    copied: dict[str, Any] = loads(exact)
    if "NaN" not in exact and exact.count("[") + exact.count("{") <= _DEPTH:
        return {**record, **copied}
    plain = _without_nan(copied, 0)
    if plain == copied:
        return {**record, **plain}
    return {**record, **plain, "jt": {"exact": exact}}


def _without_nan(value: Any, depth: int) -> Any:
    if depth > _DEPTH:
        raise ValueError(f"an attribute is nested more than {_DEPTH} levels deep; store it flatter, or as a file")
    if isinstance(value, dict):
        return {key: _without_nan(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_nan(item, depth + 1) for item in value]
    return "NaN" if isinstance(value, float) and isnan(value) else value


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
