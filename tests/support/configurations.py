"""Every sampler in the ways in which a study may use it, and results of every kind, for tests that run all of them."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from journaltune import create_study
from journaltune.api.study import Study

SPACE = {
    "lr": "log(1e-5, 1e-1)",
    "x": "float(-1, 1)",
    "rate": "float(0, 1, step=0.1)",
    "layers": "int(1, 8)",
    "width": "int(16, 512, log)",
    "even": "int(0, 10, step=2)",
    "opt": "adam | sgd | 1 | true",
    "only": "choice(fixed)",
}
FINITE = {"x": "float(0, 1, step=0.1)", "even": "int(0, 10, step=2)", "opt": "adam | sgd | 1 | true"}
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "auto": {"sampler": "auto"},
    "auto-ignore": {"sampler": "auto", "failures": "ignore", "directions": "maximize", "params": FINITE},
    "auto-multi": {"sampler": "auto", "directions": ["minimize", "maximize"]},
    "gp": {"sampler": "gp", "params": {"x": "float(0, 1)", "even": "int(0, 10, step=2)", "opt": "adam | sgd | 1"}},
    "tpe": {"sampler": "tpe", "sampler_options": {"n_startup_trials": 4}},
    "tpe-ignore": {"sampler": "tpe", "sampler_options": {"n_startup_trials": 4}, "failures": "ignore", "directions": "maximize"},
    "tpe-multi": {"sampler": "tpe", "sampler_options": {"n_startup_trials": 4}, "directions": ["minimize", "maximize"]},
    "random": {"sampler": "random"},
    "optuna-tpe": {"sampler": "optuna.TPESampler", "sampler_options": {"n_startup_trials": 4}},
    "optuna-tpe-joint": {
        "sampler": "optuna.TPESampler",
        "sampler_options": {"n_startup_trials": 4, "multivariate": True},
        "failures": "ignore",
    },
    "optuna-tpe-multi": {
        "sampler": "optuna.TPESampler",
        "sampler_options": {"n_startup_trials": 4},
        "directions": ["minimize", "maximize"],
    },
    "optuna-random": {"sampler": "optuna.RandomSampler"},
    "nsgaii": {"sampler": "nsgaii", "sampler_options": {"population_size": 3}},
    "nsgaii-multi": {
        "sampler": "nsgaii",
        "sampler_options": {"population_size": 3},
        "directions": ["minimize", "maximize"],
    },
    "optuna-nsgaii": {
        "sampler": "optuna.NSGAIISampler",
        "sampler_options": {"population_size": 3},
        "directions": ["minimize", "maximize"],
    },
    "nsgaiii": {
        "sampler": "nsgaiii",
        "sampler_options": {"population_size": 3},
        "directions": ["minimize", "maximize"],
    },
    "grid": {"sampler": "grid", "params": FINITE},
    "grid-named": {
        "sampler": "grid",
        "params": {"x": "float(0, 1)", "opt": "adam | sgd | 1"},
        "sampler_options": {"search_space": {"x": [0.5, 0.1, 1 / 3, 0.25, 0.7, 0.9], "opt": ["sgd", 1, "adam"]}},
    },
    "bruteforce": {"sampler": "bruteforce", "params": FINITE, "failures": "ignore"},
    "module": {"sampler": "optuna.samplers:TPESampler", "sampler_options": {"n_startup_trials": 4}},
}
if find_spec("scipy"):
    CONFIGURATIONS |= {
        "qmc": {"sampler": "qmc"},
        "qmc-halton": {"sampler": "qmc", "sampler_options": {"qmc_type": "halton", "scramble": True}},
    }
if find_spec("cmaes"):
    CONFIGURATIONS |= {
        "cmaes": {"sampler": "cmaes", "sampler_options": {"popsize": 4}},
        "cmaes-margin": {"sampler": "cmaes", "sampler_options": {"popsize": 4, "with_margin": True}, "directions": "maximize"},
        "cmaes-separable": {"sampler": "cmaes", "sampler_options": {"popsize": 4, "use_separable_cma": True}},
    }


def outcome(number: int, n_objectives: int) -> dict[str, Any]:
    """Results of every kind, the same for the same number."""
    if number % 7 == 5:
        return {"state": "fail", "reason": "oom"}
    if number % 9 == 8:
        return {"state": "fail", "reason": "interrupted"}
    if number % 8 == 2:
        return {"state": "pruned"}
    if number == 12:
        return {"values": [float("inf")] * n_objectives}
    return {"values": [((number + 3 * objective) * 37 % 17) / 7 for objective in range(n_objectives)]}


def make(path: Path, configuration: dict[str, Any]) -> Study:
    return create_study(path, **{"params": SPACE, "seed": 7, **configuration})
