# How do I use Optuna's analyses on a study, or its objectives?
import optuna

import journaltune

study = journaltune.create_study("study.journal", params={"x": "float(-5, 5)", "y": "float(-5, 5)"}, sampler="tpe", seed=1)
study.optimize(lambda trial: trial.params["x"] ** 2 + 0.01 * trial.params["y"], n_trials=30)

# A real optuna.Study on the same file: importances, plots, callbacks, and objectives that suggest for themselves.
theirs = study.to_optuna()
importances = optuna.importance.get_param_importances(theirs)
print(importances)
assert importances["x"] > importances["y"]

theirs.optimize(lambda trial: trial.suggest_float("x", -5, 5) ** 2 + 0.01 * trial.suggest_float("y", -5, 5), n_trials=5)
assert [trial.number for trial in study.trials] == list(range(35))
assert study.best_value == theirs.best_value
