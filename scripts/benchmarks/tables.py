"""Tables of real trainings: every combination of a grid, trained once by this script and kept in a file.

A search in a table takes no time, and the best value is known. Scikit-learn and XGBoost do the training, on data that come with
the former.
"""

from __future__ import annotations

import itertools
import json
import math
import os
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.bench import say
from benchmarks.problems import digits

if TYPE_CHECKING:
    from collections.abc import Callable

    Values = dict[str, Any]

FOLDER_VARIABLE = "JOURNALTUNE_BENCH_TABLES"


@dataclass(frozen=True, slots=True)
class Table:
    """``params`` in the space grammar; ``grid`` has every value of each; ``train`` gives the loss of one combination, by the
    module ``library``."""

    params: dict[str, str]
    grid: dict[str, list[Any]]
    train: Callable[[Values], float]
    library: str = "sklearn"


def is_missing(name: str) -> bool:
    """Whether this is a table whose library is not installed."""
    return name in TABLES and find_spec(TABLES[name].library) is None


def regret(name: str, params: Values) -> float:
    """How much more than the best of the table a combination loses."""
    table, losses = TABLES[name], _losses(name)
    at = 0
    for key, values in table.grid.items():
        at = at * len(values) + _place(values, params[key])
    return losses[at] - min(losses)


def _place(values: list[Any], value: Any) -> int:
    return values.index(value) if isinstance(value, str) else min(range(len(values)), key=lambda at: abs(values[at] - value))


@cache
def _losses(name: str) -> list[float]:
    """From the file; trained and written there the first time."""
    table = TABLES[name]
    path = _folder() / f"{name}-{import_module(table.library).__version__}.json"
    if not path.exists():
        combinations = [dict(zip(table.grid, values, strict=True)) for values in itertools.product(*table.grid.values())]
        say(f"training the {len(combinations)} models of the table {name}, for {path}")
        losses = [table.train(combination) for combination in combinations]
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(losses), encoding="utf-8")
        partial.replace(path)
    found: list[float] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _folder() -> Path:
    return Path(os.environ.get(FOLDER_VARIABLE) or Path.home() / ".cache" / "journaltune-bench")


def _steps(low: float, high: float, step: float) -> list[float]:
    return [low + step * at for at in range(round((high - low) / step) + 1)]


@cache
def _svm_loss(c: float, gamma: float, kernel: str, degree: int) -> float:
    """Mean hinge loss of the true digit's margin on held-out digits."""
    import numpy as np
    from sklearn.svm import SVC

    x, x_valid, y, y_valid = digits()
    scores = SVC(C=10.0**c, gamma=10.0**gamma, kernel=kernel, degree=degree).fit(x, y).decision_function(x_valid)
    rows = np.arange(len(y_valid))
    true = scores[rows, y_valid].copy()
    scores[rows, y_valid] = -np.inf
    return float(np.maximum(0.0, 1.0 - (true - scores.max(axis=1))).mean())


def _svm(values: Values) -> float:
    degree = values["degree"] if values["kernel"] == "poly" else 3
    return _svm_loss(values["C"], values["gamma"], values["kernel"], degree)


@cache
def _boosting_curve(rate: float, depth: int, subsample: float) -> list[float]:
    """Validation error of gradient boosting on the diabetes data after each tree."""
    from sklearn.datasets import load_diabetes
    from sklearn.ensemble import GradientBoostingRegressor
    from sklearn.model_selection import train_test_split

    x, x_valid, y, y_valid = train_test_split(*load_diabetes(return_X_y=True), test_size=0.4, random_state=0)
    model = GradientBoostingRegressor(
        learning_rate=10.0**rate, n_estimators=65, max_depth=depth, subsample=min(subsample, 1.0), random_state=0
    )
    return [math.sqrt(((found - y_valid) ** 2).mean()) for found in model.fit(x, y).staged_predict(x_valid)]


def _boosting(values: Values) -> float:
    n_trees: int = values["trees"]
    return _boosting_curve(values["rate"], values["depth"], values["subsample"])[n_trees - 1]


def _net(values: Values) -> float:
    """The least log loss of a small net on held-out digits, over eight passes."""
    import numpy as np
    from sklearn.metrics import log_loss
    from sklearn.neural_network import MLPClassifier

    x, x_valid, y, y_valid = digits()
    net = MLPClassifier(
        (2 ** values["width"],),
        learning_rate_init=10.0 ** values["rate"],
        batch_size=2 ** values["batch"],
        alpha=10.0 ** values["alpha"],
        activation=values["act"],
        random_state=0,
    )
    losses: list[float] = []
    for _ in range(8):
        net.partial_fit(x, y, classes=np.arange(10))
        losses.append(float(log_loss(y_valid, np.clip(net.predict_proba(x_valid), 1e-9, 1.0), labels=np.arange(10))))
    least: float = min(losses)
    return least


def _trees(values: Values) -> float:
    """Log loss of histogram boosting on held-out rows of the breast cancer data."""
    from sklearn.datasets import load_breast_cancer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import log_loss
    from sklearn.model_selection import train_test_split

    x, x_valid, y, y_valid = train_test_split(*load_breast_cancer(return_X_y=True), test_size=0.5, random_state=0)
    model = HistGradientBoostingClassifier(
        learning_rate=10.0 ** values["rate"],
        max_leaf_nodes=2 ** values["leaves"],
        l2_regularization=10.0 ** values["l2"],
        min_samples_leaf=2 ** values["least"],
        max_iter=40,
        random_state=0,
    )
    return float(log_loss(y_valid, model.fit(x, y).predict_proba(x_valid)))


def _xgboost(values: Values) -> float:
    """Log loss of XGBoost on held-out digits: whether they are odd."""
    from sklearn.metrics import log_loss
    from xgboost import XGBClassifier

    x, x_valid, y, y_valid = digits()
    model = XGBClassifier(
        n_estimators=40,
        learning_rate=10.0 ** values["eta"],
        max_depth=values["depth"],
        subsample=values["subsample"],
        min_child_weight=2 ** values["child"],
        reg_lambda=10.0 ** values["lambda"],
        n_jobs=1,
        random_state=0,
    )
    return float(log_loss(y_valid % 2, model.fit(x, y % 2).predict_proba(x_valid)))


TABLES = {
    "svm-table": Table(
        {
            "C": "float(-3, 3, step=0.5)",
            "gamma": "float(-5, 1, step=0.5)",
            "kernel": "rbf | poly | sigmoid",
            "degree": "int(2, 5)",
        },
        {
            "C": _steps(-3, 3, 0.5),
            "gamma": _steps(-5, 1, 0.5),
            "kernel": ["rbf", "poly", "sigmoid"],
            "degree": [2, 3, 4, 5],
        },
        _svm,
    ),
    "boosting-table": Table(
        {"rate": "float(-3, 0, step=0.25)", "trees": "int(5, 65)", "depth": "int(1, 6)", "subsample": "float(0.3, 1, step=0.1)"},
        {
            "rate": _steps(-3, 0, 0.25),
            "trees": list(range(5, 66)),
            "depth": list(range(1, 7)),
            "subsample": _steps(0.3, 1.0, 0.1),
        },
        _boosting,
    ),
    "net-table": Table(
        {
            "rate": "float(-4, -1, step=0.5)",
            "width": "int(3, 7)",
            "batch": "int(4, 8)",
            "alpha": "float(-4, 0, step=2)",
            "act": "relu | tanh",
        },
        {
            "rate": _steps(-4, -1, 0.5),
            "width": list(range(3, 8)),
            "batch": list(range(4, 9)),
            "alpha": [-4.0, -2.0, 0.0],
            "act": ["relu", "tanh"],
        },
        _net,
    ),
    "trees-table": Table(
        {"rate": "float(-2, 0, step=0.25)", "leaves": "int(1, 6)", "l2": "float(-3, 2, step=1)", "least": "int(0, 5)"},
        {
            "rate": _steps(-2, 0, 0.25),
            "leaves": list(range(1, 7)),
            "l2": _steps(-3, 2, 1),
            "least": list(range(6)),
        },
        _trees,
    ),
    "xgboost-table": Table(
        {
            "eta": "float(-2, 0, step=0.25)",
            "depth": "int(1, 8)",
            "subsample": "float(0.4, 1, step=0.2)",
            "child": "int(0, 3)",
            "lambda": "float(-2, 2, step=2)",
        },
        {
            "eta": _steps(-2, 0, 0.25),
            "depth": list(range(1, 9)),
            "subsample": _steps(0.4, 1.0, 0.2),
            "child": list(range(4)),
            "lambda": _steps(-2, 2, 2),
        },
        _xgboost,
        "xgboost",
    ),
}
