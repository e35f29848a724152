"""Whether failures teach: a quarter of the space runs out of memory, and the best values lie right inside it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from benchmarks.bench import measure, say
from benchmarks.problems import Problem
from benchmarks.quality import Ours, Theirs, search
from benchmarks.table import shorter

if TYPE_CHECKING:
    from benchmarks.bench import Bench
    from benchmarks.table import Line

BUDGET = 100
SEEDS = 24
_EDGE, _OPTIMUM = 0.5, 0.7


def _regret(params: dict[str, Any]) -> float:
    """How far above the best value that can be had, at the edge; NaN, which either library takes for a failure, beyond it."""
    x, y = params["x"], params["y"]
    if x > _EDGE and y > _EDGE:
        return math.nan
    return float((x - _OPTIMUM) ** 2 + (y - _OPTIMUM) ** 2 - (_EDGE - _OPTIMUM) ** 2)


PROBLEM = Problem(dict.fromkeys("xy", "float(0, 1)"), _regret)


def failed_and_best(path: str, who: str, budget: int, seeds: int) -> dict[str, list[float]]:
    """Failed trials of every 100, and the best regret, of a search with each seed."""
    found: dict[str, list[float]] = {"failed": [], "best": []}
    for seed in range(seeds):
        told: list[float] = []

        def noted(params: dict[str, Any], told: list[float] = told) -> float:
            told.append(_regret(params))
            return told[-1]

        problem = replace(PROBLEM, regret=noted)
        asking = (Ours if who == "ours" else Theirs)(path, problem, seed)
        found["best"].append(search(problem, asking, budget, 1, seed))
        found["failed"].append(100 * sum(map(math.isnan, told)) / budget)
    return found


def taught(bench: Bench, row: str) -> list[Line]:
    budget, seeds = bench.size(BUDGET, 12), bench.size(SEEDS, 2)
    say(f"{row}, {seeds} seeds")
    ours, peer = (measure("failures", bench.journals.empty(), who, budget, seeds) for who in ("ours", "optuna"))
    return [
        shorter(row, f"failed of 100, {budget} trials", "", ours["failed"], "Optuna", peer["failed"], 2),
        shorter(row, f"best of {budget}", "", ours["best"], "Optuna", peer["best"], 1),
    ]
