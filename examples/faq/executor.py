# How do I run trials in an executor of my own?
import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import journaltune


def objective(trial: journaltune.AskedTrial) -> float:
    trial.set_user_attr("pid", os.getpid())
    return (trial.params["x"] - 2) ** 2


# Any executor of concurrent.futures; this one starts new processes, as CUDA wants. n_jobs calls run at once.
if __name__ == "__main__":
    study = journaltune.create_study("study.journal", params={"x": "float(-10, 10)"}, seed=1)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        study.optimize(objective, n_trials=12, n_jobs=2, executor=pool)

    assert study.counts()["complete"] == 12
    assert os.getpid() not in {trial.user_attrs["pid"] for trial in study.trials}
