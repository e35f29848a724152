# How do I go on with a study that Optuna made?
import subprocess

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

import journaltune

theirs = optuna.create_study(study_name="theirs", storage=JournalStorage(JournalFileBackend("optuna.journal")))
theirs.optimize(lambda trial: trial.suggest_float("x", 0, 1) ** 2, n_trials=3)

# The study lacks a declared search space. Give it one; its trials stay, and samplers learn from them.
command = ["journaltune", "create", "-f", "optuna.journal", "--study", "theirs", "--param", "x: float(0, 1)", "--exist-ok"]
subprocess.run(command, check=True)
study = journaltune.load_study("optuna.journal")
trial = study.ask()
study.tell(trial, trial.params["x"] ** 2)

assert trial.number == 3
assert [trial.value for trial in theirs.trials] == [trial.value for trial in study.trials]
