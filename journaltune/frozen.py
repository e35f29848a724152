"""Plain data: slots that are set once. Apart from ``model``, whose ``enum`` an ask from the shell does without."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


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
