# How do I get the same search again with several processes?
import random
import time

import journaltune


def objective(trial: journaltune.AskedTrial) -> float:
    time.sleep(random.SystemRandom().uniform(0, 0.02))  # who finishes first is luck
    return trial.params["x"] ** 2 + trial.params["y"] ** 2


def search(path: str) -> list[dict[str, float]]:
    # With a lag of 3, trial k sees the results of trials up to k - 3 and of none later, so three processes never wait long.
    study = journaltune.create_study(path, params={"x": "float(-5, 5)", "y": "float(-5, 5)"}, seed=42, lag=3)
    study.optimize(objective, n_trials=25, n_jobs=3)
    return [trial.params for trial in study.trials]


# `journaltune create --lag 3` in a shell: ask waits there for the results that it needs.
first = search("first.journal")
assert len({tuple(params.values()) for params in first}) == 25
assert first == search("again.journal")
