# How do I suggest proportions that sum to 1?
import math

import journaltune

WANTED = {"code": 0.5, "text": 0.3, "speech": 0.2}


def objective(trial: journaltune.AskedTrial) -> float:
    mix = trial.params["mix"]
    return sum((mix[name] - share) ** 2 for name, share in WANTED.items())


# simplex(3) gives a list of three. It is one parameter with two degrees of freedom, so no two of its values mean the same.
study = journaltune.create_study("study.journal", params={"mix": "simplex(code, text, speech)"}, seed=1)
study.enqueue({"mix": {"code": 0.25, "text": 0.25, "speech": 0.5}})
study.optimize(objective, n_trials=25)

assert study.trials[0].params["mix"] == {"code": 0.25, "text": 0.25, "speech": 0.5}
for trial in study.trials:
    assert min(trial.params["mix"].values()) >= 0
    assert math.isclose(sum(trial.params["mix"].values()), 1)
assert study.best_value < 0.05
