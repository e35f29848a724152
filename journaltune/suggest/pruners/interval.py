"""At which steps a pruner decides: after the warm-up, at the first step that a trial reports in each interval."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any


def decides_at(step: float, steps: Iterable[float], options: Mapping[str, Any]) -> bool:
    """Whether to decide at ``step``, the last one of ``steps``."""
    warmup: int = options["n_warmup_steps"]
    interval: int = options["interval_steps"]
    if step < warmup:
        return False
    begin = (step - warmup) // interval * interval + warmup
    return max((other for other in steps if other != step), default=-1) < begin
