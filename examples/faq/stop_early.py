# How do I stop when the result is good enough?
import journaltune


def objective(trial):
    x, y = trial.params["x"], trial.params["y"]
    return (x - 0.3) ** 2 + (y - 0.6) ** 2


params = {"x": "float(0, 1)", "y": "float(0, 1)"}

# At a value that you know, after so many trials that brought nothing better, or once the model expects little of ten more.
for name, rule in (("target", {"target": 0.01}), ("patience", {"patience": 5}), ("gain", {"min_gain": 0.001})):
    study = journaltune.create_study("study.journal", study_name=name, params=params, seed=len(name), **rule)
    study.optimize(objective, n_trials=100)
    assert len(study.trials) < 100
    assert study.best_value < 0.1
assert journaltune.load_study("study.journal", "target").best_value <= 0.01

# By a rule of your own: a callback that says stop.
study = journaltune.create_study("study.journal", study_name="own", params=params, seed=1)
study.optimize(objective, n_trials=100, callbacks=[lambda study, trial: study.stop() if trial.value < 0.05 else None])
assert study.best_value < 0.05
assert len(study.trials) < 100
