"""The constraints among a trial's system attributes, as other programs and this one write them.

Optuna 5 and journaltune write an attribute ``constraints:NAME`` for each, a number. Rustuna 0.2 writes the number as text, and
the attributes in any order. The ``constraints_func`` of Optuna's samplers, and Optuna before 5, write one list, ``constraints``.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_LIST = "constraints"
_PREFIX = f"{_LIST}:"


def is_constraint(key: str) -> bool:
    """Whether the system attribute of that name holds constraints, which come with a trial's result."""
    return key == _LIST or key.startswith(_PREFIX)


def constraints_in(system_attrs: Mapping[str, Any]) -> dict[str, float]:
    """A trial's constraints, 0 or less where satisfied, in the order of their names. Anything but a number is left out."""
    listed = system_attrs.get(_LIST)
    values = {str(place): value for place, value in enumerate(listed)} if isinstance(listed, list) else {}
    values |= {key.removeprefix(_PREFIX): value for key, value in system_attrs.items() if key.startswith(_PREFIX)}
    numbers = ((name, _number(values[name])) for name in sorted(values))
    return {name: number for name, number in numbers if number is not None}


def with_numbers(system_attrs: Mapping[str, Any]) -> dict[str, Any]:
    """The same attributes, with each constraint as a number. Optuna fails at Rustuna's text; what is no number is left out."""
    if not any(key.startswith(_PREFIX) for key in system_attrs):
        return dict(system_attrs)
    read = {key: _number(value) if key.startswith(_PREFIX) else value for key, value in system_attrs.items()}
    return {key: value for key, value in read.items() if value is not None or not key.startswith(_PREFIX)}


def as_attrs(constraints: Mapping[str, float]) -> dict[str, float]:
    """System attributes that hold these constraints."""
    return {f"{_PREFIX}{name}": value for name, value in constraints.items()}


def violation(constraints: Mapping[str, float]) -> dict[str, float]:
    """How far a trial violates its constraints, as the only constraint that Rustuna gets; empty if it has no constraints.

    Rustuna compares trials by this sum alone. But it adds up in the order of a hash table, which differs from process to
    process, and the last bit of a sum of three depends on the order: the order of equal trials would change by the process.
    """
    return as_attrs({"violation": total_violation(constraints)}) if constraints else {}


def total_violation(constraints: Mapping[str, float]) -> float:
    total = 0.0
    for value in constraints.values():  # not `sum`, which rounds in another way since Python 3.12
        if not value <= 0:
            total += value
    return total


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None
