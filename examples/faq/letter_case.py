# How do I use names that differ in their case only?
import optuna

import journaltune


def objective(trial: optuna.Trial) -> float:
    a = trial.suggest_int("a", 0, 10)
    return a + trial.suggest_int("A", 100, 110)


# An Optuna script on our storage, and its studies too: "Digits" and "digits" are two.
optuna.logging.set_verbosity(optuna.logging.WARNING)
storage = journaltune.storage("study.journal")
for name in ("digits", "Digits"):
    optuna.create_study(study_name=name, storage=storage).optimize(objective, n_trials=3)

for name in ("digits", "Digits"):
    study = journaltune.load_study("study.journal", name)
    assert len(study.trials) == 3
    assert all(0 <= trial.params["a"] <= 10 and 100 <= trial.params["A"] <= 110 for trial in study.trials)
