# How do I use a sampler of my own?
from typing import Any

import optuna

import journaltune


class Golden(optuna.samplers.BaseSampler):
    """Any sampler of Optuna's kind. It may draw from its seed, and keeps its state in trial attributes, not in itself."""

    def __init__(self, seed: int | None = None) -> None:
        self.seed = seed

    def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, Any]:
        return {}

    def sample_relative(self, study: Any, trial: Any, search_space: Any) -> dict[str, Any]:
        return {}

    def sample_independent(self, study: Any, trial: Any, param_name: str, param_distribution: Any) -> float:
        low, high = param_distribution.low, param_distribution.high
        return low + (high - low) * (trial.number * 0.618034 % 1)


if __name__ == "__main__":
    # module:Class, where Python finds the module: here, this file.
    study = journaltune.create_study("study.journal", params={"x": "float(0, 10)"}, sampler="own_sampler:Golden", seed=1)
    study.optimize(lambda trial: (trial.params["x"] - 2) ** 2, n_trials=10)

    assert [trial.params["x"] for trial in study.trials] == [10 * (number * 0.618034 % 1) for number in range(10)]
    assert study.verify().n_verified == 10  # verify shows whether a sampler suggests the same again
