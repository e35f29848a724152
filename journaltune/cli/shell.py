"""Suggestions as shell assignments and through templates."""

from __future__ import annotations

from journaltune.base.errors import UsageError
from journaltune.base.words import quote, text_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Any

    from journaltune.space import Space

__all__ = ["OWN_NAMES", "assignments", "quote", "text_of", "variable_names"]

OWN_NAMES = ("JT_TRIAL", "JT_SEED", "JT_ATTEMPT", "JT_VALUE")


def variable_names(space: Space | None, params: Collection[str] = ()) -> dict[str, str]:
    """The shell variable of each parameter. UsageError when two are the same, or one is ours.

    ``create`` refuses a space in which that is so; ``params`` are those that trials of stock Optuna have beyond the space.
    """
    names = dict(space.shell_names()) if space is not None else {}
    for param in params:
        if param not in names:
            names[param] = "JT_" + "".join(c if c.isascii() and c.isalnum() else "_" for c in param)
    if len({*names.values(), *OWN_NAMES}) < len(names) + len(OWN_NAMES):
        taken = f"each other or {', '.join(OWN_NAMES)}"
        raise UsageError(f"{', '.join(map(repr, names))}: as shell names they clash with {taken}; use --format json")
    return names


def assignments(fixed: Mapping[str, object], params: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """Lines for ``eval``. A parameter that this trial doesn't have is unset: the loop's previous trial may have set it."""
    lines = [f"{name}={quote(text_of(value))}" for name, value in fixed.items()]
    for param, name in names.items():
        lines.append(f"{name}={quote(text_of(params[param]))}" if param in params else f"unset {name}")
    return "\n".join(lines) + "\n"
