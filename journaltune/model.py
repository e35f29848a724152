"""The words of the package as plain data: states, directions, finished and running trials."""

from __future__ import annotations

from enum import IntEnum

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime
    from typing import Any


class TrialState(IntEnum):
    """State of a trial, with the codes that Optuna's journal uses."""

    RUNNING = 0
    COMPLETE = 1
    PRUNED = 2
    FAIL = 3
    WAITING = 4

    def is_finished(self) -> bool:
        return self in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


class Direction(IntEnum):
    """Direction of one objective, with the codes that Optuna's journal uses (0, not set, is Optuna's own)."""

    NOT_SET = 0
    MINIMIZE = 1
    MAXIMIZE = 2


class Frozen:
    """Base of plain data: slots, set once by ``__init__``, compared and shown by value.

    ``dataclasses`` would say the same in fewer lines, but importing it takes longer than a whole ``tell``.
    """

    __slots__: tuple[str, ...] = ()

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} cannot be changed; {name!r} is as it was recorded")

    def _set(self, **fields: object) -> None:
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    def _fields(self) -> tuple[object, ...]:
        return tuple(getattr(self, name) for name in self.__slots__)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self._fields() == other._fields()

    def __hash__(self) -> int:
        return hash(repr(self))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{n}={getattr(self, n)!r}' for n in self.__slots__)})"

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), self._fields())


class Suggestion(Frozen):
    """What ``ask`` hands out: the trial's number, its parameters (external values) and a 32-bit seed for the trainer."""

    __slots__ = ("number", "params", "seed")

    number: int
    params: dict[str, Any]
    seed: int

    def __init__(self, number: int, params: dict[str, Any], seed: int) -> None:
        self._set(number=number, params=params, seed=seed)


class Trial(Frozen):
    """One trial as the journal tells it.

    ``params`` holds external values, ``values`` one float for each objective or None, times are aware (UTC) or None.
    """

    __slots__ = (
        "datetime_complete",
        "datetime_start",
        "intermediate_values",
        "number",
        "params",
        "state",
        "system_attrs",
        "user_attrs",
        "values",
    )

    number: int
    state: TrialState
    params: dict[str, Any]
    values: list[float] | None
    user_attrs: dict[str, Any]
    system_attrs: dict[str, Any]
    intermediate_values: dict[int, float]
    datetime_start: datetime | None
    datetime_complete: datetime | None

    def __init__(
        self,
        number: int,
        state: TrialState,
        params: dict[str, Any],
        values: list[float] | None = None,
        user_attrs: dict[str, Any] | None = None,
        system_attrs: dict[str, Any] | None = None,
        intermediate_values: dict[int, float] | None = None,
        datetime_start: datetime | None = None,
        datetime_complete: datetime | None = None,
    ) -> None:
        self._set(
            number=number,
            state=state,
            params=params,
            values=values,
            user_attrs=user_attrs or {},
            system_attrs=system_attrs or {},
            intermediate_values=intermediate_values or {},
            datetime_start=datetime_start,
            datetime_complete=datetime_complete,
        )

    @property
    def value(self) -> float | None:
        """The objective's value, or None; ValueError when the trial has several."""
        if self.values is None:
            return None
        if len(self.values) != 1:
            raise ValueError(f"trial {self.number} has {len(self.values)} values; use `values`")
        return self.values[0]

    @property
    def constraints(self) -> dict[str, float]:
        """Constraint values by name, 0 or less where satisfied, from Optuna's system attributes (old and new form)."""
        found: dict[str, float] = {}
        for index, value in enumerate(self.system_attrs.get("constraints") or ()):
            found[str(index)] = value
        for key, value in self.system_attrs.items():
            if key.startswith("constraints:"):
                found[key.removeprefix("constraints:")] = value
        return found
