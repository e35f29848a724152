# How do I stop when the result is good enough?
import journaltune

study = journaltune.create_study("study.journal", params={"x": "float(-10, 10)"}, seed=1, target=0.999)
study.optimize(lambda trial: (trial.params["x"] - 2) ** 2, n_trials=500)

*earlier, last = study.trials
assert last.value is not None
assert last.value < 1
assert all(trial.value is not None and trial.value >= 0.999 for trial in earlier)

# By a rule of one's own: a callback that stops; optuna.study.MaxTrialsCallback works too.
journaltune.create_study("study.journal", exist_ok=True, target=0.0)
study.optimize(lambda trial: trial.params["x"], n_trials=9, callbacks=[lambda study, trial: study.stop()])
assert len(study.trials) == len(earlier) + 2
