# How do I tune something noisy?
import random
from statistics import mean

import journaltune


def objective(trial: journaltune.AskedTrial) -> float:
    return trial.params["x"] ** 2 + random.Random(trial.seed).gauss(0, 0.5)


# replicates: each configuration is asked three times, with other seeds, and the best one is that of the best mean.
study = journaltune.create_study("study.journal", params={"x": "float(-1, 1)"}, replicates=3, seed=1)
study.optimize(objective, n_trials=30)

assert len({trial.params["x"] for trial in study.trials}) == 10
replicates = [trial.value for trial in study.trials if trial.params == study.best_params]
assert len(set(replicates)) == 3
assert abs(study.best_value - mean(replicates)) < 1e-12
assert study.best_value > min(trial.value for trial in study.trials)
