"""What people write with Optuna to run commands, ``subprocess`` in the objective: ``python optuna_trainers.py TRIALS JOBS``."""

from __future__ import annotations

import subprocess
import sys

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend


def objective(trial: optuna.Trial) -> float:
    x = trial.suggest_float("x", 0, 1)
    return float(subprocess.run(["echo", repr(x)], capture_output=True, text=True, check=True).stdout)


def main(trials: int, jobs: int) -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = JournalStorage(JournalFileBackend("study.journal"))
    study = optuna.create_study(storage=storage, sampler=optuna.samplers.RandomSampler())
    study.optimize(objective, n_trials=trials, n_jobs=jobs)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
