"""Enqueued trials: which of them wait, and with which parameters."""

from __future__ import annotations

from struct import error as StructError
from struct import unpack

from journaltune.base import WAITING
from journaltune.base.errors import SpaceError
from journaltune.base.jsontext import dumps
from journaltune.space import Distribution, agrees

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from journaltune.journal.state import Finished, LiveTrial, StudyState
    from journaltune.space import Space

OPTUNAS = "fixed_params"
_RUSTUNAS = "fixed_params:"
_UNREADABLE = (ValueError, IndexError, TypeError, AttributeError, StructError)  # another program may have written anything


class Queue:
    """Every trial that was ever enqueued in a study, by its parameters. A look costs what was created since the last one."""

    __slots__ = ("_keys", "_n_entered", "_unfinished")

    def __init__(self, _: Finished) -> None:
        self._keys: set[str] = set()
        self._n_entered = 0
        self._unfinished: list[int] = []  # Rustuna writes one record for each parameter, so more may follow

    def holds(self, state: StudyState, fixed: Mapping[str, Any], space: Space) -> bool:
        """Whether a trial was enqueued with just these external values, in whatever spelling."""
        new = [*self._unfinished, *range(self._n_entered, state.n_trials)]
        self._n_entered, self._unfinished = state.n_trials, []
        for number in new:
            attrs = attrs_of(state, number)
            key = _key_of(attrs, space)
            if key is not None:
                self._keys.add(key)
            if number in state.live and state.live[number].state == WAITING and OPTUNAS not in attrs:
                self._unfinished.append(number)
        return _key_of({OPTUNAS: fixed}, space) in self._keys


def grown(state: StudyState, space: Space) -> dict[str, int]:
    """Columns that have more choices now than in their first trial, and how many they had then.

    Readers take a parameter's first distribution for its only one: a record that sets another one later is passed over.
    """
    found = {}
    for name, known in space.distributions.items():
        first = state.first_distributions.get(name) if known.choices else None
        if first is not None and first[1] != known.to_json():
            then = Distribution.from_json(first[1])
            if 0 < len(then.choices) < len(known.choices) and agrees(known, then):
                found[name] = len(then.choices)
    return found


def attrs_of(state: StudyState, number: int) -> dict[str, Any]:
    """The system attributes of a trial, whether it has finished or not."""
    live = state.live.get(number)
    attrs: dict[str, Any] = state.finished.extras.get(number, {}).get("system_attrs", {}) if live is None else live.system_attrs
    return attrs


def same_params(attrs: Mapping[str, Any], fixed: Mapping[str, Any], space: Space) -> bool:
    """Whether a trial with these system attributes was enqueued with just these external values; True if they don't say."""
    return OPTUNAS not in attrs or _key_of(attrs, space) == _key_of({OPTUNAS: fixed}, space)


def _key_of(attrs: Mapping[str, Any], space: Space) -> str | None:
    """Comparison key of the enqueued parameters; None if there are none or they can't be read."""
    if not any(name.startswith(OPTUNAS) for name in attrs):
        return None
    try:
        fixed = fixed_params(attrs)
        floats = {name: value for name, value in fixed.items() if isinstance(value, float)}
        return dumps(sorted((fixed | space.canonical(floats)).items()))
    except _UNREADABLE:
        return None


def fixed_params(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that a trial was enqueued with, from its system attributes as Optuna or Rustuna writes them."""
    fixed: dict[str, Any] = dict(attrs.get(OPTUNAS) or {})
    for key, text in attrs.items():
        if key.startswith(_RUSTUNAS):
            fixed[key.removeprefix(_RUSTUNAS)] = _from_rustuna(text)
    return fixed


def _from_rustuna(text: str) -> Any:
    """A value as Rustuna 0.2 tags it: ``f:0x<bits>``, ``i:1``, ``s:text``, ``true``, ``false``, ``None``."""
    kind, colon, rest = text.partition(":")
    if not colon:
        return {"true": True, "false": False}.get(text)
    if kind == "f":
        return unpack(">d", bytes.fromhex(rest.removeprefix("0x")))[0]
    return int(rest) if kind == "i" else rest


def fixed_internal(waiting: LiveTrial, space: Space) -> dict[str, float]:
    """The parameters that a trial waits with. SpaceError for those that the space does not have, or that can't be read."""
    try:
        given = fixed_params(waiting.system_attrs)
        for name, value in waiting.params.items():
            given[name] = Distribution.from_json(waiting.distributions[name]).to_external(value)
        return space.encode_columns(given)
    except _UNREADABLE as error:
        what = "was enqueued by another program, and its parameters can't be read; the ask that comes to it fails it"
        raise SpaceError(f"trial {waiting.number} {what}") from error
