"""Samplers that come to an end: every combination of a finite space, once."""

from __future__ import annotations

from itertools import product
from math import prod

from optuna import Study
from optuna.samplers import GridSampler
from optuna.trial import FrozenTrial

from journaltune.base.errors import UsageError
from journaltune.space import Distribution
from journaltune.suggest.samplers.optuna_view import exhausted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    Grid = Mapping[str, Sequence[Any]]  # by column: internal values, ints and indexes of categories as ints

MOST_COMBINATIONS = 100_000  # of a grid, which every process lays out and shuffles
MOST_VALUES = 10_000  # of one parameter: brute force looks at each


def values_of(name: str, distribution: Distribution) -> list[float]:
    """Every internal value of a column, in Optuna's decimal arithmetic. UsageError when too many, or continuous."""
    n_values = distribution.cardinality
    if n_values is None:
        raise UsageError(f"parameter {name!r} is continuous, and this sampler tries every value; give it a step")
    if n_values > MOST_VALUES:
        raise UsageError(f"parameter {name!r} has {n_values} values, and this sampler tries each; give it a larger step")
    return [distribution.value_at(index) for index in range(n_values)]


def grid_of(distributions: Mapping[str, Distribution], given: Any, canonical: bool) -> Grid:
    """The values to try of each column: all of them, or those that the option ``search_space`` names.

    Without ``canonical`` these stay as they are spelled there, which makes them values that no trial has.
    """
    if given is None:
        grid = {name: values_of(name, distribution) for name, distribution in distributions.items()}
    else:
        grid = {name: _given_values(name, distribution, given, canonical) for name, distribution in distributions.items()}
    if n_combinations(grid) > MOST_COMBINATIONS:
        raise UsageError(
            f"the grid has {n_combinations(grid)} combinations, and at most {MOST_COMBINATIONS} are allowed; take sampler random"
        )
    return grid


def _given_values(name: str, distribution: Distribution, given: Mapping[str, Any], canonical: bool) -> list[float]:
    if not isinstance(given.get(name), list) or not given[name]:
        raise UsageError(f"option search_space needs a list of values for parameter {name!r}")
    values = [distribution.to_internal(value) for value in given[name]]
    if canonical:
        values = list(map(distribution.canonical, values))
    if len(set(values)) != len(values):
        raise UsageError(f"option search_space names a value of parameter {name!r} twice")
    return values if distribution.kind == "float" else list(map(int, values))


def n_combinations(grid: Grid) -> int:
    return prod(map(len, grid.values()))


def taken(trials: Sequence[FrozenTrial], names: Sequence[str], asked: int) -> set[tuple[Any, ...]]:
    """The parameters that other trials have."""
    return {tuple([trial.params[name] for name in names]) for trial in trials if trial.number != asked}


class OneOfEach(GridSampler):
    """Optuna's grid in its shuffled order, except that the trials' parameters say what was tried, enqueued trials included.

    Optuna's own class repeats a combination while its trial is running, and when the grid is used up.
    """

    def __init__(self, grid: Grid, external: Mapping[str, Sequence[Any]], seed: int) -> None:
        super().__init__(grid, seed=seed)
        self._external = external

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        tried = taken(study.get_trials(deepcopy=False), self._param_names, trial.number)
        grid_id = next((index for index, values in enumerate(self._all_grids) if tuple(values) not in tried), None)
        if grid_id is None:
            raise exhausted(len(self._all_grids))
        for key, value in (("search_space", self._external), ("grid_id", grid_id)):
            study._storage.set_trial_system_attr(trial._trial_id, key, value)


def check_exhausted(trials: Sequence[FrozenTrial], grid: Grid, asked: int) -> None:
    """ExhaustedError when every combination was tried, or is being tried."""
    tried = taken(trials, list(grid), asked)
    if len(tried) >= n_combinations(grid) and all(each in tried for each in product(*grid.values())):
        raise exhausted(n_combinations(grid))
