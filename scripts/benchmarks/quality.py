"""How good the trials are: our default sampler beside Optuna's, with equal budgets, alone and with 8 asynchronous workers."""

from __future__ import annotations

import heapq
import math
import random
from functools import partial
from statistics import fmean, variance
from typing import TYPE_CHECKING, Any

from benchmarks.bench import measure, say
from benchmarks.problems import PROBLEMS
from benchmarks.table import Bar, Line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.bench import Bench
    from benchmarks.problems import Problem

BUDGET = 100
SEEDS = 24
_TINY = 1e-12  # a regret of 0 has no logarithm


def compared(bench: Bench, row: str, workers: int) -> list[Line]:
    """The best regret after the budget, over seeds; differences in logarithms, so that one bad seed doesn't decide.

    The ratio is the difference of the means in its own standard errors: positive where we are worse. One problem among a dozen
    is off by two of them by chance, so each may be off by three, and all together by two.
    """
    budget, seeds = bench.size(BUDGET, 4), bench.size(SEEDS, 2)
    lines, scores = [], []
    for name in list(PROBLEMS)[: bench.size(len(PROBLEMS), 2)]:
        say(f"{row}, {name}, {seeds} seeds")
        ours, peer = (
            measure("quality", bench.journals.empty(), who, name, budget, workers, seeds)["best"] for who in ("ours", "optuna")
        )
        score = difference(ours, peer)
        scores.append(score)
        lines.append(Line(row, f"{name}, best of {budget}", "", ours, "Optuna", peer, score, Bar("<=", 3, "SE"), "SE"))
    overall = sum(scores) / math.sqrt(len(scores))
    what = f"all {len(scores)} problems together"
    return [*lines, Line(row, what, "problems", [len(scores)], "", (), overall, Bar("<=", 2, "SE"), "SE")]


def difference(ours: Sequence[float], peer: Sequence[float]) -> float:
    """How much larger our values are, on the mean of their logarithms, in standard errors of that difference."""
    a, b = ([math.log10(max(value, _TINY)) for value in values] for values in (ours, peer))
    error = math.sqrt(variance(a) / len(a) + variance(b) / len(b))
    return (fmean(a) - fmean(b)) / error if error else 0.0


def search(problem: Problem, asking: Any, budget: int, workers: int, seed: int) -> float:
    """The best regret of one search. ``workers`` trials run at a time, each for a drawn while, as real trainers do."""
    duration = random.Random(seed).expovariate
    running: list[tuple[float, int, Any]] = []
    best, now, asked = math.inf, 0.0, 0
    while asked < budget or running:
        if asked < budget and len(running) < workers:
            heapq.heappush(running, (now + 1 + duration(1.0), asked, asking.ask()))
            asked += 1
            continue
        now, _, trial = heapq.heappop(running)
        regret = problem.regret(trial.params)
        asking.tell(trial, regret)
        best = min(best, regret)
    return best


class Ours:
    """journaltune's default sampler."""

    def __init__(self, path: str, problem: Problem, seed: int) -> None:
        import journaltune

        self._study = journaltune.create_study(path, study_name=f"{seed}", params=problem.params, seed=seed)
        self.ask = self._study.ask

    def tell(self, trial: Any, value: float) -> None:
        self._study.tell(trial, value)


class Theirs:
    """Optuna's default sampler, in memory."""

    def __init__(self, path: str, problem: Problem, seed: int) -> None:
        import optuna

        from journaltune.space import space_from_params

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        space = space_from_params(problem.params).distributions
        self._space = {name: optuna.distributions.json_to_distribution(known.to_json()) for name, known in space.items()}
        self._study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
        self.tell = self._study.tell
        self.ask = partial(self._study.ask, self._space)


def best_of_seeds(path: str, who: str, name: str, budget: int, workers: int, seeds: int) -> list[float]:
    problem, kind = PROBLEMS[name], Ours if who == "ours" else Theirs
    return [search(problem, kind(path, problem, seed), budget, workers, seed) for seed in range(seeds)]
