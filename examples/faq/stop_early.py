# How do I stop when the result is good enough?
import journaltune


def stop_below_1(study: journaltune.Study, trial: journaltune.Trial) -> None:
    if trial.value is not None and trial.value < 1:
        study.stop()  # optuna.study.MaxTrialsCallback works too


study = journaltune.create_study("study.journal", params={"x": "float(-10, 10)"}, seed=1)
study.optimize(lambda trial: (trial.params["x"] - 2) ** 2, n_trials=500, callbacks=[stop_below_1])

*earlier, last = study.trials
assert last.value is not None
assert last.value < 1
assert all(trial.value is not None and trial.value >= 1 for trial in earlier)
