"""Trials as plain data, and their states."""

from __future__ import annotations

from enum import IntEnum
from math import inf

from journaltune import base as codes
from journaltune.base.constraints import constraints_in
from journaltune.base.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta
    from typing import Any

    from optuna.distributions import BaseDistribution

USAGE_ATTR = "journaltune:usage"  # system attribute: wall_s, cpu_s and peak_bytes of the last attempt under ``run``
_USAGE = ("wall_s", "cpu_s", "peak_bytes")


def optunas(texts: Mapping[str, str]) -> dict[str, BaseDistribution]:
    """Optuna's distributions, by name, of its JSON for them."""
    from optuna.distributions import json_to_distribution

    return {name: json_to_distribution(text) for name, text in texts.items()}


class TrialState(IntEnum):
    """State of a trial, with the codes that Optuna's journal uses."""

    RUNNING = codes.RUNNING
    COMPLETE = codes.COMPLETE
    PRUNED = codes.PRUNED
    FAIL = codes.FAIL
    WAITING = codes.WAITING

    def is_finished(self) -> bool:
        return self in codes.FINISHED


class Trial(Frozen):
    """One trial as the journal has it.

    ``params`` holds external values, ``values`` one float for each objective, or None. Times are aware (UTC), or None.

    ``seed`` (31 bits) is for the trainer; None in a study that another program made. ``attempt`` is how often the trial was
    handed out. ``owner`` says who has it, if its ask said so, and of a finished trial who took it up last.
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
    seed: int | None
    attempt: int
    owner: dict[str, Any] | None
    _spaces: Mapping[str, str]
    _enqueued: dict[str, Any]

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
        seed: int | None = None,
        attempt: int = 1,
        owner: dict[str, Any] | None = None,
        spaces: Mapping[str, str] | None = None,
        enqueued: dict[str, Any] | None = None,
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
            seed=seed,
            attempt=attempt,
            owner=owner,
            _spaces=spaces or {},
            _enqueued=enqueued or {},
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
    def fixed_params(self) -> dict[str, Any]:
        """While the trial waits to be asked, the parameters that it was enqueued with; else all parameters."""
        return self.params if self.params or self.state != TrialState.WAITING else self._enqueued

    @property
    def usage(self) -> dict[str, Any] | None:
        """What the last attempt of ``run`` took: ``wall_s``, ``cpu_s``, and ``peak_bytes`` where that was seen; else None."""
        noted = self.system_attrs.get(USAGE_ATTR)
        found = {name: noted[name] for name in _USAGE if name in noted} if isinstance(noted, dict) else {}
        is_sound = all(isinstance(value, int | float) and 0 <= value < inf for value in found.values())
        return found if found and is_sound else None  # another program may have written anything

    @property
    def duration(self) -> timedelta | None:
        """How long the trial took; None without both times."""
        if self.datetime_start is None or self.datetime_complete is None:
            return None
        return self.datetime_complete - self.datetime_start

    @property
    def last_step(self) -> int | None:
        """The last step that was reported; None before the first report."""
        return max(self.intermediate_values, default=None)

    @property
    def distributions(self) -> dict[str, BaseDistribution]:
        """Optuna's distribution of each parameter. Imports Optuna."""
        return optunas(self._spaces)

    @property
    def constraints(self) -> dict[str, float]:
        """Constraint values by name, 0 or less where satisfied, whichever program wrote them."""
        return constraints_in(self.system_attrs)
