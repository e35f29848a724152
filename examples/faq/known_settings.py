# How do I begin with settings that I know?
import journaltune

study = journaltune.create_study("study.journal", params={"lr": "log(1e-5, 1)", "opt": "adam | sgd"}, seed=1)
study.enqueue({"lr": 0.1, "opt": "sgd"})
study.enqueue({"lr": 0.01})  # the sampler adds opt
study.enqueue({"lr": 0.1, "opt": "sgd"}, skip_if_exists=True)  # nothing: it waits already
study.optimize(lambda trial: abs(trial.params["lr"] - 0.01), n_trials=4)

first, second, third, fourth = (trial.params for trial in study.trials)
assert first == {"lr": 0.1, "opt": "sgd"}
assert second["lr"] == 0.01
assert second["opt"] in ("adam", "sgd")
assert 0.1 not in (third["lr"], fourth["lr"])
assert study.best_trial.number == 1

# Names and values are checked at once, not when the trial comes up.
refused = False
try:
    study.enqueue({"lr": 2.0})
except journaltune.JournaltuneError:
    refused = True
assert refused
