"""Enqueued trials: what waits, and with which parameters."""

from __future__ import annotations

from struct import error as StructError
from struct import unpack

from journaltune.base.errors import SpaceError
from journaltune.base.jsontext import dumps
from journaltune.journal.state import WAITING
from journaltune.space import Distribution

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from journaltune.journal.state import Finished, LiveTrial, StudyState
    from journaltune.space import Space


_RUSTUNA_PREFIX = "fixed_params:"


_NOT_PARAMS = (ValueError, IndexError, TypeError, AttributeError, StructError)  # whatever another program left there


class Queue:
    """What was ever enqueued in a study, by its parameters. A look costs what was created since the last one."""

    __slots__ = ("_n_entered", "_texts", "_unsaid")

    def __init__(self, _: Finished) -> None:
        self._texts: set[str] = set()
        self._n_entered = 0
        self._unsaid: list[int] = []  # Rustuna's waiting trials: it says what they wait with one by one

    def holds(self, state: StudyState, fixed: Mapping[str, Any]) -> bool:
        """Whether a trial was enqueued with just these external values."""
        new = [*self._unsaid, *range(self._n_entered, state.n_trials)]
        self._n_entered, self._unsaid = state.n_trials, []
        for number in new:
            attrs = attrs_of(state, number)
            text = _text(attrs)
            if text is not None:
                self._texts.add(text)
            if number in state.live and state.live[number].state == WAITING and "fixed_params" not in attrs:
                self._unsaid.append(number)
        return _text({"fixed_params": fixed}) in self._texts


def attrs_of(state: StudyState, number: int) -> dict[str, Any]:
    """The system attributes of a trial, whether it has finished or not."""
    live = state.live.get(number)
    found: dict[str, Any] = state.finished.extras.get(number, {}).get("system_attrs", {}) if live is None else live.system_attrs
    return found


def same_params(attrs: Mapping[str, Any], fixed: Mapping[str, Any]) -> bool:
    """Whether a trial with these system attributes was enqueued with just these external values; also where they don't say."""
    return "fixed_params" not in attrs or _text(attrs) == _text({"fixed_params": fixed})


def _text(attrs: Mapping[str, Any]) -> str | None:
    """What tells enqueued parameters apart; None where none were, or what another program left there is none."""
    if not any(key.startswith("fixed_params") for key in attrs):
        return None
    try:
        return dumps(sorted(fixed_params(attrs).items()))
    except _NOT_PARAMS:
        return None


def waiting(state: StudyState) -> Iterator[LiveTrial]:
    """The enqueued trials, lowest number first."""
    return (trial for trial in state.live.values() if trial.state == WAITING)


def fixed_params(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that a trial was enqueued with, from its system attributes as Optuna or Rustuna writes them."""
    fixed: dict[str, Any] = dict(attrs.get("fixed_params") or {})
    for key, text in attrs.items():
        if key.startswith(_RUSTUNA_PREFIX):
            fixed[key.removeprefix(_RUSTUNA_PREFIX)] = _from_rustuna(text)
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
    """The parameters that a trial waits with. SpaceError for those that can't be, or are no parameters at all."""
    try:
        given = fixed_params(waiting.system_attrs)
        for name, value in waiting.params.items():
            given[name] = Distribution.from_json(waiting.distributions[name]).to_external(value)
        return space.encode({name: value for name, value in given.items() if name in space.distributions}, partial=True)
    except _NOT_PARAMS as error:
        what = "was enqueued by another program with what are no parameters; the ask that comes to it fails it"
        raise SpaceError(f"trial {waiting.number} {what}") from error
