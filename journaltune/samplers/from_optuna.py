"""Optuna's samplers, by class name: each suggestion from a fresh sampler over a fresh in-memory study with the history."""

from __future__ import annotations

import inspect

import optuna

from journaltune.errors import UsageError
from journaltune.history import Worst

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from journaltune.history import History
    from journaltune.journal.state import Shape
    from journaltune.space import Distribution


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
        self._distributions: dict[str, optuna.distributions.BaseDistribution] = {}

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
            self._show(study, history)
            space = {name: self._distribution(distribution.to_json()) for name, distribution in distributions.items()}
            trial = study.ask(fixed_distributions=space)
        finally:
            optuna.logging.set_verbosity(verbosity)
        return {name: float(distribution.to_internal_repr(trial.params[name])) for name, distribution in space.items()}

    def _show(self, study: optuna.Study, history: History) -> None:
        worst = Worst(history.directions)
        for shape, params, values in history.complete():
            worst.show(values)
            self._add(study, shape, params, values)
        for shape, params in history.stand_ins() if worst.values is not None else ():
            self._add(study, shape, params, worst.values)

    def _add(self, study: optuna.Study, shape: Shape, params: Sequence[float], values: list[float] | None) -> None:
        distributions = {name: self._distribution(text) for name, text in shape}
        external = {name: distributions[name].to_external_repr(value) for (name, _), value in zip(shape, params, strict=True)}
        trial = optuna.trial.create_trial(values=values, params=external, distributions=distributions)
        study._storage.create_new_trial(study._study_id, trial)

    def _distribution(self, text: str) -> optuna.distributions.BaseDistribution:
        if text not in self._distributions:
            self._distributions[text] = optuna.distributions.json_to_distribution(text)
        return self._distributions[text]
