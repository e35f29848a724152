"""Trials: Optuna's ``suggest_*`` against the declared space, FixedTrial, loops over trials, and blocks."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import optuna
import pytest

from journaltune import FixedTrial, SpaceError, TrialPruned, UsageError, create_study, load_study
from journaltune.api.study import Study
from journaltune.base.model import TrialState
from journaltune.run.trial import AskedTrial

# Optuna's, of a range that is no whole number of steps: there and here it ends at the last step.
pytestmark = pytest.mark.filterwarnings("ignore:The distribution is specified by")

PARAMS = {
    "lr": "log(1e-5, 1e-1)",
    "drop": "float(0, 0.95, step=0.1)",
    "layers": "int(1, 8)",
    "width": "int(16, 1024, log)",
    "opt": "adam | sgd",
    "flag": "true | 1 | null",
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "study.journal"


def make(path: Path, **options: Any) -> Study:
    return create_study(path, **{"params": PARAMS, "seed": 1, "sampler": "random", **options})


def objective(trial: Any) -> float:
    """As written for Optuna."""
    lr = trial.suggest_float("lr", 1e-5, 1e-1, log=True)
    drop = trial.suggest_float("drop", 0, 0.95, step=0.1)
    layers = trial.suggest_int("layers", 1, 8)
    width = trial.suggest_int("width", 16, 1024, log=True)
    opt = trial.suggest_categorical("opt", ["adam", "sgd"])
    flag = trial.suggest_categorical("flag", (True, 1, None))
    assert isinstance(layers, int)
    assert trial.params == {"lr": lr, "drop": drop, "layers": layers, "width": width, "opt": opt, "flag": flag}
    return float(lr + drop + layers + width)


class TestSuggest:
    def test_an_objective_for_optuna_runs_as_it_is(self, path: Path) -> None:
        study = make(path)
        study.optimize(objective, 5)
        assert study.counts()["complete"] == 5
        assert objective(optuna.trial.FixedTrial(study.best_params)) == study.best_value

    @pytest.mark.parametrize(
        "call",
        [
            lambda t: t.suggest_float("lr", 1e-5, 1e-1),
            lambda t: t.suggest_float("lr", 1e-6, 1e-1, log=True),
            lambda t: t.suggest_float("drop", 0, 0.95),
            lambda t: t.suggest_int("lr", 1, 2),
            lambda t: t.suggest_int("layers", 1, 8, step=2),
            lambda t: t.suggest_float("layers", 1, 8),
            lambda t: t.suggest_categorical("opt", ["adam", "sgd", "lion"]),
            lambda t: t.suggest_categorical("flag", [True, 1.0, None]),
            lambda t: t.suggest_categorical("layers", [1, 8]),
        ],
    )
    def test_a_call_that_says_otherwise_is_refused(self, path: Path, call: Any) -> None:
        with pytest.raises(SpaceError, match=r"the study declares .*, and the objective asks for"):
            call(make(path).ask())

    def test_the_message_says_what_is_declared(self, path: Path) -> None:
        with pytest.raises(SpaceError) as caught:
            make(path).ask().suggest_float("lr", 0.1, 0.2)
        assert str(caught.value) == (
            "lr: the study declares log(1e-05, 0.1), and the objective asks for float(0.1, 0.2); say the same in both"
        )

    @pytest.mark.parametrize(
        "call",
        [
            lambda t: t.suggest_float("momentum", 0, 1),
            lambda t: t.suggest_float("lr", 1, 0),
            lambda t: t.suggest_float("lr", "a", 1),
            lambda t: t.suggest_float("lr", 0, 1, log=True),
            lambda t: t.suggest_categorical("opt", []),
            lambda t: t.suggest_categorical("opt", [object()]),
            lambda t: t.suggest_categorical("opt", 3),
        ],
    )
    def test_other_wrong_calls_are_one_line(self, path: Path, call: Any) -> None:
        with pytest.raises(SpaceError) as caught:
            call(make(path).ask())
        assert "\n" not in str(caught.value)


class TestFixedTrial:
    def test_it_runs_an_objective_without_a_study(self) -> None:
        params = {"lr": 0.01, "drop": 0.5, "layers": 2, "width": 32, "opt": "sgd", "flag": None}
        assert objective(FixedTrial(params)) == objective(optuna.trial.FixedTrial(params))
        assert (FixedTrial({}, 3, seed=9).number, FixedTrial({}, 3, 9).seed) == (3, 9)

    def test_reports_are_remembered_and_nothing_is_pruned(self) -> None:
        trial = FixedTrial({})
        assert trial.report(0.5, 0)
        assert trial.report(float("nan"), step=1)
        assert not trial.report(0.7, 0), "the first counts"
        assert not trial.should_prune()
        assert str(trial.intermediate_values) == "{0: 0.5, 1: nan}"
        trial.set_user_attr("a", 1)
        trial.set_constraint("c", 0)
        assert (trial.user_attrs, trial.constraints) == ({"a": 1}, {"c": 0.0})

    def test_what_is_missing_is_an_error_and_what_is_out_of_range_a_warning(self) -> None:
        trial = FixedTrial({"x": 3.0, "opt": "lion"})
        with pytest.raises(SpaceError, match="y is missing"):
            trial.suggest_float("y", 0, 1)
        with pytest.raises(SpaceError, match="'lion' is not one of the choices"):
            trial.suggest_categorical("opt", ["adam"])
        with pytest.warns(UserWarning, match=r"3\.0 is not allowed") as caught:
            assert trial.suggest_float("x", 0, 1) == 3.0
        assert caught[0].filename == __file__


class TestPickling:
    def test_a_trial_goes_on_in_another_process(self, path: Path) -> None:
        study = make(path)
        trial = study.ask()
        trial.set_user_attr("a", 1)
        other: AskedTrial = pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(trial))))
        objective(other)
        assert (other.number, other.params, other.seed) == (trial.number, trial.params, trial.seed)
        assert other.report(0.5, 0)
        assert not other.should_prune()
        other.study.tell(other, 0.5)
        (told,) = load_study(path).trials
        assert (told.value, told.user_attrs, told.intermediate_values) == (0.5, {"a": 1}, {0: 0.5})


class TestLoops:
    def test_trials_iter_yields_asked_trials(self, path: Path) -> None:
        study = make(path)
        for trial in study.trials_iter(3):
            study.tell(trial, objective(trial))
        for trial in study.trials_iter(total_trials=5):
            study.tell(trial, state="fail")
        assert list(study.trials_iter(timeout=0)) == []
        assert study.counts() == {"running": 0, "waiting": 0, "complete": 3, "pruned": 0, "fail": 2}

    def test_an_exhausted_space_ends_it(self, path: Path) -> None:
        study = make(path, params={"x": "1 | 2"}, sampler="grid")
        for trial in study.trials_iter():
            study.tell(trial, 1.0)
        assert len(study.trials) == 2

    def test_a_trial_that_was_not_told_is_a_wrong_call(self, path: Path) -> None:
        study = make(path)
        trials = study.trials_iter(3)
        next(trials)
        with pytest.raises(UsageError, match="trial 0 was not told"):
            next(trials)
        assert study.counts()["running"] == 1

    def test_a_body_that_raises_has_its_trial_again_unless_the_trial_is_its_context(self, path: Path) -> None:
        study = make(path)

        def loop() -> None:
            for trial in study.trials_iter(3):
                raise KeyError(trial.number)

        with pytest.raises(KeyError):
            loop()
        for trial in study.trials_iter(3):
            assert (trial.number, trial.attempt) == (0, 2)
            with pytest.raises(MemoryError), trial:
                raise MemoryError
            break
        for trial in study.trials_iter(3):
            study.tell(trial, 1.0)
            break
        assert [trial.user_attrs.get("fail_reason") for trial in study.trials] == ["oom", None]

    def test_wrong_limits_are_refused_at_once(self, path: Path) -> None:
        with pytest.raises(UsageError):
            make(path).trials_iter("3")  # type: ignore[arg-type]

    @pytest.mark.parametrize("pruned", [TrialPruned, optuna.TrialPruned])
    def test_a_block_that_raises_trial_pruned_prunes(self, path: Path, pruned: type[Exception]) -> None:
        study = make(path)
        trial = study.ask()
        trial.report(0.5, 0)
        with pytest.raises(pruned), trial:
            raise pruned
        assert [(each.state, each.value) for each in study.trials] == [(TrialState.PRUNED, 0.5)]

    def test_attributes_of_the_trial_and_of_the_tell_are_merged(self, path: Path) -> None:
        study = make(path)
        trial = study.ask()
        trial.set_user_attr("a", 1)
        trial.set_user_attr("b", 1)
        trial.set_constraint("c", 1)
        assert trial.user_attrs == {"a": 1, "b": 1}
        study.tell(trial, 1.0, attrs={"b": 2}, constraints={"d": 2})
        assert study.trials[0].user_attrs == {"a": 1, "b": 2}
        assert study.trials[0].constraints == {"c": 1.0, "d": 2.0}
