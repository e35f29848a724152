"""A study that has everything a copy must keep, and what is compared of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import optuna

import journaltune

if TYPE_CHECKING:
    from pathlib import Path

    from optuna.storages import BaseStorage

PARAMS = {
    "x": "float(-1, 1)",
    "lr": "log(1e-5, 1e-1)",
    "n": "int(1, 9)",
    "opt": "adam | sgd",
    "momentum": "float(0, 0.99) if opt == sgd",
    "any": 'choice(1, 1.5, "1", true, null)',
}


def write_rich_study(path: Path) -> None:
    """Trials in every state, with infinities, attributes of every kind, constraints, and settings that are not the defaults."""
    study = journaltune.create_study(
        path, study_name="rich", params=PARAMS, sampler="tpe", seed=5, direction="maximize", metric_names=["score"], attempts=7
    )
    study.set_user_attr("note", {"täg": [1, None, True, 2.5], "ü": "\u2028"})
    for number in range(12):
        trial = study.ask()
        trial.report(0.5 + number, 1)
        trial.report(float("inf") if number % 2 else float("nan"), 2**31 - 1)
        study.tell(trial, number / 7, constraints={"memory": -0.1 * number}, attrs={"host": "a\"'b", "big": 2**62, "f": 1e-320})
    for state in ("fail", "pruned"):
        study.tell(study.ask(), state=state)
    study.tell(study.ask(), float("-inf"))
    study.enqueue({"x": 0.25})
    study.ask()
    study.enqueue({"x": 0.5, "opt": "sgd"})
    study.close()


def facts(storage: BaseStorage, name: str = "rich") -> dict[str, Any]:
    """Everything that Optuna knows of a study, NaN spelled so that it equals itself."""
    study = optuna.load_study(study_name=name, storage=storage)
    trials = [{key.lstrip("_"): value for key, value in vars(trial).items()} for trial in study.trials]
    for trial in trials:
        del trial["trial_id"]
    attrs = {
        key: value for key, value in storage.get_study_system_attrs(study._study_id).items() if not key.startswith("journaltune:")
    }
    parts: dict[str, Any] = {"directions": study.directions, "user": study.user_attrs, "system": attrs, "trials": trials}
    for trial in trials:
        trial["intermediate_values"] = {step: repr(value) for step, value in trial["intermediate_values"].items()}
    return parts
