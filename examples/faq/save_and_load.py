# How do I save a study, and go on with it another day?
import journaltune


def search(n_trials: int) -> int:
    """What a script does each time that it is started."""
    study = journaltune.create_study("study.journal", params={"x": "float(-10, 10)"}, seed=1, exist_ok=True)
    study.optimize(lambda trial: (trial.params["x"] - 2) ** 2, total_trials=n_trials)  # total: with those that are there
    return len(study.trials)


# Nothing needs to be saved: each result is on the disk before tell returns.
assert search(10) == 10
assert search(10) == 10
assert search(25) == 25

study = journaltune.load_study("study.journal")
assert study.counts()["complete"] == 25
assert study.best_value == min(trial.value for trial in study.trials if trial.value is not None)
