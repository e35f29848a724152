"""What the quality rows search in: test functions with known optima, and models tuned on real data.

Functions as in Surjanovic and Bingham, "Virtual Library of Simulation Experiments". Each is moved off the centre of its box by
an offset, because samplers that favour the centre would win there for no good reason.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True, slots=True)
class Problem:
    """``params`` in the space grammar; ``regret`` is what is minimised, 0 at the optimum of a function; NaN: the trial fails.

    ``noise`` is the standard deviation of what is told around it.
    """

    params: dict[str, str]
    regret: Callable[[dict[str, Any]], float]
    noise: float = 0.0


def box(width: int, low: float, high: float) -> dict[str, str]:
    return {f"x{index}": f"float({low}, {high})" for index in range(width)}


def _of(function: Callable[[Sequence[float]], float], optimum: float, offset: float) -> Callable[[dict[str, Any]], float]:
    return lambda params: function([value - offset for value in params.values()]) - optimum


def _sphere(x: Sequence[float]) -> float:
    return sum(v * v for v in x)


def _rosenbrock(x: Sequence[float]) -> float:
    return sum(100 * (b - a * a) ** 2 + (1 - a) ** 2 for a, b in pairwise(x))


def _rastrigin(x: Sequence[float]) -> float:
    return sum(v * v - 10 * math.cos(2 * math.pi * v) + 10 for v in x)


def _ackley(x: Sequence[float]) -> float:
    n = len(x)
    waves = sum(math.cos(2 * math.pi * v) for v in x) / n
    return -20 * math.exp(-0.2 * math.sqrt(_sphere(x) / n)) - math.exp(waves) + 20 + math.e


def _griewank(x: Sequence[float]) -> float:
    return _sphere(x) / 4000 - math.prod(math.cos(v / math.sqrt(i)) for i, v in enumerate(x, 1)) + 1


def _styblinski_tang(x: Sequence[float]) -> float:
    return sum(v**4 - 16 * v * v + 5 * v for v in x) / 2


def _branin(x: Sequence[float]) -> float:
    a, b = x
    return (b - 5.1 / (4 * math.pi**2) * a * a + 5 / math.pi * a - 6) ** 2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(a) + 10


_HARTMANN_A = ((10, 3, 17, 3.5, 1.7, 8), (0.05, 10, 17, 0.1, 8, 14), (3, 3.5, 1.7, 10, 17, 8), (17, 8, 0.05, 10, 0.1, 14))
_HARTMANN_P = (
    (0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886),
    (0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991),
    (0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650),
    (0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381),
)


def _hartmann6(x: Sequence[float]) -> float:
    weighted = zip((1.0, 1.2, 3.0, 3.2), _HARTMANN_A, _HARTMANN_P, strict=True)
    return -sum(c * math.exp(-sum(a * (v - p) ** 2 for v, a, p in zip(x, row, at, strict=True))) for c, row, at in weighted)


def _mixed(params: dict[str, Any]) -> float:
    """A logarithmic scale, integers, and categories of which one changes what the others mean."""
    rate: float = (math.log10(params["rate"]) + 2.5) ** 2
    layers: float = (params["layers"] - 5) ** 2 / 8
    return rate * (1 if params["opt"] == "adam" else 2) + layers + {"relu": 0.0, "gelu": 0.1, "tanh": 0.8}[params["act"]]


@cache
def digits() -> Any:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    x, y = load_digits(return_X_y=True)
    return train_test_split(x[:700] / 16.0, y[:700], test_size=0.4, random_state=0)


def _svm(params: dict[str, Any]) -> float:
    """Validation loss of a support vector machine on 700 handwritten digits: the mean hinge loss of the true digit's margin.

    The error alone would do for a model, but not to compare samplers: it has few values, and both soon reach the best one.
    """
    import numpy as np
    from sklearn.svm import SVC

    x, x_valid, y, y_valid = digits()
    found = SVC(C=params["C"], gamma=params["gamma"], kernel=params["kernel"], degree=params["degree"]).fit(x, y)
    scores = found.decision_function(x_valid)
    rows = np.arange(len(y_valid))
    true = scores[rows, y_valid].copy()
    scores[rows, y_valid] = -np.inf
    return float(np.maximum(0.0, 1.0 - (true - scores.max(axis=1))).mean())


@cache
def _diabetes() -> Any:
    from sklearn.datasets import load_diabetes
    from sklearn.model_selection import train_test_split

    return train_test_split(*load_diabetes(return_X_y=True), test_size=0.4, random_state=0)


def _boosting(params: dict[str, Any]) -> float:
    """Validation error (root mean square, of a target with a standard deviation of 77) of gradient boosting on diabetes."""
    from sklearn.ensemble import GradientBoostingRegressor

    x, x_valid, y, y_valid = _diabetes()
    model = GradientBoostingRegressor(**params, random_state=0).fit(x, y)
    return float(math.sqrt(((model.predict(x_valid) - y_valid) ** 2).mean()))


PROBLEMS = {
    "sphere-5": Problem(box(5, -5, 5), _of(_sphere, 0, 0.7)),
    "rosenbrock-5": Problem(box(5, -2, 2), _of(_rosenbrock, 0, -0.2)),
    "rastrigin-5": Problem(box(5, -5.12, 5.12), _of(_rastrigin, 0, 0.7)),
    "ackley-5": Problem(box(5, -20, 20), _of(_ackley, 0, 3.1)),
    "griewank-5": Problem(box(5, -60, 60), _of(_griewank, 0, 7.7)),
    "styblinski-5": Problem(box(5, -5, 5), _of(_styblinski_tang, -39.16616570377142 * 5, 0.3)),
    "branin": Problem({"a": "float(-5, 10)", "b": "float(0, 15)"}, _of(_branin, 0.39788735772973816, 0.0)),
    "hartmann-6": Problem(box(6, 0, 1), _of(_hartmann6, -3.32236801141551, 0.0)),
    "mixed": Problem(
        {"rate": "log(1e-5, 1)", "layers": "int(1, 16)", "opt": "sgd | adam | rms", "act": "relu | tanh | gelu"}, _mixed
    ),
    "svm-digits": Problem(
        {"C": "log(1e-3, 1e3)", "gamma": "log(1e-5, 10)", "kernel": "rbf | poly | sigmoid", "degree": "int(2, 5)"}, _svm
    ),
    "boosting-diabetes": Problem(
        {
            "learning_rate": "log(1e-3, 1)",
            "n_estimators": "int(5, 60)",
            "max_depth": "int(1, 6)",
            "subsample": "float(0.3, 1)",
            "min_samples_leaf": "int(1, 40, log)",
        },
        _boosting,
    ),
}
