"""Which running trials are to stop early: Optuna's rules, as pure functions of the journal. A new pruner is a file here, with
its options as a row in ``options``.

Optuna's own objects keep what they saw first (the longest trial so far, for ``min_resource="auto"``); here each decision is made
of the journal alone, as Optuna's are in a process that has just begun.
"""

from __future__ import annotations

from journaltune.base.errors import UsageError
from journaltune.suggest.pruners.options import settled
from journaltune.suggest.pruners.others import Others

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from journaltune.journal.state import LiveTrial, StudyState

    Decision = tuple[bool, dict[str, float]]
    """Whether to stop, and the rungs that the trial has left: system attributes that others have to see."""

_MODULES = {
    "median": "percentile",
    "percentile": "percentile",
    "halving": "halving",
    "hyperband": "hyperband",
    "threshold": "threshold",
    "patient": "patient",
    "wilcoxon": "wilcoxon",
}
NAMES = ("none", *_MODULES)


def check(name: str, options: Mapping[str, Any], n_objectives: int) -> None:
    """UsageError for an unknown option, a wrong value, or several objectives."""
    settled(name, options)
    if name != "none" and n_objectives > 1:
        raise UsageError(f"a pruner compares one value, and the study has {n_objectives} objectives; leave the pruner out")


def decide(name: str, options: Mapping[str, Any], trial: LiveTrial, state: StudyState) -> Decision:
    """Whether a running trial is to stop after its last step. UsageError for options that a damaged record left."""
    if name == "none" or not trial.intermediate or len(state.directions) > 1:
        return False, {}
    prune = __import__(f"{__name__}.{_MODULES[name]}", fromlist=("prune",)).prune
    decision: Decision = prune(settled(name, options), trial, Others(state, trial.number))
    return decision


def leaves_rungs(name: str, options: Mapping[str, Any]) -> bool:
    """Whether the pruner's decisions are made of what earlier decisions wrote."""
    return name in ("halving", "hyperband") or (name == "patient" and leaves_rungs(*wrapped(options)))


def wrapped(options: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """The pruner that ``patient`` holds back, and its options."""
    return options.get("wrapped_pruner") or "none", options.get("wrapped_options") or {}
