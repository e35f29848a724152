"""An Optuna sampler that is made anew for each trial, so that only the journal carries state from one trial to the next."""

from __future__ import annotations

import optuna
from optuna.samplers import BaseSampler, RandomSampler

from journaltune.base import CONSTANT, SAMPLING, derive_seed
from journaltune.base.errors import UsageError
from journaltune.suggest.samplers.finite import values_of
from journaltune.suggest.samplers.optuna_classes import sampler_class, takes_seed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial, TrialState

    from journaltune.space import Space
    from journaltune.study import OpenStudy

_MOST_SAMPLERS = 4096  # trials that are asked and never told leave their samplers behind


class ReseededSampler(BaseSampler):
    """Passes each trial to a sampler of its own, ``make(seed)``, with a seed from the study's seed and the trial's number."""

    def __init__(self, make: Callable[[int], BaseSampler], study_seed: int) -> None:
        self._make, self._study_seed = make, study_seed
        self._of_trial: dict[int, BaseSampler] = {}

    def __str__(self) -> str:
        return f"{type(self).__name__}({self._make!r})"

    def _own(self, trial: FrozenTrial) -> BaseSampler:
        sampler = self._of_trial.get(trial.number)
        if sampler is None:
            sampler = self._make(_seed(self._study_seed, trial.number))
            self._of_trial[trial.number] = sampler
            for number in list(self._of_trial)[: -_MOST_SAMPLERS or None]:
                self._of_trial.pop(number, None)
        return sampler

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        self._of_trial.pop(trial.number, None)
        self._own(trial).before_trial(study, trial)

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self._own(trial).infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self._own(trial).sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self._own(trial).sample_independent(study, trial, param_name, param_distribution)

    def after_trial(self, study: optuna.Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        try:
            self._own(trial).after_trial(study, trial, state, values)
        finally:
            self._of_trial.pop(trial.number, None)

    def reseed_rng(self) -> None:
        """Nothing to do for the threads of ``n_jobs``: no two trials share a generator."""


class Recipe:
    """Makes a study's sampler from a seed. A class that keeps its place in attributes gets one seed for the whole study."""

    def __init__(self, kind: type[BaseSampler], options: Mapping[str, Any], study_seed: int) -> None:
        self._kind, self._options, self._constant = _without_pickles(kind), dict(options), _seed(study_seed, 0, CONSTANT)
        self._takes_seed = takes_seed(kind)

    def __repr__(self) -> str:
        return f"{self._kind.__name__}(**{self._options!r})"

    def __call__(self, seed: int) -> BaseSampler:
        options = dict(self._options)
        if issubclass(self._kind, optuna.samplers.QMCSampler):
            options.setdefault("independent_sampler", RandomSampler(seed=seed))
        if issubclass(self._kind, optuna.samplers.QMCSampler | optuna.samplers.GridSampler):
            seed = self._constant
        return self._kind(**options, **({"seed": seed} if self._takes_seed else {}))


def _without_pickles(kind: type[BaseSampler]) -> type[BaseSampler]:
    """Optuna's CMA-ES loads pickles from the journal, which may come from anybody; ours replays its state."""
    if kind is not optuna.samplers.CmaEsSampler:
        return kind
    from journaltune.suggest.samplers.cmaes import ReplayedCmaEs

    return ReplayedCmaEs


def recipe_of(study: OpenStudy) -> Recipe:
    """The recipe for Optuna's class of the study's sampler. UsageError when Optuna has no such class, or other options."""
    name, options = study.sampler, dict(study.setting("sampler_options"))
    kind = sampler_class(name)
    if issubclass(kind, optuna.samplers.GridSampler):
        options.setdefault("search_space", _grid(study.space))
    recipe = Recipe(kind, options, study.seed)
    try:
        recipe(0)
    except (TypeError, ValueError, ImportError) as error:
        raise UsageError(
            f"Optuna's {kind.__name__} can't stand for sampler {name!r} of study {study.name!r} ({error}); "
            "pass to_optuna(sampler=FUNCTION), which makes an Optuna sampler from a seed"
        ) from error
    return recipe


def _grid(space: Space | None) -> dict[str, list[Any]]:
    """Every value of every parameter of the space. UsageError when that is not finite."""
    if space is None:
        raise UsageError("a grid takes a space; pass to_optuna(sampler=FUNCTION), which makes a sampler from a seed")
    return {
        name: [distribution.to_external(value) for value in values_of(name, distribution)]
        for name, distribution in space.distributions.items()
    }


def _seed(study_seed: int, number: int, purpose: int = SAMPLING) -> int:
    """32 bits, as numpy's generators take."""
    return derive_seed(study_seed, number, purpose) & 0xFFFFFFFF
