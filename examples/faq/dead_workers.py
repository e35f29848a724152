# What happens to the trial of a worker that died?
import os
import signal

import journaltune

study = journaltune.create_study("study.journal", params={"x": "float(0, 1)"}, seed=1)

# A process that asks, with trials_iter or with ask, and is killed before it tells.
child = os.fork()
if child == 0:
    for _ in journaltune.load_study("study.journal").trials_iter(1):
        os.kill(os.getpid(), signal.SIGKILL)
assert os.waitpid(child, 0)[1] == signal.SIGKILL
assert study.trials[0].state is journaltune.TrialState.RUNNING

# No heartbeat to wait for: the next ask sees that the process is gone, and hands its trial out again.
params = study.trials[0].params
trial = study.ask()
assert (trial.number, trial.attempt, trial.params) == (0, 2, params)
study.tell(trial, 0.5)
assert study.ask().number == 1
