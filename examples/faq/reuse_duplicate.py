# How do I take over the result of equal parameters inside an objective?
import optuna

import journaltune

n_runs = 0


def objective(trial: optuna.Trial) -> float:
    global n_runs
    x = trial.suggest_int("x", 0, 4)
    if (seen := journaltune.reuse_duplicate(trial)) is not None:  # by an index, in any Optuna study too
        return seen.value
    n_runs += 1
    return (x - 2) ** 2


optuna.logging.set_verbosity(optuna.logging.WARNING)
study = optuna.create_study(storage=journaltune.storage("study.journal"), sampler=optuna.samplers.RandomSampler(seed=1))
study.optimize(objective, n_trials=30)

assert len(study.trials) == 30
assert n_runs == len({trial.params["x"] for trial in study.trials}) == 5
assert all(trial.value == (trial.params["x"] - 2) ** 2 for trial in study.trials)
