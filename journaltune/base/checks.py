"""Checks of names and values before anything is written: what passes, every reader of a journal can hold."""

from __future__ import annotations

from math import inf, isnan

from journaltune.base import MAXIMIZE, MINIMIZE, index
from journaltune.base.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

# Stock readers stop at values that they can't hold: Rustuna's JSON reader at 128 levels and at integers of more than 64 bits,
# Python's at integers of 4,300 digits, both at text that is not Unicode.
_DEPTH = 60
_INT_LIMIT = 2**63


def text(value: object, what: str) -> str:
    """A name: text that every reader can hold. UsageError otherwise."""
    if not isinstance(value, str) or not value:
        raise UsageError(f"{what} must be text that is not empty, not {value!r}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise UsageError(f"{what} {value!r} is not valid Unicode; write it as UTF-8") from None
    return value


def storable(value: object, what: str, depth: int = 0, *, nan: bool = False) -> Any:
    """A JSON value that every reader can hold, scalars of NumPy as Python's own. UsageError otherwise.

    NaN is refused unless ``nan``: then the caller writes it as ``journal.exact`` does.
    """
    if depth > _DEPTH:
        raise UsageError(f"{what} is nested more than {_DEPTH} levels deep; store it flatter, or as a file")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, float):
        if isnan(value) and not nan:
            raise UsageError(f"{what} holds NaN, which some readers of the journal refuse; write it as text")
        return float(value)  # NumPy's float64 is a float whose repr is not a number's
    if isinstance(value, str):
        return text(value, what) if value else value
    if isinstance(value, int):
        if not -_INT_LIMIT <= value < _INT_LIMIT:
            raise UsageError(f"{what} holds an integer of more than 64 bits; write it as text")
        return int(value)
    if isinstance(value, list | tuple):
        return [storable(item, what, depth + 1, nan=nan) for item in value]
    if isinstance(value, dict):
        return {text(key, f"a key of {what}"): storable(item, what, depth + 1, nan=nan) for key, item in value.items()}
    if getattr(value, "shape", None) == () and hasattr(value, "item"):  # a scalar of NumPy, PyTorch, JAX
        plain = value.item()
        if type(plain) is not type(value):  # NumPy's longdouble stays what it is
            return storable(plain, what, depth + 1, nan=nan)
    array = "; write its .tolist()" if hasattr(value, "tolist") else ""
    raise UsageError(f"{what} holds {type(value).__name__}, which JSON has no word for{array}")


def mapping(given: Mapping[str, Any], what: str) -> dict[str, Any]:
    """Values by name. UsageError for anything but a mapping."""
    if not (hasattr(given, "keys") and hasattr(given, "__getitem__")):
        raise UsageError(f'{what} are a dict such as {{"name": 1}}, not {given!r}')
    return dict(given)


def path(given: object, what: str = "a journal's path") -> str:
    """A path as text, from anything that Python takes for a path. UsageError otherwise."""
    from os import fsdecode

    try:
        return fsdecode(given)  # type: ignore[arg-type]
    except TypeError:
        raise UsageError(f"{what} is text or a path, not {given!r}") from None


def attrs(given: Mapping[str, Any] | None) -> dict[str, Any]:
    """User attributes, ready to be written."""
    named = {} if given is None else mapping(given, "attributes")
    return {text(key, "an attribute's name"): storable(value, f"attribute {key!r}", nan=True) for key, value in named.items()}


def request_id(given: str | None) -> str | None:
    """A caller's name for a request that may be repeated: a short text. UsageError otherwise."""
    if given is not None and len(text(given, "a request id")) > 200:
        raise UsageError("a request id has at most 200 characters")
    return given


def number(value: object, what: str) -> float:
    """A float, from anything that is a real number (numpy's too). UsageError otherwise."""
    try:
        if isinstance(value, str | bytes):
            raise TypeError
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        raise UsageError(f"{what} must be a number, not {value!r}") from None


def values(given: float | Sequence[float] | None, n_objectives: int, trial_number: int) -> list[float] | None:
    """One float for each objective. UsageError for another count."""
    if given is None:
        return None
    # An array without dimensions, numpy's or PyTorch's, has ``__len__``, which raises.
    is_many = not isinstance(given, str | bytes) and hasattr(given, "__len__") and getattr(given, "shape", None) != ()
    numbers = [number(value, f"the value of trial {trial_number}") for value in (given if is_many else [given])]  # type: ignore[union-attr]
    if len(numbers) != n_objectives:
        raise UsageError(f"trial {trial_number} takes {n_objectives} value(s), one for each objective, not {len(numbers)}")
    return numbers


def are_results(values: Sequence[float], directions: Sequence[int]) -> bool:
    """Whether each can be the result of a trial: no NaN, and no infinity that would be best for ever, which an overflow makes."""
    return not any(
        isnan(value) or value == (inf if direction == MAXIMIZE else -inf)
        for value, direction in zip(values, directions, strict=False)
    )


def constraints(given: Mapping[str, float] | None) -> dict[str, float]:
    """Constraint values by name; NaN is refused, as Optuna does."""
    named = {} if given is None else mapping(given, "constraints")
    checked = {text(name, "a constraint's name"): number(value, f"constraint {name!r}") for name, value in named.items()}
    for name, value in checked.items():
        if isnan(value):
            raise UsageError(f"constraint {name!r} must be a number, not nan")
    return checked


def directions(given: object) -> list[int]:
    """Codes of directions: "minimize" or "maximize", or objects with such a name (Optuna's StudyDirection)."""
    known = {"minimize": MINIMIZE, "maximize": MAXIMIZE}
    names = list(given) if isinstance(given, list | tuple) else [given]
    codes = [known.get(str(getattr(name, "name", name)).lower()) for name in names]
    if not codes or None in codes:
        raise UsageError(f"directions are minimize or maximize, not {names!r}")
    return [code for code in codes if code is not None]


def one_of(value: str, allowed: Sequence[str], what: str) -> str:
    """One of the allowed words. UsageError otherwise."""
    if value not in allowed:
        raise UsageError(f"{what} is one of {', '.join(allowed)}, not {value!r}")
    return value


def whole(value: object, what: str) -> int:
    """An int, from anything that is a whole number (numpy's too). UsageError otherwise."""
    try:
        if isinstance(value, bool):
            raise TypeError
        return index(value)  # type: ignore[arg-type]
    except TypeError:
        raise UsageError(f"{what} must be a whole number, not {value!r}") from None


def at_least(least: int, value: object, what: str, means: str) -> int:
    """A whole number from ``least`` on; ``means`` says in the message what it stands for. UsageError otherwise."""
    checked = whole(value, what)
    if checked < least:
        raise UsageError(f"{what} is at least {least} ({means}), not {checked}")
    return checked


def positive(value: object, what: str) -> float:
    """A finite number above 0. UsageError otherwise."""
    checked = number(value, what)
    if not 0 < checked < float("inf"):
        raise UsageError(f"{what} must be above 0, not {value!r}")
    return checked


def not_negative(value: object, what: str) -> float:
    """A number from 0 on, infinity too. UsageError otherwise."""
    checked = number(value, what)
    if not checked >= 0:
        raise UsageError(f"{what} must be 0 or above, not {value!r}")
    return checked
