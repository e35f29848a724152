"""Samplers through Optuna: what all of them get, which classes and options are refused, and why."""

from __future__ import annotations

import json
import random
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from searching import HAS_CMAES, HAS_SCIPY, make, needs_cmaes, needs_gp, needs_scipy, next_ones, tell_all

from journaltune import create_study, load_study
from journaltune.base.errors import ExhaustedError, JournaltuneError, UsageError
from journaltune.suggest.samplers import ROWS, optuna_classes
from journaltune.suggest.samplers import make as make_sampler
from journaltune.suggest.samplers.optuna_view import TrialsView


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "study.journal"


@pytest.mark.parametrize(
    "sampler", ["tpe", "optuna.TPESampler", "nsgaii", "nsgaiii", pytest.param("optuna.GPSampler", marks=needs_gp)]
)
def test_constraints_reach_the_sampler(path: Path, sampler: str) -> None:
    options = {"population_size": 6} if "nsga" in sampler else {"n_startup_trials": 6}
    seen = []
    for which in (1.0, -1.0):
        study = make(path, sampler, options, study_name=str(which))
        for _ in range(12 if sampler != "optuna.GPSampler" else 7):
            trial = study.ask()
            study.tell(trial, trial.params["y"], constraints={"c": which * (trial.params["x"] - 0.5), "d": -1.0})
        seen.append([trial.params for trial in study.trials])
    assert seen[0][:6] == seen[1][:6]
    assert seen[0][6:] != seen[1][6:]


@pytest.mark.parametrize("sampler", ["tpe", "optuna.TPESampler"])
def test_what_stands_in_as_the_worst_breaks_every_constraint_that_was_broken(path: Path, sampler: str) -> None:
    study, told = (make(path, sampler, {"n_startup_trials": 6}, study_name=name) for name in ("stands in", "told"))
    for each in (study, told):
        for number in range(8):
            trial = each.ask()
            each.tell(trial, trial.params["y"], constraints={"c": number + 0.5, "d": float(-number)})
        each.ask()
    study.tell(8, state="fail")
    told.tell(8, max(trial.value or 0.0 for trial in told.trials), constraints={"c": 7.5, "d": 0.0})
    assert next_ones(study) == next_ones(told)


@pytest.mark.parametrize(
    "sampler", ["optuna.TPESampler", "nsgaiii", "bruteforce", "grid", pytest.param("qmc", marks=needs_scipy)]
)
def test_the_global_generators_are_neither_read_nor_changed(path: Path, sampler: str) -> None:
    found = []
    for state in (1, 2):
        study = make(path, sampler, params={"x": "int(0, 30)", "y": "int(0, 30)"}, study_name=str(state))
        random.seed(state)
        np.random.seed(state)
        tell_all(study, 14)
        found.append([trial.params for trial in study.trials])
        assert random.random() == random.Random(state).random()
        assert np.random.random() == np.random.RandomState(state).random_sample()
    assert found[0] == found[1]


@pytest.mark.parametrize("sampler", ["optuna.TPESampler", "nsgaiii", "bruteforce", pytest.param("cmaes", marks=needs_cmaes)])
def test_nobody_is_warned_and_nobody_elses_filters_are_touched(
    path: Path, sampler: str, capfd: pytest.CaptureFixture[str]
) -> None:
    before = list(warnings.filters)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        during = list(warnings.filters)
        tell_all(make(path, sampler, params={"x": "int(0, 30)", "c": "a | b"}), 4)
        assert warnings.filters == during
    assert warnings.filters == before
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("sampler", ["optuna.TPESampler", "nsgaiii", "bruteforce", pytest.param("cmaes", marks=needs_cmaes)])
def test_a_loop_builds_each_finished_trial_once(path: Path, sampler: str, monkeypatch: pytest.MonkeyPatch) -> None:
    study = make(path, sampler, params={"x": "int(0, 30)", "y": "int(0, 30)"})
    built = []
    build = TrialsView._trial
    monkeypatch.setattr(TrialsView, "_trial", lambda self, *rest: built.append(rest[0]) or build(self, *rest))
    tell_all(study, 20)
    assert built == sorted(set(built))


@pytest.mark.parametrize(
    "sampler", ["nsgaii", "nsgaiii", "grid", *(["qmc"] if HAS_SCIPY else []), *(["cmaes"] if HAS_CMAES else [])]
)
def test_every_library_reads_what_a_sampler_keeps(path: Path, sampler: str) -> None:
    options = {"population_size": 3} if "nsga" in sampler else {"popsize": 4} if sampler == "cmaes" else {}
    study = make(path, sampler, options, params={"x": "float(0, 1, step=0.1)", "y": "float(0, 1, step=0.25)"})
    study.enqueue({"x": 0.5})
    tell_all(study, 9)
    assert any(trial.system_attrs for trial in study.trials)
    stock = optuna.load_study(study_name="study", storage=JournalStorage(JournalFileBackend(str(path))))
    assert [trial.system_attrs for trial in stock.trials] == [trial.system_attrs for trial in study.trials]
    import rustuna

    other = rustuna.load_study(study_name="study", storage=rustuna.storages.JournalFileStorage(str(path)))
    assert [trial.params for trial in other.trials] == [trial.params for trial in stock.trials]


@needs_gp
def test_a_gaussian_process_takes_values_of_every_size_and_what_failed(path: Path) -> None:
    study = make(path, "optuna.GPSampler", {"n_startup_trials": 3})
    for value in (1.0, float("inf"), -1e308, 1e308, 0.0):
        study.tell(study.ask(), value)
    study.tell(study.ask(), state="fail")
    assert all(0 <= value <= 1 for value in study.ask().params.values())


# What is refused.


@pytest.mark.parametrize("sampler", ["cmaes", "optuna.CmaEsSampler"])
@needs_cmaes
def test_more_objectives_than_the_sampler_takes_are_refused(path: Path, sampler: str) -> None:
    with pytest.raises(UsageError, match="one objective, not 2"):
        make(path, sampler, directions=["minimize", "minimize"])
    assert not path.exists()
    make(path, "tpe", directions=["minimize", "minimize"])
    with pytest.raises(UsageError, match="one objective, not 2"):
        create_study(path, sampler=sampler, exist_ok=True)


@pytest.mark.parametrize(
    ("sampler", "options", "message"),
    [
        ("optuna.TPESampler", {"gamma": 3}, "Python object"),
        ("optuna.TPESampler", {"constraints_func": "f"}, "Python object"),
        ("optuna.TPESampler", {"n_startup_trials": "5"}, "is int, not '5'"),
        ("optuna.TPESampler", {"n_startup_trials": True}, "is int, not True"),
        ("optuna.TPESampler", {"multivariate": 1}, "bool"),
        ("optuna.NSGAIISampler", {"crossover": "sbx"}, "Python object"),
        ("nsgaiii", {"population_size": 1}, "greater than or equal to 2"),
        ("nsgaiii", {"popsize": 4}, "has no option 'popsize'; its options are population_size,"),
        ("nsgaii", {"population_size": 1}, "at least 2"),
        ("nsgaii", {"population_size": "many"}, "does not take"),
        ("optuna.PartialFixedSampler", {"fixed_params": {"x": 1}}, "base_sampler"),
        ("optuna.BaseSampler", {}, "abstract"),
        ("optuna.BaseGASampler", {"population_size": 3}, "abstract"),
        pytest.param("cmaes", {"popsize": 0}, "popsize must be", marks=needs_cmaes),
        pytest.param("cmaes", {"x0": {"z": 1}}, "does not take these options", marks=needs_cmaes),
        pytest.param("cmaes", {"consider_pruned_trials": True}, "no member", marks=needs_cmaes),
        pytest.param("cmaes", {"popsize": 4, "with_margin": True, "lr_adapt": True}, "prohibited", marks=needs_cmaes),
        pytest.param("qmc", {"qmc_type": "hilbert"}, "hilbert", marks=needs_scipy),
        pytest.param("qmc", {"independent_sampler": "x"}, "Python object", marks=needs_scipy),
    ],
)
def test_options_that_a_study_can_not_hold_or_the_class_does_not_take(
    path: Path, sampler: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        make(path, sampler, options)
    assert "\n" not in str(caught.value)
    assert not path.exists()


@pytest.mark.parametrize(
    ("sampler", "extra"), [("cmaes", "cmaes"), ("optuna.GPSampler", "gp"), ("qmc", "qmc"), ("optuna.QMCSampler", "qmc")]
)
def test_a_missing_library_is_named_with_what_installs_it(
    path: Path, sampler: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(optuna_classes, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=rf"install journaltune\[{extra}\]") as caught:
        make(path, sampler)
    assert "\n" not in str(caught.value)


@needs_cmaes
def test_a_space_without_numbers_is_none_for_cma_es(path: Path) -> None:
    with pytest.raises(UsageError, match="numbers only"):
        make(path, "cmaes", params={"c": "a | b"})
    assert not path.exists()


OF_A_USER = '''
import random, time
import numpy as np
from optuna.samplers import BaseSampler, CmaEsSampler, GridSampler, RandomSampler, TPESampler

class Base(BaseSampler):
    def infer_relative_search_space(self, study, trial):
        return {}
    def sample_relative(self, study, trial, search_space):
        return {}

class Middle(Base):
    """Deterministic: counts in an attribute of the study, and hands out that share of each range."""
    def sample_independent(self, study, trial, name, distribution):
        done = study._storage.get_study_system_attrs(study._study_id).get("done", 0)
        study._storage.set_study_system_attr(study._study_id, "done", done + 1)
        study._storage.set_trial_system_attr(trial._trial_id, "share", np.float64(1 / (done + 2)))
        return distribution.low + (distribution.high - distribution.low) / (done + 2)

class Local(Base):
    """Near the best trial."""
    def __init__(self, width: float = 0.1, seed=None):
        self._rng, self._width = np.random.RandomState(seed), width
    def sample_independent(self, study, trial, name, distribution):
        done = [t for t in study.get_trials(deepcopy=False) if t.state.is_finished()]
        around = study.best_trial.params[name] if done else 0.5
        return float(np.clip(around + self._width * self._rng.randn(), distribution.low, distribution.high))

class OwnTpe(TPESampler):
    def __init__(self, seed=None):
        super().__init__(seed=seed, n_startup_trials=4)

class Stops(Middle):
    def before_trial(self, study, trial):
        if trial.number == 3:
            study.stop()

class Global(Base):
    def sample_independent(self, study, trial, name, distribution):
        return np.random.uniform(distribution.low, distribution.high)

class PythonsGlobal(Base):
    def sample_independent(self, study, trial, name, distribution):
        return random.uniform(distribution.low, distribution.high)

class Unseeded(Base):
    def sample_independent(self, study, trial, name, distribution):
        return np.random.default_rng().uniform(distribution.low, distribution.high)

class Learns(Middle):
    def after_trial(self, study, trial, state, values):
        pass

class Outside(Base):
    def sample_independent(self, study, trial, name, distribution):
        return distribution.high + 1

class Breaks(Base):
    def sample_independent(self, study, trial, name, distribution):
        if trial.number == 2:
            raise ValueError("two is\\nno number for me")
        return distribution.low

class Meddles(Base):
    def sample_independent(self, study, trial, name, distribution):
        study.set_user_attr("a", 1)
        return distribution.low

class Rewrites(Base):
    def sample_independent(self, study, trial, name, distribution):
        study._storage.set_trial_system_attr(0, "a", 1)
        return distribution.low

class Cma(CmaEsSampler):
    pass

class Grid(GridSampler):
    pass

class NoSampler:
    pass
'''


@pytest.fixture
def of_a_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "of_a_user.py").write_text(OF_A_USER, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "of_a_user", raising=False)
    return "of_a_user"


@pytest.mark.parametrize("name", ["Middle", "Local", "OwnTpe"])
def test_any_base_sampler_can_be_named(path: Path, tmp_path: Path, of_a_user: str, name: str) -> None:
    whole = make(tmp_path / "whole", f"{of_a_user}:{name}", {"width": 0.2} if name == "Local" else None)
    tell_all(whole, 9)
    make(path, f"{of_a_user}:{name}", {"width": 0.2} if name == "Local" else None)
    for _ in range(9):
        tell_all(load_study(path), 1)
    assert [trial.params for trial in load_study(path).trials] == [trial.params for trial in whole.trials]
    assert len({repr(trial.params) for trial in whole.trials}) == 9
    assert whole.verify().difference is None
    if name == "Middle":
        assert [trial.system_attrs["share"] for trial in whole.trials][:2] == [1 / 3, 1 / 5]


def test_a_sampler_that_stops_the_study_ends_it(path: Path, of_a_user: str) -> None:
    study = make(path, f"{of_a_user}:Stops")
    tell_all(study, 3)
    with pytest.raises(ExhaustedError):
        study.ask()


@pytest.mark.parametrize("name", ["Breaks"])
def test_a_sampler_that_breaks_is_one_line_and_leaves_nothing(path: Path, of_a_user: str, name: str) -> None:
    study = make(path, f"{of_a_user}:{name}")
    tell_all(study, 2)
    with pytest.raises(JournaltuneError, match="two is no number for me") as caught:
        study.ask()
    assert "\n" not in str(caught.value)
    assert len(study.trials) == 2


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Global", "suggests otherwise"),
        ("PythonsGlobal", "suggests otherwise"),
        ("Unseeded", "suggests otherwise"),
        ("Learns", "after_trial"),
        ("Outside", "for parameter 'x'"),
        ("Meddles", "user attribute of the study"),
        ("Rewrites", "attribute of another trial"),
        pytest.param("Cma", "pickled optimizer", marks=needs_cmaes),
        ("Grid", "exhausted"),
        ("Base", "abstract"),
        ("NoSampler", "no class 'NoSampler' that derives"),
        ("Nothing", "no class 'Nothing'"),
    ],
)
def test_a_class_whose_suggestions_are_no_function_of_the_history_is_refused(
    path: Path, of_a_user: str, name: str, message: str
) -> None:
    state = random.getstate(), json.dumps(np.random.get_state()[1].tolist())
    with pytest.raises(JournaltuneError, match=message) as caught:
        make(path, f"{of_a_user}:{name}")
    assert "\n" not in str(caught.value)
    assert not path.exists()
    assert state == (random.getstate(), json.dumps(np.random.get_state()[1].tolist()))


@pytest.mark.parametrize(("name", "message"), [("no_such_module_here:A", "no_such_module_here"), ("broken:A", "oh no")])
def test_a_module_that_can_not_be_imported_is_one_line(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, message: str
) -> None:
    (tmp_path / "broken.py").write_text("raise RuntimeError('oh no')", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(UsageError, match=message) as caught:
        make(path, name)
    assert "\n" not in str(caught.value)


def test_every_short_name_stands_for_a_class_of_optunas() -> None:
    assert all(hasattr(optuna.samplers, row.optuna_class) for row in ROWS)
    assert make_sampler("nsgaiii", {}).marks_enqueued
