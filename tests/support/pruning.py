"""Random histories with intermediate values, told to Optuna and to us, and what both would stop."""

from __future__ import annotations

import warnings
from math import inf, nan
from random import Random
from typing import Any

import optuna
from optuna.pruners import BasePruner
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from journaltune.journal import replay
from journaltune.journal.state import JournalState
from journaltune.suggest.pruners import decide

START = "2026-01-01T00:00:00+00:00"
CODES = {TrialState.COMPLETE: 1, TrialState.PRUNED: 2, TrialState.FAIL: 3}
CLASSES = {
    "none": optuna.pruners.NopPruner,
    "median": optuna.pruners.MedianPruner,
    "percentile": optuna.pruners.PercentilePruner,
    "halving": optuna.pruners.SuccessiveHalvingPruner,
    "hyperband": optuna.pruners.HyperbandPruner,
    "threshold": optuna.pruners.ThresholdPruner,
    "patient": optuna.pruners.PatientPruner,
    "wilcoxon": optuna.pruners.WilcoxonPruner,
}


def optunas(name: str, options: dict[str, Any]) -> BasePruner:
    """A fresh pruner of Optuna's with these options."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if name != "patient":
            made: BasePruner = CLASSES[name](**options)
            return made
        rest = {key: value for key, value in options.items() if not key.startswith("wrapped")}
        held = options.get("wrapped_pruner")
        wrapped = None if held is None else optunas(held, options.get("wrapped_options", {}))
        return optuna.pruners.PatientPruner(wrapped, **rest)


def random_options(name: str, dice: Random) -> dict[str, Any]:
    """Options as people and careless people give them; some are left out."""
    when = {"n_warmup_steps": dice.choice([0, 1, 3, 7]), "interval_steps": dice.choice([1, 2, 3, 5])}
    startup = {"n_startup_trials": dice.choice([0, 1, 3, 5]), "n_min_trials": dice.choice([1, 2, 4])}
    factor = dice.choice([2, 3, 4])
    by_name: dict[str, dict[str, Any]] = {
        "none": {},
        "median": startup | when,
        "percentile": startup | when,
        "halving": {"reduction_factor": factor, "min_early_stopping_rate": dice.choice([0, 1, 2])},
        "hyperband": {"reduction_factor": factor, "min_resource": dice.choice([1, 2, 3])},
        "threshold": when,
        "patient": {"min_delta": dice.choice([0.0, 0.25])},
        "wilcoxon": {"p_threshold": dice.choice([0.05, 0.1, 0.4, 1.0]), "n_startup_steps": dice.choice([0, 2, 4])},
    }
    options = {key: value for key, value in by_name[name].items() if dice.random() < 0.7}
    if name == "percentile":
        options["percentile"] = dice.choice([0, 10.0, 25, 33.3, 50.0, 75.0, 100.0, dice.uniform(0, 100)])
    if name == "halving" and dice.random() < 0.6:
        options |= {"min_resource": dice.choice([1, 2, 5]), "bootstrap_count": dice.choice([0, 1, 3])}
    if name == "hyperband" and dice.random() < 0.6:
        options |= {"max_resource": dice.choice([1, 4, 9, 27]), "bootstrap_count": dice.choice([0, 0, 2])}
    if name == "threshold":
        bounds = {"lower": -1.0, "upper": dice.choice([1.0, 1.5, 2])}
        options |= dice.choice([bounds, {"lower": -0.5}, {"upper": 0.5}])
    if name == "patient":
        options["patience"] = dice.choice([0, 1, 2, 4])
        if dice.random() < 0.6:
            held = dice.choice([other for other in CLASSES if other not in ("none", "patient", "wilcoxon")])
            options |= {"wrapped_pruner": held, "wrapped_options": random_options(held, dice)}
    return options


def _value(dice: Random, odd: float) -> float:
    if dice.random() < odd:
        return dice.choice([nan, nan, inf, -inf])
    return dice.choice([dice.gauss(0, 1), float(dice.randint(-2, 2)), dice.randint(-2, 2) / 4])


def _steps(dice: Random) -> list[int]:
    """Steps as trainers report them: from 0 or 1 on, with gaps, and in any order now and then."""
    first, last = dice.choice([0, 0, 1]), dice.choice([3, 9, 20])
    steps = [step for step in range(first, last) if dice.random() < dice.choice([0.6, 1.0])]
    if dice.random() < 0.1:
        dice.shuffle(steps)
    return steps


class Twins:
    """One study twice: Optuna's in memory, and ours as a replayed state."""

    def __init__(self, dice: Random) -> None:
        self._dice, self._odd = dice, dice.choice([0.0, 0.0, 0.1, 0.4])
        maximize = dice.random() < 0.5
        name = f"study {dice.randint(0, 99)}"
        self.storage = InMemoryStorage()
        self.study = optuna.create_study(storage=self.storage, study_name=name, direction="maximize" if maximize else "minimize")
        self.journal = JournalState()
        self._apply(op_code=0, study_name=name, directions=[2 if maximize else 1])
        self.state = self.journal.studies[0]
        self.running: list[int] = []

    def _apply(self, **record: Any) -> None:
        replay.apply(self.journal, {"worker_id": "w", **record})

    def add_finished(self) -> None:
        """One more trial that somebody else ran."""
        dice = self._dice
        state = dice.choices(list(CODES), [6, 2, 1])[0]
        reported = {step: _value(dice, self._odd) for step in _steps(dice)} if dice.random() < 0.9 else {}
        value = None if state == TrialState.FAIL else dice.gauss(0, 1)
        rungs = {f"completed_rung_{rung}": dice.gauss(0, 1) for rung in range(dice.choice([0, 1, 2, 3]))}
        trial = create_trial(state=state, value=value, intermediate_values=reported, system_attrs=rungs)
        self.study.add_trial(trial)
        self._apply(
            op_code=4,
            study_id=0,
            state=CODES[state],
            values=None if value is None else [value],
            intermediate_values={str(step): each for step, each in reported.items()},
            system_attrs=rungs,
            datetime_start=START,
            datetime_complete=START,
        )

    def ask(self) -> int:
        self.running.append(self.study.ask().number)
        self._apply(op_code=4, study_id=0, datetime_start=START)
        return self.running[-1]

    def report(self, number: int, step: int) -> None:
        value = _value(self._dice, self._odd)
        self.storage.set_trial_intermediate_value(number, step, value)
        self._apply(op_code=7, trial_id=number, step=step, intermediate_value=value)

    def finish(self, number: int) -> None:
        value = self._dice.gauss(0, 1)
        self.running.remove(number)
        self.study.tell(number, value)
        self._apply(op_code=6, trial_id=number, state=1, values=[value], datetime_complete=START)

    def frozen(self, number: int) -> FrozenTrial:
        return self.storage.get_trial(number)

    def decide(self, name: str, options: dict[str, Any], number: int) -> tuple[bool, bool, str]:
        """What Optuna and we decide for a running trial, and the history for a message."""
        trial = self.state.live[number]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = bool(optunas(name, options).prune(self.study, self.frozen(number)))
        ours, attrs = decide(name, options, trial, self.state)
        for key, value in attrs.items():
            self._apply(op_code=9, trial_id=number, system_attr={key: value})
        assert trial.system_attrs == self.frozen(number).system_attrs
        return theirs, ours, f"{name} {options}, trial {number} with {trial.intermediate}"


def compare(name: str, seed: int) -> int:
    """One history: how often the pruner stopped a trial in it. AssertionError where Optuna decides otherwise."""
    dice = Random(f"{name} {seed}")
    options, twins, stopped = random_options(name, dice), Twins(dice), 0
    for _ in range(dice.choice([0, 1, 3, 8, 15])):
        twins.add_finished()
    ahead = {twins.ask(): _steps(dice) for _ in range(dice.choice([1, 2, 3]))}
    while ahead:
        number = dice.choice(list(ahead))
        if not ahead[number]:
            del ahead[number]
            twins.finish(number)
            continue
        twins.report(number, ahead[number].pop(0))
        for _ in range(dice.choice([1, 1, 1, 2])):  # a trial that goes on after a kill is asked about the same step again
            theirs, ours, history = twins.decide(name, options, number)
            assert ours == theirs, history
            stopped += ours
    return stopped
