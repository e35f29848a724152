# How do I use two GPUs for two trials at once?
import itertools
import os

import journaltune


def objective(trial: journaltune.AskedTrial) -> float:
    # 0 or 1, and never the same for two trials at once. Before CUDA starts, which happens in this process, not in the parent.
    os.environ["CUDA_VISIBLE_DEVICES"] = str(trial.slot)
    trial.set_user_attr("gpu", os.environ["CUDA_VISIBLE_DEVICES"])
    return trial.params["lr"]


study = journaltune.create_study("study.journal", params={"lr": "log(1e-5, 1)"}, seed=1)
study.optimize(objective, n_trials=12, n_jobs=2)

# No two trials that ran at the same time had the same GPU.
for gpu in ("0", "1"):
    times = [(t.datetime_start, t.datetime_complete) for t in study.trials if t.user_attrs["gpu"] == gpu]
    times.sort()
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(times))
assert {trial.user_attrs["gpu"] for trial in study.trials} <= {"0", "1"}
assert study.counts()["complete"] == 12
