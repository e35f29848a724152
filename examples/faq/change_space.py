# What happens when I change the search space of a study?
import journaltune

study = journaltune.create_study("study.journal", params={"lr": "log(1e-5, 1)", "momentum": "float(0, 0.99)"}, seed=1)
study.optimize(lambda trial: trial.params["lr"], n_trials=12)

# exist_ok changes and adds the parameters that it names, drop takes one out. Earlier trials stay, and the sampler learns from
# what they have of the parameters.
narrower = {"lr": "log(1e-3, 1e-2)", "layers": "int(1, 8)"}
study = journaltune.create_study("study.journal", params=narrower, drop=["momentum"], exist_ok=True)
study.optimize(lambda trial: trial.params["lr"] * trial.params["layers"], n_trials=4)

assert all(set(trial.params) == {"lr", "momentum"} for trial in study.trials[:12])
assert all(set(trial.params) == {"lr", "layers"} and 1e-3 <= trial.params["lr"] <= 1e-2 for trial in study.trials[12:])
assert study.verify().difference is None  # each trial by the space that it was asked with

# A parameter's kind and scale can't change: earlier trials would mean something else.
code = 0
try:
    journaltune.create_study("study.journal", params={"lr": "float(0, 1)"}, exist_ok=True)
except journaltune.JournaltuneError as error:
    code = error.exit_code
assert code == 4
