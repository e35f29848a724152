"""An Optuna script in which one line changed: the one that says where the study is stored.

    python examples/optuna/script.py

The file is an ordinary Optuna journal: `optuna-dashboard study.journal` and `journaltune best` read it too.
"""

from __future__ import annotations

import optuna
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.model_selection import cross_val_score

import journaltune

x, y = load_breast_cancer(return_X_y=True)


def objective(trial: optuna.Trial) -> float:
    model = GradientBoostingClassifier(
        learning_rate=trial.suggest_float("learning_rate", 0.01, 1, log=True),
        n_estimators=trial.suggest_int("n_estimators", 5, 40),
        max_depth=trial.suggest_int("max_depth", 1, 4),
        random_state=0,
    )
    return float(cross_val_score(model, x, y, cv=3).mean())


optuna.logging.set_verbosity(optuna.logging.WARNING)
study = optuna.create_study(
    storage=journaltune.storage("study.journal"),  # was: "sqlite:///study.db"
    study_name="cancer",
    direction="maximize",
    sampler=optuna.samplers.TPESampler(seed=1),
    load_if_exists=True,
)
study.optimize(objective, n_trials=15)
print(f"best: {study.best_value:.4f} with {study.best_params}")
