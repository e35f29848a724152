"""Stop a trial whose last value is NaN, or lies outside of bounds."""

from __future__ import annotations

from math import isnan

from journaltune.suggest.pruners.interval import decides_at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from journaltune.journal.state import LiveTrial
    from journaltune.suggest.pruners import Decision
    from journaltune.suggest.pruners.others import Others


def prune(options: Mapping[str, Any], trial: LiveTrial, _: Others) -> Decision:
    step = max(trial.intermediate)
    if not decides_at(step, trial.intermediate, options):
        return False, {}
    value, lower, upper = trial.intermediate[step], options["lower"], options["upper"]
    outside = (lower is not None and value < lower) or (upper is not None and value > upper)
    return isnan(value) or outside, {}
