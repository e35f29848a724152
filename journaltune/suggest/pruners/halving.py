"""Asynchronous successive halving: of the trials that reach a rung, the best ``1 / reduction_factor`` go on.

Li et al., A System for Massively Parallel Hyperparameter Tuning (MLSys 2020), algorithm 2; Optuna's
``SuccessiveHalvingPruner``, whose system attributes ``completed_rung_N`` say with which value a trial left a rung.
"""

from __future__ import annotations

from math import isnan

from journaltune.journal.steps import RUNG

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from journaltune.journal.state import LiveTrial
    from journaltune.suggest.pruners import Decision
    from journaltune.suggest.pruners.others import Others

_STEPS_IN_LONGEST = 100  # of ``min_resource="auto"``: so many times the first rung is the longest trial


def prune(
    options: Mapping[str, Any], trial: LiveTrial, others: Others, competes: Callable[[int], bool] | None = None
) -> Decision:
    """``competes``: whether the trial of a number is in the same bracket; None: all are."""
    step, first = max(trial.intermediate), options["min_resource"]
    if first == "auto":
        longest = others.last_step()
        if longest is None:
            return False, {}
        first = max(longest // _STEPS_IN_LONGEST, 1)
    value, left = trial.intermediate[step], dict[str, float]()
    rung = _next_rung(trial)
    while step >= first * options["reduction_factor"] ** (options["min_early_stopping_rate"] + rung):
        if isnan(value):
            return True, left
        name = f"{RUNG}{rung}"
        left[name] = value
        rivals = [other for number, other in others.on_rung(name) if competes is None or competes(number)]
        if len(rivals) < options["bootstrap_count"]:
            return True, left
        if not _is_promoted(value, [*rivals, value], options["reduction_factor"], others.maximize):
            return True, left
        rung += 1
    return False, left


def _next_rung(trial: LiveTrial) -> int:
    rung = 0
    while f"{RUNG}{rung}" in trial.system_attrs:
        rung += 1
    return rung


def _is_promoted(value: float, competing: list[float], reduction_factor: int, maximize: bool) -> bool:
    """Whether a value is among the best share of those on its rung; one always is."""
    place = max(len(competing) // reduction_factor - 1, 0)
    ordered = sorted(competing, reverse=maximize)
    return value >= ordered[place] if maximize else value <= ordered[place]
