# How do I keep parameters apart that can't go together?
import journaltune

# batch divides samples, whatever the sampler: a suggestion that breaks a require is never handed out.
study = journaltune.create_study(
    "study.journal",
    params={
        "samples": "int(64, 4096, step=64)",
        "batch": "int(16, 512, step=16)",
        "opt": "adam | sgd",
        "decay": "log(1e-6, 1) if opt == sgd",
    },
    require=["samples % batch == 0", "batch < samples"],
    seed=1,
)
study.optimize(lambda trial: trial.params["samples"] / trial.params["batch"], n_trials=30)

for trial in study.trials:
    assert trial.params["samples"] % trial.params["batch"] == 0
    assert trial.params["batch"] < trial.params["samples"]
    assert ("decay" in trial.params) == (trial.params["opt"] == "sgd")
assert study.best_value == 2

refused = False
try:
    study.enqueue({"samples": 64, "batch": 64})
except journaltune.JournaltuneError:
    refused = True
assert refused
