"""A support vector machine: which parameters it has depends on the kernel, so that no trial is spent on one that does nothing.

    python examples/sklearn/svm.py

The study is ./study.journal. Started again, it goes on with twenty more trials.
"""

from __future__ import annotations

from sklearn.datasets import load_digits
from sklearn.model_selection import cross_val_score
from sklearn.svm import SVC

import journaltune

x, y = load_digits(return_X_y=True)
x, y = x[:600] / 16, y[:600]

space = {
    "C": "log(1e-2, 1e3)",
    "kernel": "linear | rbf | poly",
    "gamma": "log(1e-4, 1) if kernel in [rbf, poly]",
    "degree": "int(2, 5) if kernel == poly",
    "coef0": "float(0, 1) if kernel == poly",
}


def accuracy(trial: journaltune.Trial) -> float:
    # trial.params has just those that this kernel has: the others keep scikit-learn's defaults.
    return float(cross_val_score(SVC(**trial.params), x, y, cv=3).mean())


study = journaltune.create_study("study.journal", params=space, directions="maximize", seed=1, exist_ok=True)
study.optimize(accuracy, n_trials=20)
print(f"best: {study.best_value:.4f} with {study.best_params}")
