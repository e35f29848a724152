"""How many examples a property is tried with."""

from __future__ import annotations

from hypothesis import settings


def examples(count: int) -> int:
    """So many in the suite, which looks at the same ones each time; five times as many where somebody looks for others."""
    return count if settings.default is not None and settings.default.derandomize else 5 * count
