# What happens when my objective raises an exception?
import journaltune


def objective(trial: journaltune.AskedTrial) -> float:
    if trial.number % 3 == 2:
        raise ValueError(f"trial {trial.number} has bad data")
    return trial.params["x"]


# The trial fails, and the exception ends the search.
study = journaltune.create_study("study.journal", params={"x": "float(0, 1)"})
try:
    study.optimize(objective, n_trials=6)
except ValueError as error:
    print("ended by:", error)
assert [trial.state.name for trial in study.trials] == ["COMPLETE", "COMPLETE", "FAIL"]

# With catch the trial fails all the same, and the search goes on.
study.optimize(objective, n_trials=6, catch=ValueError)
assert study.counts()["fail"] == 3
assert study.trials[8].user_attrs["fail_message"].endswith("trial 8 has bad data")
