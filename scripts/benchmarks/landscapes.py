"""What ``scripts/bench --quality`` searches in: problems by kind, each with a regret of 0 at its optimum."""

from __future__ import annotations

import math
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from benchmarks import tables
from benchmarks.conditional import CONDITIONAL
from benchmarks.problems import PROBLEMS, Problem, box

if TYPE_CHECKING:
    from collections.abc import Callable


def _ellipsoid(params: dict[str, Any]) -> float:
    """Curvatures that differ by a factor of 1000, off the centre."""
    last = len(params) - 1
    return float(sum(1000 ** (at / last) * (value - 0.3 * math.cos(at)) ** 2 for at, value in enumerate(params.values())))


def _few_matter(params: dict[str, Any]) -> float:
    """Of many parameters, three decide and the others hardly do."""
    x = list(params.values())
    rest: float = 1e-3 * sum((v - 0.5) ** 2 for v in x) / len(x)
    return rest + float((x[3] - 0.7) ** 2 + 2 * (x[11] - 0.2) ** 2 + (x[20] - x[3]) ** 2)


def _levy(params: dict[str, Any]) -> float:
    """Surjanovic and Bingham, "Levy function", moved off the centre of its box."""
    w = [1 + (value - 2.2 - 1) / 4 for value in params.values()]
    middle = sum((v - 1) ** 2 * (1 + 10 * math.sin(math.pi * v + 1) ** 2) for v in w[:-1])
    last = (w[-1] - 1) ** 2 * (1 + math.sin(2 * math.pi * w[-1]) ** 2)
    return float(math.sin(math.pi * w[0]) ** 2 + middle + last)


def _integers(params: dict[str, Any]) -> float:
    """Integers, steps, a logarithm and a category that shifts where the best width lies."""
    depth: float = (params["depth"] - 6) ** 2 / 10 + 4 * (params["drop"] - 0.25) ** 2
    best = {"adam": 2.3, "sgd": 1.9, "lamb": 2.6}[params["opt"]]
    width: float = (math.log10(params["width"]) - best) ** 2
    rate: float = (math.log10(params["rate"]) + 3 - 0.2 * (params["depth"] - 6)) ** 2 / 3
    return depth + width + rate + {"adam": 0.0, "sgd": 0.15, "lamb": 0.3}[params["opt"]]


_LETTERS = "abcdef"
_FIVE = {f"c{at}": " | ".join(_LETTERS[:count]) for at, count in enumerate((6, 4, 5, 3, 6))}


def _five_categories(params: dict[str, Any]) -> float:
    """Effects of each category and of each pair of neighbours; the least of all combinations is 0."""
    return _raw_categories([_LETTERS.index(value) for value in params.values()]) - _LEAST


def _raw_categories(codes: list[int]) -> float:
    single = sum(math.sin(1.7 * code + 2.9 * at) for at, code in enumerate(codes))
    return single + 0.6 * sum(math.cos(2.3 * a * b + 1.1 * at) for at, (a, b) in enumerate(pairwise(codes)))


_LEAST = min(
    _raw_categories([a, b, c, d, e]) for a in range(6) for b in range(4) for c in range(5) for d in range(3) for e in range(6)
)


def _plateau(params: dict[str, Any]) -> float:
    """A bowl in terraces: most small changes change nothing."""
    return float(sum(math.floor(20 * abs(value - 0.63)) / 20 for value in params.values()))


def _outliers(params: dict[str, Any]) -> float:
    """Branin, but one corner diverges."""
    diverges = params["a"] > 6 and params["b"] > 8
    return 1e30 if diverges else _branin(params)


def _failing(fails: Callable[..., bool], optimum: tuple[float, ...], edge: float, params: dict[str, Any]) -> float:
    x = list(params.values())
    return math.nan if fails(*x) else sum((v - best) ** 2 for v, best in zip(x, optimum, strict=True)) - edge


def _fails_by_category(params: dict[str, Any]) -> float:
    """The optimizer that promises most fails with large rates."""
    rate = math.log10(params["rate"])
    if params["opt"] == "fast" and rate > -2.5:
        return math.nan
    gain = {"fast": 0.0, "plain": 0.3, "slow": 0.5}[params["opt"]]
    best = -2.2 if params["opt"] == "fast" else -3.0
    return float(gain + (rate - best) ** 2 / 4 + (params["x"] - 0.4) ** 2 - 0.0225)


_branin = PROBLEMS["branin"].regret
_SQUARE = dict.fromkeys("xy", "float(0, 1)")
_CORNER = partial(_failing, lambda x, y: x > 0.5 and y > 0.5, (0.7, 0.7), 0.04)
_DIAGONAL = partial(_failing, lambda x, y: x + y > 1.0, (0.7, 0.6), 0.045)
_FIVE_FLOATS = partial(_failing, lambda *x: sum(x) > 2.8, (0.4, 0.5, 0.6, 0.5, 0.6), 0.0)

LANDSCAPES: dict[str, dict[str, Problem]] = {
    "smooth": {
        **{name: PROBLEMS[name] for name in ("branin", "hartmann-6", "rosenbrock-5", "ackley-5")},
        "ellipsoid-15": Problem(box(15, -1, 1), _ellipsoid),
    },
    "many local optima": {
        "rastrigin-5": PROBLEMS["rastrigin-5"],
        "levy-4": Problem(box(4, -10, 10), _levy),
        "styblinski-5": PROBLEMS["styblinski-5"],
    },
    "many parameters": {"few-matter-30": Problem(box(30, 0, 1), _few_matter)},
    "mixed": {
        "mixed": PROBLEMS["mixed"],
        "integers": Problem(
            {
                "depth": "int(1, 12)",
                "width": "int(8, 2048, log)",
                "rate": "log(1e-6, 1)",
                "drop": "float(0, 0.8, step=0.05)",
                "opt": "adam | sgd | lamb",
            },
            _integers,
        ),
    },
    "categories": {"categories-5": Problem(_FIVE, _five_categories)},
    "noisy": {
        "noisy-branin": Problem(PROBLEMS["branin"].params, _branin, noise=5.0),
        "noisy-hartmann-6": Problem(PROBLEMS["hartmann-6"].params, PROBLEMS["hartmann-6"].regret, noise=0.2),
    },
    "plateaus and outliers": {
        "plateau-4": Problem(box(4, 0, 1), _plateau),
        "outliers": Problem(PROBLEMS["branin"].params, _outliers),
    },
    "failing": {
        "fails-corner": Problem(_SQUARE, _CORNER),
        "fails-diagonal": Problem(_SQUARE, _DIAGONAL),
        "fails-5": Problem(box(5, 0, 1), _FIVE_FLOATS),
        "fails-category": Problem({"rate": "log(1e-5, 1)", "x": "float(0, 1)", "opt": "slow | plain | fast"}, _fails_by_category),
    },
    "conditional": CONDITIONAL,
    "tables of trainings": {name: Problem(table.params, partial(tables.regret, name)) for name, table in tables.TABLES.items()},
}
ALL = {name: problem for problems in LANDSCAPES.values() for name, problem in problems.items()}
