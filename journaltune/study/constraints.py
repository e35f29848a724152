"""Constraint values in a trial's system attributes, in the spellings of Optuna and Rustuna."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


CONSTRAINTS = "constraints:"


def constraints_in(attrs: Mapping[str, Any]) -> dict[str, float]:
    """Of a trial's system attributes those that are its constraints, in the order of their names.

    Optuna before 5 wrote a list of them.
    """
    listed = attrs.get("constraints")
    found = {f"{CONSTRAINTS}{i}": value for i, value in enumerate(listed)} if isinstance(listed, list) else {}
    found |= {key: value for key, value in attrs.items() if key.startswith(CONSTRAINTS)}
    return {key: float(found[key]) for key in sorted(found) if isinstance(found[key], int | float)}
