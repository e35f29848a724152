# What happens when an objective crashes its process, or the kernel kills it?
import os
import signal

import journaltune


def objective(trial: journaltune.AskedTrial) -> float:
    if trial.number == 2:
        os.kill(os.getpid(), signal.SIGKILL)  # as the kernel does when memory runs out
    return trial.params["x"]


# isolate runs each call in a process of its own, and so does n_jobs with more than one: a crash fails one trial.
study = journaltune.create_study("study.journal", params={"x": "float(0, 1)"})
study.optimize(objective, n_trials=5, isolate=True)

states = [trial.state.name for trial in study.trials]
assert states == ["COMPLETE", "COMPLETE", "FAIL", "COMPLETE", "COMPLETE"]
assert study.trials[2].user_attrs["fail_reason"] in ("signal", "oom")
