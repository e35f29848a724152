# How do I seed parallel workers without each of them trying the same?
import subprocess
import sys

import journaltune

# In Optuna, workers that get the same seed suggest the same parameters. Here the seed belongs to the study, and each trial draws
# from it by its number, whichever process asks.
WORKER = """
import journaltune
study = journaltune.create_study("study.journal", params={"x": "float(0, 1)"}, sampler="random", seed=42, exist_ok=True)
study.optimize(lambda trial: trial.params["x"], n_trials=6, n_jobs=2)
"""
workers = [subprocess.Popen([sys.executable, "-c", WORKER]) for _ in range(3)]
assert [worker.wait() for worker in workers] == [0, 0, 0]

shared = journaltune.load_study("study.journal").trials
assert len({trial.params["x"] for trial in shared}) == len(shared) == 18
assert len({trial.seed for trial in shared}) == 18

# And they are the trials of one worker with that seed.
alone = journaltune.create_study("alone.journal", params={"x": "float(0, 1)"}, sampler="random", seed=42)
alone.optimize(lambda trial: trial.params["x"], n_trials=18)
assert [trial.params for trial in shared] == [trial.params for trial in alone.trials]
