# How do I tune with constraints that only a trial's result shows?
import optuna

import journaltune

study = journaltune.create_study("study.journal", params={"width": "int(1, 64)"}, directions="maximize", sampler="tpe", seed=1)

# A constraint is satisfied at 0 or less. It comes with the result, as many as you like.
for trial in study.trials_iter(25):
    width = trial.params["width"]
    study.tell(trial, width / 64, constraints={"memory": width - 40, "time": 0.1 * width - 5})

# The sampler aims at trials that satisfy all of them, and the best trial is one of these.
assert max(trial.params["width"] for trial in study.trials) > 40
assert 30 < study.best_params["width"] <= 40

# Optuna 5 reads them as its own, and what its trial.set_constraint writes is read here.
theirs = study.to_optuna()
assert theirs.best_trial.constraints == {"memory": study.best_params["width"] - 40, "time": 0.1 * study.best_params["width"] - 5}
trial = theirs.ask({"width": optuna.distributions.IntDistribution(1, 64)})
trial.set_constraint("memory", 1.0)
theirs.tell(trial, 2.0)
assert study.trials[25].constraints == {"memory": 1.0}
assert study.best_value < 1
