"""What Optuna lets people store, made ready for a record that every reader of the journal survives."""

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
    """The record with ``fields``, JSON values of the caller's that are copied here.

    NaN is no JSON, and Rustuna's reader gives up at one: it gets the word for it, and the numbers themselves stand as text in
    ``jt``, from where ``replay`` takes them. TypeError for what JSON has no word for, ValueError for what is nested too deeply.
    """
    exact = dumps(dict(fields))
    kept: dict[str, Any] = loads(exact)
    if "NaN" not in exact and exact.count("[") + exact.count("{") <= _DEPTH:
        return {**record, **kept}
    plain = _without_nan(kept, 0)
    if plain == kept:
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
    """Objective values as floats. ValueError for NaN: Optuna takes none either."""
    told = None if values is None else [float(value) for value in values]
    if told is not None and any(map(isnan, told)):
        raise ValueError(f"{told} is no result: an objective value can't be NaN; fail the trial instead")
    return told


def step_of(step: int) -> int:
    """A step that every reader can hold."""
    if not 0 <= step < _STEP_LIMIT:
        raise ValueError(f"a step lies between 0 and {_STEP_LIMIT - 1}, not {step}")
    return int(step)


def intermediate_of(given: Mapping[int, float]) -> dict[str, Any]:
    """Intermediate values as a record of a whole trial holds them; a NaN is left to ``with_attrs``."""
    return {str(step_of(step)): nan if isnan(value) else float(value) for step, value in given.items()}
