"""Finished trials into rows of packed numbers."""

from __future__ import annotations

from itertools import chain, islice

from journaltune.base import FAIL
from journaltune.journal.state import HAS_EXTRAS, HAS_VALUES, HIDDEN, HIDDEN_REASONS, PACKED_AT_ONCE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Sequence
    from typing import Any

    from journaltune.journal.replay import Familiar
    from journaltune.journal.state import Finished, LiveTrial


class Packer:
    """Packs the trials of one study; the next one nearly always has the shape of the last."""

    __slots__ = ("_familiar", "_finished", "_last_shape", "_no_values")

    def __init__(self, finished: Finished) -> None:
        self._finished = finished
        self._no_values = [0.0] * finished.n_objectives
        self._familiar: tuple[Familiar | None, int] = (None, 0)
        self._last_shape: tuple[dict[str, str], list[str], int] | None = None

    def pack(self, pending: deque[LiveTrial], n_rows: int) -> None:
        """Take the first trials out of those that wait, and append their rows: some dozens together, if nobody decoded them."""
        for left in range(n_rows, 0, -PACKED_AT_ONCE):
            some = list(islice(pending, min(left, PACKED_AT_ONCE)))
            plain = self._pack_plain(some)
            for trial in some:
                if not plain and not self._pack_plain([trial]):
                    self._pack_decoded(trial)  # raises for one that can't be read, which stays
                pending.popleft()

    def _pack_plain(self, trials: Sequence[LiveTrial]) -> bool:
        """Append the rows of several trials that nobody decoded; False, and no row, where one of them says more than most do."""
        plain = trials[0].plain_rows(trials, self._finished.n_objectives)
        if plain is None:
            return False
        familiar, params, values, began, ended = plain
        if familiar is not self._familiar[0]:
            self._familiar = familiar, self._finished.id_of(tuple(familiar.distributions.items()))
        self._finished.append(
            [trial.number for trial in trials],
            [trial.state | HAS_VALUES if own else trial.state for trial, own in zip(trials, values, strict=True)],
            [self._familiar[1]] * len(trials),
            params,
            chain.from_iterable([own or self._no_values for own in values]),
            began,
            ended,
        )
        return True

    def _pack_decoded(self, trial: LiveTrial) -> None:
        extras = _extras(trial)
        values = _regular(trial.values, self._finished.n_objectives)
        if trial.values is not None and values is None:
            extras["values"] = trial.values
        code = trial.state | trial.odd | (HAS_VALUES if values is not None else 0) | (HAS_EXTRAS if extras else 0)
        if trial.state == FAIL and trial.user_attrs.get("fail_reason") in HIDDEN_REASONS:
            code |= HIDDEN
        if extras:
            self._finished.note_extras(trial.number, extras)
            if trial.intermediate or trial.system_attrs:
                from journaltune.journal.steps import note  # for trials that reported

                note(self._finished, trial)
        row = [trial.number], [code], [self._shape_id(trial)], trial.params.values(), values or self._no_values
        self._finished.append(*row, [trial.began], [trial.ended])

    def _shape_id(self, trial: LiveTrial) -> int:
        last = self._last_shape
        if last is not None and last[0] is trial.distributions and last[1] == list(trial.params):
            return last[2]
        shape_id = self._finished.id_of(tuple([(name, trial.distributions[name]) for name in trial.params]))
        self._last_shape = (trial.distributions, list(trial.params), shape_id)
        return shape_id


def _extras(trial: LiveTrial) -> dict[str, Any]:
    extras: dict[str, Any] = {}
    if trial.user_attrs:
        extras["user_attrs"] = trial.user_attrs
    if trial.system_attrs:
        extras["system_attrs"] = trial.system_attrs
    if trial.intermediate:
        extras["intermediate"] = trial.intermediate
    if len(trial.distributions) != len(trial.params):
        extras["distributions"] = {k: v for k, v in trial.distributions.items() if k not in trial.params}
    return extras


def _regular(values: list[float] | None, n_objectives: int) -> list[float] | None:
    if values is None or len(values) != n_objectives:
        return None
    return values if all(type(value) is float or (type(value) is int and abs(value) <= 2**53) for value in values) else None
