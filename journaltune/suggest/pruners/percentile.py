"""Stop a trial whose best value so far is worse than a percentile of the values of complete trials at the same step.

Golovin et al., Google Vizier (KDD 2017), section 3.2.2; Optuna's ``PercentilePruner`` and ``MedianPruner``.
"""

from __future__ import annotations

from math import floor, isnan, nan

from journaltune.suggest.pruners.interval import decides_at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from journaltune.journal.state import LiveTrial
    from journaltune.suggest.pruners import Decision
    from journaltune.suggest.pruners.others import Others

_MEDIAN = 50.0


def prune(options: Mapping[str, Any], trial: LiveTrial, others: Others) -> Decision:
    step = max(trial.intermediate)
    n_complete = others.n_complete()
    if n_complete == 0 or n_complete < options["n_startup_trials"] or not decides_at(step, trial.intermediate, options):
        return False, {}
    own = [value for value in trial.intermediate.values() if not isnan(value)]
    if not own:
        return True, {}
    values = others.values_at(step)
    if len(values) < options["n_min_trials"]:
        return False, {}
    share = options.get("percentile", _MEDIAN)
    limit = percentile(values, 100 - share if others.maximize else share)
    return (max(own) < limit if others.maximize else min(own) > limit), {}


def percentile(values: Sequence[float], share: float) -> float:
    """The percentile of values without the NaNs among them, bit for bit as ``numpy.nanpercentile`` rounds it."""
    ordered = sorted(value for value in values if value == value)
    if not ordered:
        return nan
    place = (len(ordered) - 1) * (share / 100)
    if place >= len(ordered) - 1:
        below, low, high = -1, ordered[-1], ordered[-1]
    else:
        below = floor(place)
        low, high = ordered[below], ordered[below + 1]
    part, width = place - below, high - low
    return high - width * (1 - part) if part >= 0.5 else low + width * part
