# How do I save the models that my objective trains?
import pickle
from pathlib import Path

from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import journaltune

x, y = load_breast_cancer(return_X_y=True)


def model_of(number: int) -> Path:
    return Path(f"model-{number}.pickle")


def objective(trial: journaltune.AskedTrial) -> float:
    model = make_pipeline(StandardScaler(), LogisticRegression(C=trial.params["C"])).fit(x[:400], y[:400])
    model_of(trial.number).write_bytes(pickle.dumps(model))  # first the model, then the result
    return float(model.score(x[400:], y[400:]))


def keep_the_best(study: journaltune.Study, trial: journaltune.Trial) -> None:
    for path in Path().glob("model-*.pickle"):
        if path != model_of(study.best_trial.number):
            path.unlink()


study = journaltune.create_study("study.journal", params={"C": "log(1e-4, 1e2)"}, directions="maximize", seed=1)
study.optimize(objective, n_trials=10, callbacks=[keep_the_best])

(path,) = Path().glob("model-*.pickle")
assert path == model_of(study.best_trial.number)
assert pickle.loads(path.read_bytes()).score(x[400:], y[400:]) == study.best_value
