"""Frozen plain data: a class that names its fields, as ``dataclass(frozen=True, slots=True)`` would make it.

``dataclasses`` is not used because importing it takes longer than a whole ``tell``.
"""

from __future__ import annotations

from itertools import takewhile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Self, dataclass_transform
else:

    def dataclass_transform(**_):
        """Stands in for ``typing``'s, whose import a ``tell`` would pay for and only type checkers need."""
        return lambda decorated: decorated


@dataclass_transform(frozen_default=True)
class _FieldsToSlots(type):
    """Turns annotated fields into slots, and their values in the class into defaults."""

    _fields: tuple[str, ...]
    _defaults: dict[str, Any]
    _tail: tuple[Any, ...]
    _puts: tuple[Callable[[object, object], None], ...]

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> _FieldsToSlots:
        fields = tuple(namespace.get("__annotations__", ()))
        defaults = {field: namespace.pop(field) for field in fields if field in namespace}
        made = super().__new__(mcs, name, bases, {**namespace, "__slots__": fields})
        inherited = [base for base in bases if isinstance(base, _FieldsToSlots)]
        made._fields = tuple(field for base in inherited for field in base._fields) + fields
        made._puts = tuple(getattr(made, field).__set__ for field in made._fields)  # past ``__setattr__``, and fast
        made._defaults = {key: value for base in inherited for key, value in base._defaults.items()} | defaults
        tail = takewhile(made._defaults.__contains__, reversed(made._fields))
        made._tail = tuple([made._defaults[field] for field in tail])[::-1]
        return made


class Frozen(metaclass=_FieldsToSlots):
    """Base of plain data: fields in the order of their annotations, set once, compared and shown by value, picklable.

    A class that has its own ``__init__`` sets its fields there, with ``_set``.
    """

    def __init__(self, *values: Any, **named: Any) -> None:
        cls = type(self)
        missing = len(cls._puts) - len(values)
        if named or missing:
            is_tail = not named and 0 < missing <= len(cls._tail)
            values = values + cls._tail[-missing:] if is_tail else _values_of(cls, values, named)
        for put, value in zip(cls._puts, values):  # noqa: B905  (they are as many; to say so costs a third of the call)
            put(self, value)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} cannot be changed; {name!r} is as it was recorded")

    def _set(self, **fields: object) -> None:
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    def but(self, **changed: object) -> Self:
        """A copy with other values in some fields."""
        cls = type(self)
        if not changed.keys() <= set(cls._fields):
            raise TypeError(f"{cls.__name__} has the fields {', '.join(cls._fields)}, not {list(changed)}")
        return cls(*[changed[name] if name in changed else getattr(self, name) for name in cls._fields])

    def _values(self) -> tuple[object, ...]:
        return tuple([getattr(self, name) for name in type(self)._fields])

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self._values() == other._values()

    def __hash__(self) -> int:
        return hash(repr(self))

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in type(self)._fields if name[0] != "_")
        return f"{type(self).__name__}({shown})"

    def __reduce__(self) -> tuple[object, ...]:
        return _restored, (type(self), self._values())


def _restored(cls: type[Frozen], values: tuple[object, ...]) -> Frozen:
    """The object that was pickled or copied. Past ``__init__``, which may take its arguments in another order or form."""
    made = cls.__new__(cls)
    for put, value in zip(cls._puts, values, strict=True):
        put(made, value)
    return made


def _values_of(cls: type[Frozen], values: tuple[object, ...], named: dict[str, Any]) -> tuple[Any, ...]:
    """A value for each field: by place, then by name, then its default. TypeError for one too many or missing."""
    fields = {**cls._defaults, **dict(zip(cls._fields, values, strict=False)), **named}
    if fields.keys() != set(cls._fields) or len(values) > len(cls._fields):
        raise TypeError(f"{cls.__name__} takes {', '.join(cls._fields)}; got {len(values)} values and {list(named)}")
    return tuple([fields[name] for name in cls._fields])
