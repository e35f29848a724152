"""A study's space changes: what `exist_ok` adds, changes, drops and keeps, and what earlier trials mean then."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from journaltune import create_study, load_study
from journaltune.api.study import Study
from journaltune.base.errors import ConflictError, ExhaustedError, JournaltuneError, NotFoundError, SpaceError, UsageError
from journaltune.engine.create import create
from journaltune.space import Space, space_from_params
from journaltune.suggest.history import History
from journaltune.suggest.samplers.gp.observations import observe

PARAMS = {"x": "float(0, 1)", "y": "float(0, 1)"}
FINITE = {"x": "int(1, 3)", "y": "a | b"}
ADDED = {"z": "float(0, 1)"}
needs_cmaes = pytest.mark.skipif(find_spec("cmaes") is None, reason="cmaes is not installed")
needs_scipy = pytest.mark.skipif(find_spec("scipy") is None, reason="scipy is not installed")
CMAES = pytest.param("cmaes", {"popsize": 4}, marks=needs_cmaes)
QMC = pytest.param("qmc", {}, marks=needs_scipy)
SAMPLERS = [
    ("tpe", {}),
    ("random", {}),
    ("nsgaii", {"population_size": 4}),
    ("nsgaiii", {"population_size": 4}),
    ("gp", {}),
    ("optuna.TPESampler", {"multivariate": True, "group": True}),
    CMAES,
    QMC,
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "study.journal"


def make(path: Path, sampler: str = "random", options: dict[str, Any] | None = None, **given: Any) -> Study:
    return create_study(path, **{"params": PARAMS, "seed": 1, "sampler": sampler, "sampler_options": options, **given})


def changed(path: Path, params: dict[str, str] | None = None, **given: Any) -> Study:
    return create_study(path, params=params, exist_ok=True, **given)


def tell_all(study: Study, count: int) -> list[dict[str, Any]]:
    """Ask and tell so many trials, the best of which are near x = 0.2; their parameters."""
    asked = []
    for _ in range(count):
        trial = study.ask()
        asked.append(trial.params)
        study.tell(trial, (trial.params["x"] - 0.2) ** 2)
    return asked


def specs(study: Study) -> dict[str, str]:
    space = load_study(study._study.path, study.study_name)._study.space
    assert space is not None
    found: dict[str, str] = space.to_config()["params"]
    return found


def test_parameters_are_added_and_changed_in_their_place_and_the_rest_is_kept(path: Path) -> None:
    study = make(path)
    assert specs(changed(path, ADDED)) == {"x": "float(0.0, 1.0)", "y": "float(0.0, 1.0)", "z": "float(0.0, 1.0)"}
    assert list(specs(changed(path, {"y": "float(0, 5)", "w": "a | b"}))) == ["x", "y", "z", "w"]
    assert specs(study)["y"] == "float(0.0, 5.0)"
    assert list(study.ask().params) == ["x", "y", "z", "w"]


@pytest.mark.parametrize("drop", ["x", ["x"], ("x",)])
def test_a_dropped_parameter_is_no_longer_searched(path: Path, drop: Sequence[str]) -> None:
    study = make(path)
    tell_all(study, 3)
    changed(path, drop=drop)
    assert list(study.ask().params) == ["y"]
    assert [list(trial.params) for trial in study.trials] == [["x", "y"]] * 3 + [["y"]]
    assert study.verify().difference is None


def test_adding_and_dropping_go_together(path: Path) -> None:
    make(path)
    assert list(specs(changed(path, ADDED, drop=["x", "y"]))) == ["z"]


def test_what_changed_is_said_in_words(path: Path) -> None:
    make(path, seed=1)
    said: list[list[str]] = []

    def change(**given: Any) -> list[str]:
        said.clear()
        create(path, exist_ok=True, on_change=said.append, **given)
        return said[0] if said else []

    space = space_from_params({"x": "float(0, 2)", "z": "a | b"})
    assert change(space=space, drop="y", seed=2) == [
        "x is float(0.0, 2.0) now (it was float(0.0, 1.0))",
        "y is dropped (it was float(0.0, 1.0))",
        "z is added: a | b",
        "seed is 2 now (it was 1)",
    ]
    assert change(space=space, seed=2) == []
    assert change(sampler="tpe", sampler_options={"n_startup_trials": 3}) == [
        "sampler is tpe now (it was random)",
        'sampler options is {"n_startup_trials": 3} now (it was {})',
    ]


def test_what_a_study_of_stock_optuna_is_given_is_said_without_what_it_never_had(path: Path) -> None:
    optuna.create_study(storage=JournalStorage(JournalFileBackend(str(path))), study_name="theirs")
    said: list[str] = []
    create(path, exist_ok=True, space=space_from_params({"x": "float(0, 1)"}), seed=0, on_change=said.extend)
    assert said == ["x is added: float(0.0, 1.0)", "seed is 0 now"]


@pytest.mark.parametrize("count", [0, 1])
def test_the_same_call_again_writes_nothing(path: Path, count: int) -> None:
    tell_all(make(path), count)
    changed(path, {**ADDED, "x": "float(0, 2)"}, drop="y")
    before = path.read_bytes()
    changed(path, {**ADDED, "x": "float(0, 2)"}, drop="y")
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"drop": "z"}, UsageError, "study 'study' has no parameter z that could be dropped; it has x, y"),
        ({"drop": "momentum"}, UsageError, "no parameter momentum that could be dropped"),
        ({"drop": "wd", "params": {"wdx": "1 | 2"}}, UsageError, "no parameter wd that could be dropped"),
        ({"drop": ["x", "y"]}, UsageError, "would have no parameters left"),
        ({"drop": "x", "params": {"x": "float(0, 2)"}}, UsageError, "x is both declared and dropped; leave one out"),
        ({"params": {"x": "log(0.1, 1)"}}, ConflictError, "parameter 'x' of study 'study' has another kind, scale"),
    ],
)
def test_a_change_that_can_not_be_is_refused_and_writes_nothing(
    path: Path, given: dict[str, Any], error: type[JournaltuneError], message: str
) -> None:
    tell_all(make(path), 1)
    before = path.read_bytes()
    with pytest.raises(error) as caught:
        changed(path, **given)
    assert message in str(caught.value)
    assert path.read_bytes() == before


def test_a_parameter_is_dropped_from_a_study_that_is_there(path: Path) -> None:
    with pytest.raises(UsageError, match="no study 'study' yet"):
        changed(path, PARAMS, drop="x")
    assert not path.exists()
    with pytest.raises(UsageError, match="exist_ok"):
        create_study(path, params=PARAMS, drop="x")
    assert not path.exists()


def test_a_clash_with_a_parameter_that_stays_is_found_before_anything_is_written(path: Path) -> None:
    create(path, space=space_from_params({"a.b": "float(0, 1)"}))
    before = path.read_bytes()
    with pytest.raises(SpaceError, match="a shell would see it as JT_a_b"):
        create(path, space=space_from_params({"a-b": "float(0, 1)"}), exist_ok=True, check_space=Space.shell_names)
    assert path.read_bytes() == before


class TestWithoutAName:
    def test_the_only_study_is_taken_whatever_it_is_called(self, path: Path) -> None:
        make(path, study_name="digits")
        renamed = path.rename(path.with_name("run1.journal"))
        assert changed(renamed, ADDED).study_name == "digits"
        assert list(specs(load_study(renamed))) == ["x", "y", "z"]

    def test_of_several_it_is_the_one_called_after_the_file(self, path: Path) -> None:
        make(path, study_name="digits")
        make(path, study_name="study")
        assert changed(path, ADDED).study_name == "study"

    def test_else_they_are_named(self, path: Path) -> None:
        for name in ("a", "b"):
            make(path, study_name=name)
        before = path.read_bytes()
        with pytest.raises(UsageError, match="'a', 'b'; name one with --study"):
            changed(path, ADDED)
        assert path.read_bytes() == before

    def test_a_name_that_is_given_makes_another_one(self, path: Path) -> None:
        make(path, study_name="a")
        assert changed(path, ADDED, study_name="b").study_name == "b"
        with pytest.raises(NotFoundError):
            load_study(path, "study")


@pytest.mark.parametrize(("sampler", "options"), SAMPLERS)
@pytest.mark.parametrize("change", [{"params": ADDED}, {"drop": "y"}, {"params": ADDED, "drop": "y"}, {"params": {"k": "= 3"}}])
def test_every_sampler_goes_on_and_every_suggestion_verifies(
    path: Path, sampler: str, options: dict[str, Any], change: dict[str, Any]
) -> None:
    tell_all(make(path, sampler, options), 8)
    study = changed(path, **change)
    study.ask()
    names = list(specs(study))
    assert all(list(params) == names for params in tell_all(study, 4))
    assert study.verify().difference is None


@pytest.mark.parametrize(("sampler", "count"), [("tpe", 30), ("gp", 12)])
@pytest.mark.parametrize("change", [{"params": ADDED}, {"drop": "y"}])
def test_a_model_learns_from_what_earlier_trials_have_of_the_parameters(
    path: Path, sampler: str, count: int, change: dict[str, Any]
) -> None:
    tell_all(make(path, sampler), count)
    after = tell_all(changed(path, **change), 5)
    anew = tell_all(make(path.with_name("b"), sampler, params={**ADDED, **PARAMS}), 5)
    off = [sorted(abs(params["x"] - 0.2) for params in some)[2] for some in (after, anew)]
    assert off[0] < 0.1 < off[1]


def unseen(path: Path, sampler: str, options: dict[str, Any], params: dict[str, str], count: int) -> Study:
    """A study with these parameters from the start, whose first trials say nothing."""
    study = make(path, sampler, options, params=params)
    for _ in range(count):
        study.tell(study.ask(), state="fail", reason="interrupted")
    return study


@pytest.mark.parametrize(("sampler", "options"), [("nsgaii", {"population_size": 4}), ("nsgaiii", {"population_size": 4}), CMAES])
def test_a_generation_has_no_member_that_lacks_a_parameter(path: Path, sampler: str, options: dict[str, Any]) -> None:
    tell_all(make(path, sampler, options), 9)
    other = unseen(path.with_name("b"), sampler, options, {**PARAMS, **ADDED}, 9)
    assert tell_all(changed(path, ADDED), 13) == tell_all(other, 13)


@needs_cmaes
@pytest.mark.parametrize("margin", [False, True])
def test_cmaes_begins_anew_with_fewer_parameters(path: Path, margin: bool) -> None:
    options = {"popsize": 4, "with_margin": margin}
    tell_all(make(path, "cmaes", options, params={**PARAMS, **ADDED, "n": "int(0, 9)"}), 9)
    other = unseen(path.with_name("b"), "cmaes", options, {**PARAMS, "n": "int(0, 9)"}, 9)
    assert tell_all(changed(path, drop="z"), 13) == tell_all(other, 13)


@pytest.mark.parametrize(("sampler", "key"), [("nsgaii", "generation"), ("nsgaiii", "NSGAIIISampler:generation")])
def test_a_generation_stays_whole_when_a_parameter_is_dropped(path: Path, sampler: str, key: str) -> None:
    tell_all(make(path, sampler, {"population_size": 4}), 9)
    study = changed(path, drop="y")
    tell_all(study, 1)
    assert [int(trial.system_attrs[key]) for trial in study.trials] == [0] * 4 + [1] * 4 + [2] * 2


@pytest.mark.parametrize("change", [{"params": ADDED}, {"drop": "y"}])
def test_random_search_suggests_what_it_would_have_without_a_change(path: Path, change: dict[str, Any]) -> None:
    tell_all(make(path), 6)
    after = changed(path, **change)
    assert tell_all(after, 5) == tell_all(unseen(path.with_name("b"), "random", {}, specs(after), 6), 5)


@needs_scipy
@pytest.mark.parametrize("change", [{"params": ADDED}, {"drop": "y"}])
def test_a_sequence_begins_anew_in_its_new_dimension(path: Path, change: dict[str, Any]) -> None:
    tell_all(make(path, "qmc"), 6)
    after = changed(path, **change)
    assert tell_all(after, 5) == tell_all(make(path.with_name("b"), "qmc", params=specs(after)), 5)


@pytest.mark.parametrize("sampler", ["grid", "bruteforce"])
@pytest.mark.parametrize(
    ("change", "names"),
    [({"drop": "y"}, ["x"]), ({"params": {"z": "c | d"}}, ["x", "y", "z"]), ({"params": {"x": "int(2, 4)"}}, ["x", "y"])],
)
def test_every_combination_of_what_is_left_is_tried_once(
    path: Path, sampler: str, change: dict[str, Any], names: list[str]
) -> None:
    study = make(path, sampler, params=FINITE)
    tried = [tuple(params.values()) for params in tell_all(study, 4)]
    study = changed(path, **change)
    values = {"x": [2, 3, 4] if "x" in change.get("params", {}) else [1, 2, 3], "y": ["a", "b"], "z": ["c", "d"]}
    left = set(product(*[values[name] for name in names])) - (set(tried) if names == ["x", "y"] else set())
    asked = [tuple(params.values()) for params in tell_all(study, len(left))]
    assert (set(asked), len(asked)) == (left, len(left))
    with pytest.raises(ExhaustedError):
        study.ask()


def test_a_model_sees_a_row_of_what_each_trial_has(path: Path) -> None:
    study = make(path, "gp")
    study.enqueue({"x": 0.25, "y": 0.5})
    study.tell(study.ask(), 1.0)
    study = changed(path, ADDED, drop="x")
    study.enqueue({"y": 0.75, "z": 1.0})
    study.tell(study.ask(), 2.0)
    observed = observe(History(study._study.state(), "worst"), study._study.varied)
    assert repr(observed.rows) == "[[0.5, nan], [0.75, 1.0]]"


def test_a_trial_with_a_dropped_parameter_is_no_duplicate(path: Path) -> None:
    study = make(path, params=FINITE, duplicates="resample")
    tell_all(study, 6)
    with pytest.raises(ExhaustedError):
        study.ask()
    study = changed(path, drop="y")
    assert sorted(params["x"] for params in tell_all(study, 3)) == [1, 2, 3]
    assert [trial.number for trial in study.lookup({"x": 1})] == [
        number for number in (6, 7, 8) if study.trials[number].params["x"] == 1
    ]
    with pytest.raises(ExhaustedError):
        study.ask()


def test_a_queued_trial_is_asked_without_what_was_dropped_since(path: Path) -> None:
    study = make(path)
    study.enqueue({"x": 0.25, "y": 0.75})
    running = study.ask()
    study.enqueue({"x": 0.5, "y": 0.75})
    changed(path, ADDED, drop="y")
    asked = study.ask()
    assert (list(asked.params), asked.params["x"]) == (["x", "z"], 0.5)
    study.tell(running, 1.0)
    assert study.trials[0].params == {"x": 0.25, "y": 0.75}


def test_a_dropped_parameter_can_come_back_as_what_it_was(path: Path) -> None:
    tell_all(make(path), 2)
    changed(path, drop="y")
    with pytest.raises(ConflictError):
        changed(path, {"y": "a | b"})
    assert list(changed(path, {"y": "float(0, 1)"}).ask().params) == ["x", "y"]
