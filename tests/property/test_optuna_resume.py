"""``study.to_optuna()``: an ordinary Optuna objective gets the same parameters however often the run is broken off."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults

import optuna
import pytest
from optuna.samplers import BaseSampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState
from searching import needs_gp

import journaltune
from journaltune.base.errors import UsageError
from journaltune.optuna_bridge.reseeded import Recipe

pytestmark = pytest.mark.filterwarnings("ignore")
optuna.logging.set_verbosity(optuna.logging.ERROR)

N_TRIALS = 16
GRID = {"x": [-1.0, 0.0, 1.0], "n": [1, 8], "opt": ["adam", "sgd"], "momentum": [0.0, 0.5]}
SAMPLERS: dict[str, tuple[str, dict[str, Any]]] = {
    "tpe": ("TPESampler", {"n_startup_trials": 4}),
    "tpe-joint": ("TPESampler", {"n_startup_trials": 4, "multivariate": True, "group": True}),
    "random": ("RandomSampler", {}),
    "nsgaii": ("NSGAIISampler", {"population_size": 6}),
    "nsgaiii": ("NSGAIIISampler", {"population_size": 6}),
    "cmaes": ("CmaEsSampler", {"n_startup_trials": 4, "popsize": 4}),
    "qmc": ("QMCSampler", {}),
    "qmc-scrambled": ("QMCSampler", {"scramble": True, "qmc_type": "halton"}),
    "grid": ("GridSampler", {"search_space": GRID}),
    "bruteforce": ("BruteForceSampler", {}),
}


def continuous(trial: optuna.Trial) -> float:
    x = trial.suggest_float("x", -1, 1)
    n = trial.suggest_int("n", 1, 64, log=True)
    opt = trial.suggest_categorical("opt", ["adam", "sgd"])
    x += trial.suggest_float("momentum", 0, 0.99) if opt == "sgd" else 0
    trial.report(x, 1)
    if trial.number % 7 == 5:
        raise optuna.TrialPruned
    return x**2 + n


def discrete(trial: optuna.Trial) -> float:
    x = trial.suggest_float("x", -1, 1, step=0.25)
    return x**2 + trial.suggest_int("n", 1, 8) + len(trial.suggest_categorical("opt", ["adam", "sgd"]))


def make(path: Path, seed: int = 5, **options: Any) -> Path:
    path.parent.mkdir(exist_ok=True)
    journaltune.create_study(path, study_name="a", params={"x": "float(-1, 1)"}, seed=seed, **options).close()
    return path


def optimize(path: Path, name: str, n_trials: int, seed: int = 5) -> None:
    class_name, options = SAMPLERS[name]
    recipe = Recipe(getattr(optuna.samplers, class_name), options, seed)
    objective = discrete if name == "bruteforce" else continuous
    journaltune.load_study(path).to_optuna(sampler=recipe).optimize(objective, n_trials=n_trials)


def suggested(path: Path) -> list[dict[str, Any]]:
    return [trial.params for trial in journaltune.load_study(path).trials]


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_run_that_ends_after_every_kth_trial_suggests_what_a_whole_one_does(tmp_path: Path, name: str) -> None:
    whole = make(tmp_path / "whole" / "j")
    optimize(whole, name, N_TRIALS)
    for every in (1, 5):
        path = make(tmp_path / str(every) / "j")
        for start in range(0, N_TRIALS, every):
            optimize(path, name, min(every, N_TRIALS - start))
        assert suggested(path) == suggested(whole)
    assert len(suggested(whole)) == N_TRIALS
    assert len({str(params) for params in suggested(whole)}) > N_TRIALS / 2


@pytest.mark.parametrize(
    "sampler",
    [
        "optuna.samplers:TPESampler",
        pytest.param("optuna.GPSampler", marks=needs_gp),
        pytest.param("optuna.samplers:GPSampler", marks=needs_gp),
    ],
)
def test_the_sampler_of_the_study_itself_goes_on_too(tmp_path: Path, sampler: str) -> None:
    n_trials, options = 9, {"n_startup_trials": 4}
    for every in (1, 4, n_trials):
        path = make(tmp_path / str(every) / "j", sampler=sampler, sampler_options=options)
        for start in range(0, n_trials, every):
            journaltune.load_study(path).to_optuna().optimize(continuous, n_trials=min(every, n_trials - start))
    whole = suggested(tmp_path / str(n_trials) / "j")
    assert suggested(tmp_path / "1" / "j") == suggested(tmp_path / "4" / "j") == whole
    assert len({str(params) for params in whole}) > n_trials - 3


@pytest.mark.parametrize("name", ["tpe", "cmaes", "nsgaii", "qmc"])
def test_a_copy_of_the_file_goes_on_as_the_file_itself(tmp_path: Path, name: str) -> None:
    path = make(tmp_path / "j")
    optimize(path, name, N_TRIALS // 2)
    shutil.copy(path, tmp_path / "copy")
    optimize(path, name, N_TRIALS // 2)
    optimize(tmp_path / "copy", name, N_TRIALS // 2)
    assert suggested(tmp_path / "copy") == suggested(path)


def test_another_seed_suggests_other_parameters(tmp_path: Path) -> None:
    first, second = make(tmp_path / "1", seed=1), make(tmp_path / "2", seed=2)
    optimize(first, "random", 3, seed=1)
    optimize(second, "random", 3, seed=2)
    assert not {str(params) for params in suggested(first)} & {str(params) for params in suggested(second)}


def test_trials_that_are_asked_and_told_in_another_order_have_generators_of_their_own(tmp_path: Path) -> None:
    plain, mixed = (journaltune.load_study(make(tmp_path / name, sampler="random")).to_optuna() for name in ("1", "2"))
    plain.optimize(lambda trial: trial.suggest_float("x", -1, 1) + trial.suggest_float("y", 0, 1), n_trials=3)
    trials = [mixed.ask() for _ in range(3)]
    for name, low in (("x", -1), ("y", 0)):
        for trial in reversed(trials):
            trial.suggest_float(name, low, 1)
    assert [trial.params for trial in trials] == [trial.params for trial in plain.trials]


@pytest.mark.parametrize(
    ("sampler", "options", "kind"),
    [
        ("tpe", {"n_startup_trials": 3, "multivariate": True}, optuna.samplers.TPESampler),
        ("auto", {}, optuna.samplers.TPESampler),
        ("random", {}, optuna.samplers.RandomSampler),
        ("optuna.CmaEsSampler", {"popsize": 5}, optuna.samplers.CmaEsSampler),
    ],
)
def test_the_sampler_of_the_study_is_optunas_of_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sampler: str, options: dict[str, Any], kind: type[BaseSampler]
) -> None:
    made: list[tuple[type[BaseSampler], dict[str, Any]]] = []
    original: Callable[..., None] = kind.__init__

    def noted(self: BaseSampler, **given: Any) -> None:
        made.append((type(self), given))
        original(self, **given)

    path = make(tmp_path / "j", sampler=sampler, sampler_options=options)
    study = journaltune.load_study(path).to_optuna()
    monkeypatch.setattr(kind, "__init__", noted)
    study.optimize(continuous, n_trials=2)
    own = [given for found, given in made if issubclass(found, kind) and given.keys() == {*options, "seed"}]
    assert len({given["seed"] for given in own}) == 2
    assert all(given.items() >= options.items() for given in own)


def test_an_option_that_optunas_sampler_lacks_is_refused_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = journaltune.load_study(make(tmp_path / "j", sampler="tpe"))
    config = {**study._study.config, "sampler_options": {"depth": 3}}
    monkeypatch.setattr(type(study._study), "config", config)
    with pytest.raises(UsageError, match=r"depth.*to_optuna\(sampler=FUNCTION\)"):
        study.to_optuna()


def test_a_grid_is_the_study_s_space_and_ends_the_run_when_it_is_searched(tmp_path: Path) -> None:
    space = {"x": "float(0, 1, step=0.5)", "n": "int(1, 3)", "opt": "adam | sgd"}
    study = journaltune.create_study(tmp_path / "j", params=space, sampler="grid", seed=1).to_optuna()

    def objective(trial: optuna.Trial) -> float:
        return (
            trial.suggest_float("x", 0, 1) + trial.suggest_int("n", 1, 3) + len(trial.suggest_categorical("opt", ["adam", "sgd"]))
        )

    study.optimize(objective)
    assert len(study.trials) == len({str(trial.params) for trial in study.trials}) == 18


def test_the_pruner_is_passed_on(tmp_path: Path) -> None:
    study = journaltune.load_study(make(tmp_path / "j", sampler="random")).to_optuna(
        pruner=optuna.pruners.ThresholdPruner(upper=0)
    )

    def objective(trial: optuna.Trial) -> float:
        trial.report(trial.suggest_float("x", 0.5, 1), 1)
        if trial.should_prune():
            raise optuna.TrialPruned
        return 1

    study.optimize(objective, n_trials=2)
    assert [trial.state for trial in study.trials] == [TrialState.PRUNED] * 2


def test_threads_get_trials_of_their_own(tmp_path: Path) -> None:
    study = journaltune.load_study(make(tmp_path / "j", sampler="tpe")).to_optuna()
    study.optimize(continuous, n_trials=40, n_jobs=4)
    assert [trial.number for trial in study.trials] == list(range(40))
    assert all(trial.state.is_finished() for trial in study.trials)


def finished(tmp_path: Path) -> optuna.Study:
    study = journaltune.load_study(make(tmp_path / "j", sampler="random")).to_optuna()
    study.optimize(continuous, n_trials=12)
    return study


def test_importances_can_be_evaluated(tmp_path: Path) -> None:
    study = journaltune.load_study(make(tmp_path / "j", sampler="random")).to_optuna()
    study.optimize(discrete, n_trials=12)
    assert set(optuna.importance.get_param_importances(study)) == {"x", "n", "opt"}


@pytest.mark.parametrize(
    "name", ["optimization_history", "parallel_coordinate", "slice", "contour", "intermediate_values", "edf"]
)
def test_plots_can_be_drawn(tmp_path: Path, name: str) -> None:
    pytest.importorskip("plotly")
    assert getattr(optuna.visualization, f"plot_{name}")(finished(tmp_path)).data


def test_the_dashboard_shows_it(tmp_path: Path) -> None:
    dashboard = pytest.importorskip("optuna_dashboard")
    study = finished(tmp_path)
    trial = study.ask()
    trial.report(float("nan"), 1)
    trial.set_user_attr("k", float("nan"))
    for storage in (study._storage, JournalStorage(JournalFileBackend(str(tmp_path / "j")))):
        shown = served(dashboard.wsgi(storage), f"/api/studies/{study._study_id}")
        assert [trial["state"] for trial in shown["trials"]] == [trial.state.name.capitalize() for trial in study.trials]


def served(app: Callable[..., Iterable[bytes]], path: str) -> Any:
    """The JSON that a WSGI application answers with."""
    environ: dict[str, Any] = {"QUERY_STRING": "after=0"}
    setup_testing_defaults(environ)
    seen: list[str] = []
    body = b"".join(app({**environ, "PATH_INFO": path}, lambda status, headers, *rest: seen.append(status)))
    assert seen == ["200 OK"], body
    return json.loads(body)
