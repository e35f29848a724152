"""What is said when a space is not quite as it was written."""

from __future__ import annotations

import sys
from warnings import warn

from journaltune.base.errors import one_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from journaltune.space.distributions import Distribution


def warn_of_high(name: str, high: object, found: Distribution) -> None:
    """A UserWarning, as Optuna's, when a range is not divisible by its step and the search ends below its upper bound."""
    frame, level = sys._getframe(), 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("journaltune."):
        frame, level = frame.f_back, level + 1
    bounds = f"from {found.low!r} to {high!r}"
    warn(
        f"{one_line(name)}: the range {bounds} is not divisible by the step {found.step!r}; the search ends at {found.high!r}",
        stacklevel=level,
    )
