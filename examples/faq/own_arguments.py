# How do I pass more arguments to my objective?
from functools import partial

import journaltune


def objective(trial: journaltune.AskedTrial, data: list[float]) -> float:
    return sum((number - trial.params["center"]) ** 2 for number in data)


# partial, a lambda, a method, an object with __call__: anything that takes the trial alone, in several processes too.
data = [1.0, 2.0, 6.0]
study = journaltune.create_study("study.journal", params={"center": "float(0, 10)"}, seed=1)
study.optimize(partial(objective, data=data), n_trials=20)
study.optimize(lambda trial: objective(trial, data), n_trials=20, n_jobs=2)

assert study.counts()["complete"] == 40
assert abs(study.best_params["center"] - 3) < 1  # the mean
