"""Hold another pruner back, or stop a trial, until its own values have not improved for ``patience`` steps."""

from __future__ import annotations

from math import isnan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from journaltune.journal.state import LiveTrial
    from journaltune.suggest.pruners import Decision
    from journaltune.suggest.pruners.others import Others


def prune(options: Mapping[str, Any], trial: LiveTrial, others: Others) -> Decision:
    values = [trial.intermediate[step] for step in sorted(trial.intermediate)]
    recent = options["patience"] + 1
    if len(values) <= recent:
        return False, {}
    sign = -1.0 if others.maximize else 1.0
    before, after = ([sign * value for value in part if not isnan(value)] for part in (values[:-recent], values[-recent:]))
    if not before or not after or not min(before) + options["min_delta"] < min(after):
        return False, {}
    from journaltune.suggest.pruners import decide

    inner = options["wrapped_pruner"]
    if inner is None or inner == "none":
        return True, {}
    return decide(inner, options["wrapped_options"] or {}, trial, others.state)
