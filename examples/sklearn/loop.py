"""A random search over support vector machines. Three lines of journaltune made it a study.

    python examples/sklearn/loop.py

The study is ./study.journal. Started again, the loop runs twenty more trials.
"""

from __future__ import annotations

from sklearn.datasets import load_digits
from sklearn.model_selection import cross_val_score
from sklearn.svm import SVC

import journaltune

x, y = load_digits(return_X_y=True)
x, y = x[:600] / 16, y[:600]

space = {"C": "log(1e-2, 1e3)", "gamma": "log(1e-4, 1)"}
study = journaltune.create_study("study.journal", params=space, directions="maximize", seed=1, exist_ok=True)  # first line
for _ in range(20):
    trial = study.ask()  # second line; it was: params = {"C": 10 ** uniform(-2, 3), "gamma": 10 ** uniform(-4, 0)}
    accuracy = cross_val_score(SVC(**trial.params), x, y, cv=3).mean()
    study.tell(trial, accuracy)  # third line
    print(f"trial {trial.number}: {accuracy:.4f}")

print(f"best: {study.best_value:.4f} with {study.best_params}")
