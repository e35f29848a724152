"""Attributes in a form that every reader of the journal can read, NaN included."""

from __future__ import annotations

from math import isnan

from journaltune.base.jsontext import dumps, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_DEPTH = 62  # an attribute may have 60, and stands two deep; Rustuna's reader gives up at 128


def with_attrs(record: dict[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """The record with copies of ``fields``, which are JSON values.

    Rustuna's reader fails at a NaN, so the field gets the word "NaN", and ``jt`` the exact value as text, which ``replay`` reads.
    TypeError for a value that JSON can't hold, ValueError for one that is nested too deeply.
    """
    exact = dumps(dict(fields))
    copied: dict[str, Any] = loads(exact)
    if "NaN" not in exact and exact.count("[") + exact.count("{") <= _DEPTH:
        return {**record, **copied}
    plain = without_nan(copied)
    if plain == copied:
        return {**record, **plain}
    return {**record, **plain, "jt": {**record.get("jt", {}), "exact": exact}}


def without_nan(value: Any, depth: int = 0) -> Any:
    """A JSON value with the word "NaN" in place of each NaN. ValueError for one that is nested too deeply."""
    if depth > _DEPTH:
        raise ValueError(f"an attribute is nested more than {_DEPTH} levels deep; store it flatter, or as a file")
    if isinstance(value, dict):
        return {key: without_nan(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [without_nan(item, depth + 1) for item in value]
    return "NaN" if isinstance(value, float) and isnan(value) else value
