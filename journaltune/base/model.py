"""The words of the package as plain data: states, directions, finished and running trials."""

from __future__ import annotations

from enum import IntEnum

from journaltune.base.frozen import Frozen

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


class Trial(Frozen):
    """One trial as the journal tells it.

    ``params`` holds external values, ``values`` one float for each objective or None, times are aware (UTC) or None.
    """

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
            found[str(index)] = float(value)  # Rustuna writes constraints as text
        for key, value in self.system_attrs.items():
            if key.startswith("constraints:"):
                found[key.removeprefix("constraints:")] = float(value)
        return found
