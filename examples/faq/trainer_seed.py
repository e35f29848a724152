# How do I seed my trainer?
import random

import journaltune


def train(trial: journaltune.AskedTrial) -> float:
    # Seeds Python, and NumPy, PyTorch and TensorFlow where they are imported. A shell loop has $JT_SEED.
    journaltune.seed_everything(trial.seed)
    return trial.params["x"] ** 2 + random.gauss(0, 0.1)


def search(path: str) -> list[float | None]:
    study = journaltune.create_study(path, params={"x": "float(-1, 1)"}, seed=7)
    study.optimize(train, n_trials=10)
    return [trial.value for trial in study.trials]


# The seed comes from the study's seed and the trial's number: the noise is the same again, and differs from trial to trial.
assert search("first.journal") == search("again.journal")
study = journaltune.load_study("again.journal")
assert len({study.ask().seed for _ in range(5)}) == 5
