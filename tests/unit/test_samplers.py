"""Samplers: what they are given decides what they suggest, and what they are given is what `history` says."""

from __future__ import annotations

import statistics
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from journaltune import create_study, load_study
from journaltune.api.study import Study
from journaltune.base.errors import UsageError
from journaltune.space import Space, space_from_params
from journaltune.suggest.choose import sampler_of
from journaltune.suggest.history import History
from journaltune.suggest.samplers import make as make_sampler
from journaltune.suggest.samplers.from_rustuna import RustunaSampler

SAMPLERS = [
    "auto",
    "tpe",
    "random",
    "nsgaii",
    "optuna.TPESampler",
    "optuna.RandomSampler",
    "optuna.NSGAIISampler",
    "nsgaiii",
    *(["qmc"] if find_spec("scipy") else []),
    *(["cmaes"] if find_spec("cmaes") else []),
]
LEARNING = ["tpe", "optuna.TPESampler"]
# Populations so small that a few trials make several generations.
SMALL = {name: {"population_size": 4} for name in SAMPLERS if "nsga" in name.lower()} | {"cmaes": {"popsize": 4}}
INF = float("inf")
MIXED = {
    "lr": "log(1e-5, 1e-1)",
    "x": "float(-1, 1)",
    "rate": "float(0, 1, step=0.1)",
    "layers": "int(1, 8)",
    "width": "int(16, 512, log)",
    "even": "int(0, 4, step=2)",
    "opt": "a | 1 | true | 1.0 | '1' | null",
    "only": "choice(fixed)",
    "point": "float(0.5, 0.5)",
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "study.journal"


def make(path: Path, **options: Any) -> Study:
    if options.get("sampler") == "cmaes" and len(options.get("directions", [0])) > 1:
        pytest.skip("CMA-ES takes one objective")
    if options.get("sampler") in SMALL:
        options.setdefault("sampler_options", SMALL[options["sampler"]])
    return create_study(path, **{"params": {"x": "float(0, 1)", "y": "float(0, 1)"}, "seed": 1, **options})


def tell_all(study: Study, count: int) -> None:
    """Values that depend on the params, so that there is something to learn."""
    for _ in range(count):
        trial = study.ask()
        n_objectives = len(study.directions)
        study.tell(trial, [sum((trial.params["x"] - 0.3 * i) ** 2 for i in range(1, n_objectives + 1))] * n_objectives)


def suggestion(study: Study, number: int) -> list[dict[str, float]]:
    """What new processes with several seeds would suggest for that number, nothing written."""
    opened = load_study(study._study.path, study.study_name)._study
    assert opened.space is not None
    history, distributions = History(opened.state(), opened.failures), opened.space.distributions
    return [sampler_of(opened).suggest(history, distributions, number, seed, 0).internal for seed in range(4)]


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("directions", [["maximize"], ["minimize", "maximize"]])
def test_every_suggestion_lies_in_the_space(path: Path, name: str, directions: list[str]) -> None:
    study = make(path, params=MIXED, sampler=name, directions=directions)
    asked = []
    for number in range(20):
        trial = study.ask()
        asked.append(trial.params)
        study.tell(trial, [float(number % 7)] * len(directions))
    space: Space = space_from_params(MIXED)
    for params in asked:
        assert space.decode(space.encode(params)) == params
    assert {repr(params["opt"]) for params in asked} <= {"'a'", "1", "True", "1.0", "'1'", "None"}
    # A child may have some parameter of a parent, and a model goes back to what was good.
    n_different = len({repr(params) for params in asked})
    enough = (name in SMALL and n_different > 10) or (name == "auto" and n_different == 20)
    assert len({params["x"] for params in asked}) == 20 or enough


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_choice_comes_up_as_itself(name: str, path: Path) -> None:
    options = {"n_startup_trials": 60} if "tpe" in name.lower() else {}
    study = make(path, params={"opt": MIXED["opt"], "even": MIXED["even"]}, sampler=name, sampler_options=options)
    asked = [study.ask().params for _ in range(60)]
    assert {repr(params["opt"]) for params in asked} == {"'a'", "1", "True", "1.0", "'1'", "None"}
    assert {params["even"] for params in asked} == {0, 2, 4}
    assert [trial.params for trial in load_study(path).trials] == asked
    assert [repr(trial.params) for trial in study.trials] == [repr(params) for params in asked]


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_seed_decides_and_the_object_does_not(path: Path, name: str) -> None:
    study = make(path, sampler=name)
    tell_all(study, 12)
    opened = load_study(path)._study
    assert opened.space is not None
    history, space = History(opened.state(), "worst"), opened.space.distributions
    sampler = make_sampler(name, {})
    found = [sampler.suggest(history, space, 12, seed, 0).internal for seed in (5, 2**64 - 1, 5)]
    assert found[0] == found[2]
    # A sequence has one seed for all trials of a study, and what a model expects most of is often the same place.
    assert found[0] != found[1] or name in ("qmc", "auto")
    assert make_sampler(name, {}).suggest(history, space, 12, 5, 0).internal == found[0]


@pytest.mark.parametrize("name", SAMPLERS)
def test_an_object_that_suggested_for_another_space_forgets_it(path: Path, name: str) -> None:
    study = make(path, sampler=name)
    tell_all(study, 14)
    sampler = make_sampler(name, {})
    for params in ({"x": "float(0, 1)", "y": "float(0, 1)"}, {"y": "float(0, 1)"}, {"y": "float(0, 2)"}, {"y": "float(0, 1)"}):
        arguments = (History(study._study.state(), "worst"), space_from_params(params).distributions, 14, 5, 0)
        for _ in range(2):
            assert sampler.suggest(*arguments) == make_sampler(name, {}).suggest(*arguments)


def test_an_interrupted_suggestion_leaves_nothing_behind(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = make(path)
    tell_all(study, 12)
    study.ask()
    sampler = make_sampler("tpe", {})
    arguments = (
        History(study._study.state(), "worst"),
        space_from_params({"x": "float(0, 1)", "y": "float(0, 1)"}).distributions,
        13,
    )

    class Interrupted:
        def sample_joint(self, *_: object) -> None:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(RustunaSampler, "_fresh", lambda *_: Interrupted())
        for _ in range(20):
            with pytest.raises(KeyboardInterrupt):
                sampler.suggest(*arguments, 1, 0)
    assert [sampler.suggest(*arguments, seed, 0) for seed in range(8)] == [
        make_sampler("tpe", {}).suggest(*arguments, seed, 0) for seed in range(8)
    ]


@pytest.mark.parametrize("name", LEARNING)
def test_it_learns(path: Path, name: str) -> None:
    def best(sampler: str, seed: int) -> float:
        study = make(path, study_name=f"{sampler}{seed}", sampler=sampler, seed=seed)
        for _ in range(30):
            trial = study.ask()
            study.tell(trial, sum((value - 0.7) ** 2 for value in trial.params.values()))
        return study.best_value

    found = {sampler: statistics.median(best(sampler, seed) for seed in range(3)) for sampler in (name, "random")}
    assert found[name] < found["random"] / 2


@pytest.mark.parametrize("name", LEARNING)
@pytest.mark.parametrize("unlucky", ["running", "fail", "pruned"])
@pytest.mark.parametrize("directions", [["minimize"], ["maximize", "minimize"]])
def test_an_unlucky_or_running_trial_is_seen_as_if_it_had_come_out_worst(
    path: Path, name: str, unlucky: str, directions: list[str]
) -> None:
    studies = [make(path, study_name=which, sampler=name, directions=directions) for which in ("stands in", "worst")]
    for study in studies:
        tell_all(study, 13)
        study.ask()
    values = [trial.values or [] for trial in studies[1].trials[:13]]
    columns = zip(*values, strict=True)
    worst = [max(column) if way == "minimize" else min(column) for way, column in zip(directions, columns, strict=True)]
    studies[1].tell(13, worst)
    if unlucky != "running":
        studies[0].tell(13, state=unlucky)
    assert suggestion(studies[0], 14) == suggestion(studies[1], 14)


@pytest.mark.parametrize("name", LEARNING)
def test_a_running_trial_changes_what_is_suggested_next(path: Path, name: str) -> None:
    study = make(path, sampler=name)
    tell_all(study, 15)
    before = suggestion(study, 20)
    study.ask()
    assert suggestion(study, 20) != before


@pytest.mark.parametrize("name", LEARNING)
def test_a_failure_that_says_nothing_of_its_params_is_not_seen(path: Path, name: str) -> None:
    study, ignoring = make(path, study_name="a", sampler=name), make(path, study_name="b", sampler=name, failures="ignore")
    for each in (study, ignoring):
        tell_all(each, 13)
    before = suggestion(study, 20)
    study.tell(study.ask(), state="fail", reason="interrupted")
    study.tell(study.ask(), state="fail", reason="owner-died")
    ignoring.tell(ignoring.ask(), state="fail", reason="oom")
    assert suggestion(study, 20) == suggestion(ignoring, 20) == before
    study.tell(study.ask(), state="fail", reason="oom")
    assert suggestion(study, 20) != before


@pytest.mark.parametrize("name", LEARNING)
def test_it_is_random_until_enough_trials_really_finished(path: Path, name: str) -> None:
    """Running and failed trials must not end the startup phase: all that is known of them is assumed."""
    found = []
    for which in (1.0, -1.0):
        study = make(path, study_name=str(which), sampler=name)
        trials = [study.ask() for _ in range(30)]
        for trial in trials[:9]:
            study.tell(trial, which * trial.params["x"])
        for trial in trials[9:15]:
            study.tell(trial, state="fail")
        found.append((suggestion(study, 30), study))
    assert found[0][0] == found[1][0]
    for which, (_, study) in zip((1.0, -1.0), found, strict=True):
        study.tell(20, which * study.trials[20].params["x"])
    assert suggestion(found[0][1], 30) != suggestion(found[1][1], 30)


@pytest.mark.parametrize("name", LEARNING)
def test_the_startup_phase_is_as_long_as_its_option_says(path: Path, name: str) -> None:
    study = make(path, sampler=name, sampler_options={"n_startup_trials": 3})
    random = make(path, study_name="random", sampler=name, sampler_options={"n_startup_trials": 100})
    asked: list[list[dict[str, Any]]] = [[], []]
    for number in range(6):
        for into, each in zip(asked, (study, random), strict=True):
            trial = each.ask()
            into.append(trial.params)
            each.tell(trial, float(number))
    assert asked[0][:3] == asked[1][:3]
    assert asked[0][3] != asked[1][3]


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.filterwarnings("error::RuntimeWarning:journaltune")
@pytest.mark.parametrize("directions", [["minimize"], ["maximize"], ["minimize", "maximize"]])
def test_values_of_every_size_are_taken(path: Path, name: str, directions: list[str]) -> None:
    study = make(path, sampler=name, directions=directions)
    told = [0.0, -0.0, INF, -INF, 1e308, -1e308, 5e-324, 1.0, float("nan")]
    for number in range(18):
        trial = study.ask()
        assert all(0 <= value <= 1 for value in trial.params.values())
        study.tell(trial, [told[number % 9], told[(number * 2) % 9]][: len(directions)])


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("value", [INF, -INF, 0.0])
def test_values_that_are_all_the_same_are_taken(path: Path, name: str, value: float) -> None:
    study = make(path, sampler=name)
    for _ in range(14):
        study.tell(study.ask(), value)


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_study_in_which_everything_fails_goes_on(path: Path, name: str) -> None:
    study = make(path, sampler=name)
    asked = []
    for number in range(24):
        asked.append(study.ask().params["x"])
        study.tell(number, **({"state": "pruned"} if number % 2 else {"state": "fail"}))
    assert len(set(asked)) == 24


@pytest.mark.parametrize("name", SAMPLERS)
def test_trials_of_a_stock_study_with_other_and_fewer_params_are_no_obstacle(path: Path, name: str) -> None:
    stock = optuna.create_study(storage=JournalStorage(JournalFileBackend(str(path))), study_name="study")

    def objective(trial: optuna.Trial) -> float:
        kind = trial.suggest_categorical("kind", ["a", "b"])
        return trial.suggest_float(kind, -1, 1) + (trial.suggest_int("n", 0, 9) if kind == "a" else 0)

    stock.sampler = optuna.samplers.RandomSampler(seed=1)
    stock.optimize(objective, n_trials=15)
    stock.add_trial(optuna.trial.create_trial(values=[5.0]))
    stock.enqueue_trial({"kind": "a"})
    space = {"kind": "a | b", "a": "float(-1, 1)", "b": "float(0, 0.5)", "n": "int(50, 60)", "extra": "x | y"}
    study = create_study(path, study_name="study", params=space, sampler=name, exist_ok=True, seed=1)
    for number in range(16, 30):
        trial = study.ask()
        assert (trial.number, list(trial.params)) == (number, list(space))
        space_from_params(space).encode(trial.params)
        study.tell(trial, float(number % 3))
    assert [trial.number for trial in stock.trials] == list(range(30))


@pytest.mark.parametrize("name", SAMPLERS)
def test_values_outside_of_their_own_range_are_no_obstacle(path: Path, name: str) -> None:
    """Optuna warns of an enqueued value that is out of range, and takes it."""
    stock = optuna.create_study(storage=JournalStorage(JournalFileBackend(str(path))), study_name="study")
    stock.sampler = optuna.samplers.RandomSampler(seed=1)
    for offset in range(5):
        stock.enqueue_trial({"x": 7.0 + offset / 1e6, "n": 3})
    with pytest.warns(UserWarning, match="out of range"):
        stock.optimize(lambda trial: trial.suggest_float("x", 0, 1) + trial.suggest_int("n", 0, 10, step=2), n_trials=15)
    space = {"x": "float(0, 1)", "n": "int(0, 10, step=2)"}
    study = create_study(path, params=space, sampler=name, exist_ok=True, seed=1)
    for number in range(15, 19):
        trial = study.ask()
        space_from_params(space).encode(trial.params)
        study.tell(trial, float(number))


@pytest.mark.parametrize("name", LEARNING)
def test_a_long_lived_object_with_many_failures_suggests_what_a_new_one_does(path: Path, name: str) -> None:
    asked: list[list[dict[str, Any]]] = []
    for which in ("lived", "fresh"):
        study = make(path, study_name=which, sampler=name)
        for number in range(30):
            trial = study.ask()
            study.tell(trial, **({"state": "fail"} if number % 3 == 2 else {"values": trial.params["x"]}))
            study = load_study(path, which) if which == "fresh" else study
        asked.append([trial.params for trial in study.trials])
    assert asked[0] == asked[1]


@pytest.mark.parametrize(
    "name", ["", "TPE", "nsga", "optuna.", "optuna.samplers.TPESampler", "optuna.os", "optuna.BaseSampler", "os:system"]
)
def test_an_unknown_sampler_is_refused_in_one_line(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        make_sampler(name, {})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("options", [{"no_such": 1}, {"seed": 1}])
def test_an_option_that_the_sampler_does_not_have_is_refused_in_one_line(name: str, options: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        make_sampler(name, options)
    assert "\n" not in str(caught.value)


def test_optunas_logging_is_left_as_it_was(path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    before = optuna.logging.get_verbosity()
    study = make(path, sampler="optuna.TPESampler")
    tell_all(study, 3)
    assert optuna.logging.get_verbosity() == before
    assert capfd.readouterr() == ("", "")
