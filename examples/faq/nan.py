# What happens when a result is NaN?
import math

import journaltune


def objective(trial: journaltune.AskedTrial) -> float:
    return math.nan if trial.number == 1 else trial.params["x"]


study = journaltune.create_study("study.journal", params={"x": "float(0, 1)"})
study.optimize(objective, n_trials=4)

# The trial has failed with reason "nan", the search goes on, and NaN is never the best value.
diverged = study.trials[1]
assert diverged.state is journaltune.TrialState.FAIL
assert diverged.user_attrs["fail_reason"] == "nan"
assert study.counts()["complete"] == 3
assert study.best_value == min(study.trials[number].params["x"] for number in (0, 2, 3))
