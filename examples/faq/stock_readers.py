# How do I read a study with stock Optuna or Rustuna?
import optuna
import rustuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

import journaltune

study = journaltune.create_study("study.journal", params={"x": "float(0, 1)"}, seed=1)
study.optimize(lambda trial: trial.params["x"], n_trials=5)

# Neither needs journaltune: the file is an Optuna journal. `optuna-dashboard study.journal` shows it in a browser.
in_optuna = optuna.load_study(study_name="study", storage=JournalStorage(JournalFileBackend("study.journal")))
in_rustuna = rustuna.load_study(study_name="study", storage=rustuna.storages.JournalFileStorage("study.journal"))
assert in_optuna.best_trial.number == in_rustuna.best_trial.number == study.best_trial.number
assert in_optuna.best_value == study.best_value
assert [trial.params for trial in in_optuna.trials] == [trial.params for trial in study.trials]
