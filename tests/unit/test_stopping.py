"""Stop rules: when ask says that a study is done, and that the answer is the same for everybody."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from journaltune import UsageError, create_study, load_study
from journaltune.api.study import Study
from journaltune.base.errors import ExhaustedError


def make(path: Path, **rules: Any) -> Study:
    return create_study(path, **{"params": {"x": "float(0, 1)"}, "sampler": "random", "seed": 1, "study_name": "s", **rules})


def tell_all(study: Study, values: list[float | None]) -> None:
    for value in values:
        study.tell(study.ask(), value) if value is not None else study.tell(study.ask(), state="fail", reason="exit")


@pytest.mark.parametrize(("direction", "values", "last"), [("minimize", [0.9, 0.6], 0.5), ("maximize", [-0.9, 0.2], 0.7)])
def test_a_study_ends_at_its_target(path: Path, direction: str, values: list[float], last: float) -> None:
    study = make(path, direction=direction, target=0.5)
    tell_all(study, [*values, last])
    with pytest.raises(ExhaustedError, match=rf"'s' is done: trial 2 has {last}, which is as good as its target 0.5") as caught:
        study.ask()
    assert caught.value.exit_code == 11
    study = create_study(path, target=0.1 if direction == "minimize" else 0.9, exist_ok=True)
    assert study.ask().number == 3


def test_a_study_ends_when_patience_is_over(path: Path) -> None:
    study = make(path, patience=3)
    tell_all(study, [0.5, 0.7, None, 0.4, 0.4, None])
    running = study.ask()
    study.tell(running, state="fail", reason="interrupted")
    tell_all(study, [0.9])
    with pytest.raises(ExhaustedError, match=r"trial 3 has 0\.4, and 3 trials since brought nothing better"):
        study.ask()


def test_infeasible_and_withdrawn_results_reach_no_target(path: Path) -> None:
    study = make(path, target=0.5)
    study.tell(study.ask(), 0.1, constraints={"size": 1.0})
    tell_all(study, [0.2])
    with pytest.raises(ExhaustedError):
        study.ask()
    study.withdraw(1, reason="why")
    assert study.ask().number == 2


def test_optimize_ends_there(path: Path) -> None:
    study = make(path, patience=2)
    study.optimize(lambda trial: float(trial.number), n_trials=50)
    assert len(study.trials) == 3


@pytest.mark.parametrize("rule", [{"target": 0.0}, {"patience": 3}])
def test_with_a_lag_the_end_does_not_depend_on_the_timing(path: Path, rule: dict[str, Any]) -> None:
    ends = []
    for turn, order in enumerate(([0, 1], [1, 0])):
        study = make(path.with_name(f"{turn}"), lag=2, **rule)
        running = [study.ask(), study.ask()]
        for _ in range(50):
            for place in order:
                trial = running[place % len(running)]
                if trial.number in {live.number for live in study.get_trials(["running"])}:
                    study.tell(trial, abs(trial.number - 4.0))
            try:
                running = [study.ask(), study.ask()]
            except ExhaustedError:
                break
        ends.append([trial.params for trial in study.trials])
    assert ends[0] == ends[1]
    assert len(ends[0]) < 12


def test_a_trial_of_a_dead_owner_is_handed_out_again_after_the_end(path: Path) -> None:
    study = make(path, target=0.5)
    first, second = study.ask(), study.ask()
    study.tell(second, 0.1)
    study.release(first)
    assert study.ask().number == first.number
    with pytest.raises(ExhaustedError):
        load_study(path).ask()


def test_rules_are_for_one_objective(path: Path) -> None:
    for rule in ({"target": 1.0}, {"patience": 1}, {"min_gain": 1.0}):
        with pytest.raises(UsageError, match="is for one objective, and the study has 2"):
            make(path, directions=["minimize", "minimize"], **rule)
    with pytest.raises(UsageError, match="patience"):
        make(path, patience=0)
    with pytest.raises(UsageError, match="min_gain must be 0 or above"):
        make(path, min_gain=-1.0)
    assert not path.exists()


def search(study: Study, n_most: int = 60) -> int:
    """Told a bowl whose best value is 0, until the study is done: after how many trials."""
    study.optimize(lambda trial: (trial.params["x"] - 0.3) ** 2 + (trial.params["y"] - 0.6) ** 2, n_trials=n_most)
    return len(study.trials)


BOWL = {"params": {"x": "float(0, 1)", "y": "float(0, 1)"}, "sampler": "auto"}


def test_a_study_ends_when_its_model_expects_little(path: Path) -> None:
    study = make(path, **BOWL, min_gain=0.01)
    n_trials = search(study)
    assert 6 <= n_trials < 30
    with pytest.raises(
        ExhaustedError, match=r"10 more trials are expected to gain \S+, less than 0\.01; --min-gain sets"
    ) as caught:
        study.ask()
    assert caught.value.exit_code == 11
    assert study.best_value < 0.01
    again = create_study(path, min_gain=1e-12, exist_ok=True)
    n_trials += 3
    assert search(again, 3) == n_trials
    assert create_study(path, min_gain=0, exist_ok=True).ask().number == n_trials


def test_a_handful_of_results_ends_no_search(path: Path) -> None:
    """After 7 trials of this one the model expected less than 0.01, and the best result was 0.075."""
    study = make(path, **BOWL, min_gain=0.01, seed=5)
    assert search(study) >= 16
    assert study.best_value < 0.01


def test_the_end_is_the_same_in_one_process_for_each_trial(path: Path) -> None:
    once, by_one = path.with_name("once"), path.with_name("by-one")
    n_trials = search(make(once, **BOWL, min_gain=0.003))
    make(by_one, **BOWL, min_gain=0.003)
    while True:
        study = load_study(by_one)
        try:
            trial = study.ask()
        except ExhaustedError:
            break
        study.tell(trial, (trial.params["x"] - 0.3) ** 2 + (trial.params["y"] - 0.6) ** 2)
    assert len(load_study(by_one).trials) == n_trials
    assert [t.params for t in load_study(once).trials] == [t.params for t in load_study(by_one).trials]


@pytest.mark.parametrize("sampler", ["tpe", "random", "optuna.TPESampler"])
def test_a_sampler_without_a_model_can_expect_nothing(path: Path, sampler: str) -> None:
    with pytest.raises(UsageError, match=f"the sampler {sampler} has none; take auto or gp") as caught:
        make(path, sampler=sampler, min_gain=0.1)
    assert caught.value.exit_code == 2
    assert not path.exists()
    make(path, sampler="gp", min_gain=0.1)
    with pytest.raises(UsageError, match="--min-gain 0 takes the rule out"):
        create_study(path, sampler=sampler, exist_ok=True)
    assert create_study(path, sampler=sampler, min_gain=0, exist_ok=True).ask().number == 0


def test_more_columns_than_a_model_takes_are_refused(path: Path) -> None:
    wide = {f"x{at}": "float(0, 1)" for at in range(201)}
    with pytest.raises(UsageError, match="none for more than 200 columns; this space has 201"):
        make(path, params=wide, sampler="auto", min_gain=0.1)
