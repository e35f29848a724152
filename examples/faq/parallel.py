# How do I run trials in parallel from Python?
import os

import journaltune


def objective(trial: journaltune.AskedTrial) -> float:
    trial.set_user_attr("pid", os.getpid())
    trial.set_user_attr("gpu", trial.slot)  # 0 or 1, never the same for two trials at once: f"cuda:{trial.slot}"
    return (trial.params["x"] - 2) ** 2


# n_jobs counts processes, not threads, so that trials don't wait for Python's lock. -1 starts a process for each core.
study = journaltune.create_study("study.journal", params={"x": "float(-10, 10)"}, seed=1)
study.optimize(objective, n_trials=20, n_jobs=2)

assert study.counts()["complete"] == 20
assert {trial.user_attrs["gpu"] for trial in study.trials} <= {0, 1}
assert os.getpid() not in {trial.user_attrs["pid"] for trial in study.trials}
