"""Conditions and forbidden clauses of other tools: as trees, which are written in our grammar and tried on values."""

from __future__ import annotations

import operator

from journaltune.base.frozen import Frozen
from journaltune.space.foreign import as_choice, as_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from typing import Any

_HOLDS: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
    "in": lambda value, values: value in values,
}


class Term(Frozen):
    """A comparison of a parameter with a value, with several (``in``), or with another parameter."""

    name: str
    sign: str
    value: Any
    is_name: bool = False


class Every(Frozen):
    """Holds if each part does."""

    parts: tuple[Any, ...]


class Some(Frozen):
    """Holds if a part does."""

    parts: tuple[Any, ...]


def compared(name: str, sign: str, value: Any, order: Sequence[Any] | None) -> Term:
    """A comparison. With ``order`` larger and smaller are places in a sequence of words, which our grammar can't compare."""
    if sign in ("==", "!=") or order is None or all(isinstance(each, (int, float)) for each in order):
        return Term(name, sign, value)
    at = order.index(value)
    return one_of(name, [each for place, each in enumerate(order) if _HOLDS[sign](place, at)])


def one_of(name: str, values: Sequence[Any]) -> Term:
    return Term(name, "==", values[0]) if len(values) == 1 else Term(name, "in", tuple(values))


def written(clause: Any, names: Collection[str]) -> str:
    """The expression. ``names``: the parameters, none of which a bare word may be taken for."""
    clause = _alone(clause)
    if isinstance(clause, Term):
        return _term(clause, names)
    if isinstance(clause, Some):
        return " or ".join(written(part, names) for part in clause.parts)
    parts = map(_alone, clause.parts)
    return " and ".join(f"({written(part, names)})" if isinstance(part, Some) else written(part, names) for part in parts)


def _term(term: Term, names: Collection[str]) -> str:
    if term.is_name:
        return f"{as_name(term.name)} {term.sign} {as_name(term.value)}"
    if term.sign == "in":
        return (
            f"{as_name(term.name)} in ({', '.join(as_choice(value, names) for value in term.value)})" if term.value else "1 == 0"
        )
    return f"{as_name(term.name)} {term.sign} {as_choice(term.value, names)}"


def _alone(clause: Any) -> Any:
    """The part of a clause that has one."""
    while not isinstance(clause, Term) and len(clause.parts) == 1:
        (clause,) = clause.parts
    return clause


def holds(clause: Any, values: Mapping[str, Any]) -> bool:
    """Whether it holds for these values; a comparison with an absent one does not."""
    if isinstance(clause, Term):
        if clause.name not in values or (clause.is_name and clause.value not in values):
            return False
        value = values[clause.value] if clause.is_name else clause.value
        return bool(_HOLDS[clause.sign](values[clause.name], value))
    return (all if isinstance(clause, Every) else any)(holds(part, values) for part in clause.parts)
