"""Optuna's samplers, by class name: each suggestion from a fresh sampler over a fresh in-memory study with the history."""

from __future__ import annotations

import inspect

import optuna

from journaltune.errors import UsageError
from journaltune.space import Distribution, compatible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from journaltune.history import History
    from journaltune.journal.state import Shape


class OptunaSampler:
    """Any class of ``optuna.samplers`` that keeps no state of its own; options are its keyword arguments, except its seed."""

    def __init__(self, class_name: str, options: Mapping[str, Any]) -> None:
        found = getattr(optuna.samplers, class_name, None)
        if not (inspect.isclass(found) and issubclass(found, optuna.samplers.BaseSampler)):
            raise UsageError(f"optuna.samplers has no sampler {class_name!r}; take its class's name, such as optuna.TPESampler")
        self._class = found
        self._options = dict(options)
        if "seed" in self._options:
            raise UsageError("a sampler's seed comes from the study's: use --seed")
        try:
            self._fresh(0)
        except (TypeError, ValueError, ImportError) as error:
            raise UsageError(f"optuna.{class_name} does not take these options: {error}") from error
        self._n_startup = self._startup_trials()
        self._native: dict[str, optuna.distributions.BaseDistribution] = {}

    def _startup_trials(self) -> int:
        """How many trials the class samples at random first: stand-ins must not count for any of them."""
        known = inspect.signature(self._class).parameters.get("n_startup_trials")
        default = known.default if known is not None and isinstance(known.default, int) else 0
        return int(self._options.get("n_startup_trials", default))

    def _fresh(self, seed: int) -> optuna.samplers.BaseSampler:
        seeded = "seed" in inspect.signature(self._class).parameters
        sampler: optuna.samplers.BaseSampler = self._class(**self._options, **({"seed": seed & 0xFFFFFFFF} if seeded else {}))
        return sampler

    def suggest(self, history: History, distributions: Mapping[str, Distribution], number: int, seed: int) -> dict[str, float]:
        """See ``samplers.Sampler``."""
        verbosity = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.WARNING)  # a study in memory is no news to anybody
        try:
            study = optuna.create_study(
                directions=["maximize" if d == 2 else "minimize" for d in history.directions], sampler=self._fresh(seed)
            )
            self._show(study, history, distributions)
            space = {name: self._to_optuna(distribution) for name, distribution in distributions.items()}
            trial = study.ask(fixed_distributions=space)
        finally:
            optuna.logging.set_verbosity(verbosity)
        return {name: float(trial.params[name]) for name in distributions}

    def _show(self, study: optuna.Study, history: History, space: Mapping[str, Distribution]) -> None:
        for shape, params, values in history.complete():
            self._add(study, space, shape, params, values)
        worst = history.worst() if history.n_observed() >= self._n_startup else None
        for shape, params in history.stand_ins() if worst is not None else ():
            self._add(study, space, shape, params, worst)

    def _add(
        self, study: optuna.Study, space: Mapping[str, Distribution], shape: Shape, params: Sequence[float], values: Any
    ) -> None:
        """A column whose kind or categories differ from the space's present ones tells a sampler nothing, and is left out."""
        external, distributions = {}, {}
        for (name, text), value in zip(shape, params, strict=True):
            then = Distribution.from_json(text)
            if name in space and compatible(space[name], then) and then.contains(value):
                distributions[name] = self._to_optuna(then)
                external[name] = value if then.kind == "float" else int(value)
        trial = optuna.trial.create_trial(values=values, params=external, distributions=distributions)
        study._storage.create_new_trial(study._study_id, trial)

    def _to_optuna(self, distribution: Distribution) -> optuna.distributions.BaseDistribution:
        """Categories by index: Optuna takes 1, 1.0 and True for one value."""
        text = distribution.to_json()
        if text not in self._native:
            if distribution.kind == "categorical":
                self._native[text] = optuna.distributions.CategoricalDistribution(range(len(distribution.choices)))
            else:
                self._native[text] = optuna.distributions.json_to_distribution(text)
        return self._native[text]
