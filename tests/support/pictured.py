"""Studies that are drawn: every kind of parameter, every state, and names that a page must show as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import journaltune

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE_CATEGORY = "</script><script>window.hacked=1</script>"
HOSTILE_NAME = "<img src=x onerror=window.hacked=2>"
HOSTILE_OBJECTIVE = "<b>loss</b>"
HOSTILE_ATTR = "<i onmouseover=window.hacked=3>note"

PARAMS = {
    "lr": "log(1e-5, 1e-1)",
    "opt": ["adam", "sgd", HOSTILE_CATEGORY],
    "momentum": "float(0, 0.99) if opt == sgd",
    "size": "ordered(16, 32, 64)",
    "layers": "choice(tiny=[64], small=[64, 64])",
    "order": "permutation(a, b, c)",
    "mix": "simplex(x, y)",
    "width": "lognormal(0, 1)",
    "double": "= size * 2",
    HOSTILE_NAME: "int(1, 8)",
    "cost$_a$": "float(0, 1)",
}


def make_rich(folder: Path) -> str:
    """36 finished trials, each fourth one not complete, some infeasible; two running ones. Minimized: ``lr`` near 0.01."""
    path = str(folder / "rich.journal")
    study = journaltune.create_study(path, params=PARAMS, metric_names=[HOSTILE_OBJECTIVE], seed=1, sampler="random")
    for _ in range(36):
        trial = study.ask()
        value = abs(trial.params["lr"] - 0.01) * 10 + trial.params["mix"]["x"]
        for step in range(3):
            trial.report(value + 1 / (step + 1), step)
        if trial.number % 8 == 3:
            study.tell(trial, state="fail", reason="oom")
        elif trial.number % 8 == 7:
            study.tell(trial, state="pruned")
        else:
            broken = 1.0 if trial.number % 6 == 2 else -1.0
            study.tell(trial, value, constraints={"memory": broken}, attrs={HOSTILE_ATTR: HOSTILE_CATEGORY})
    study.ask()
    study.ask()
    return path


def make_pareto(folder: Path) -> str:
    path = str(folder / "pareto.journal")
    params = {"x": "float(0, 1)", "y": "float(0, 1)"}
    study = journaltune.create_study(
        path, params=params, directions=["minimize", "maximize"], metric_names=["loss", "accuracy"], seed=1, sampler="random"
    )
    for _ in range(12):
        trial = study.ask()
        x, y = trial.params["x"], trial.params["y"]
        study.tell(trial, values=[x + y, 1 - (x - 0.7) ** 2])
    return path


def make_replicates(folder: Path) -> str:
    """Five configurations, each told 1, 2 and 3 more than ten times its place."""
    path = str(folder / "replicates.journal")
    study = journaltune.create_study(path, params={"x": "float(0, 1)", "y": "int(1, 9)"}, replicates=3, seed=1, sampler="random")
    for number in range(15):
        study.tell(study.ask(), 10 * (number // 3) + number % 3 + 1)
    return path
