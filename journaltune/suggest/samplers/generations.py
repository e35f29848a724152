"""Histories for Optuna's genetic algorithms, corrected where the space moved under its trials.

Trials that no longer fit are invisible, so a generation may have lost members, and so may a choice of parents. Such an
algorithm takes the highest generation for the present one and trusts every choice, so both are corrected first.
"""

from __future__ import annotations

from optuna.samplers import BaseGASampler
from optuna.trial import FrozenTrial

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any


def mended(
    sampler: BaseGASampler, trials: Sequence[FrozenTrial], study_attrs: Mapping[str, Any]
) -> tuple[list[FrozenTrial], dict[str, Any]]:
    """Trials and attributes in which every generation but the last is whole: trials of later ones lose their generation."""
    key, prefix, size = sampler._get_generation_key(), sampler._get_parent_cache_key_prefix(), sampler.population_size or 0
    members: dict[int, int] = {}
    for trial in trials:
        generation = trial.system_attrs.get(key)
        if isinstance(generation, int):
            members[generation] = members.get(generation, 0) + 1
    present = next(generation for generation in range(len(members) + 1) if members.get(generation, 0) < max(size, 1))
    if max(members, default=0) > present:
        trials = [_without(trial, key) if trial.system_attrs.get(key, 0) > present else trial for trial in trials]
    visible = {trial.number for trial in trials}
    attrs = {
        name: value
        for name, value in study_attrs.items()
        if not name.startswith(prefix) or (isinstance(value, list) and len(value) >= size and visible.issuperset(value))
    }
    return list(trials), attrs


def _without(trial: FrozenTrial, key: str) -> FrozenTrial:
    attrs = {name: value for name, value in trial.system_attrs.items() if name != key}
    number = trial.number
    return FrozenTrial(
        number, trial.state, None, None, None, trial.params, trial.distributions, {}, attrs, {}, number, values=trial.values
    )
