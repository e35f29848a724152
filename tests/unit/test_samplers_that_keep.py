"""Samplers that keep something: it stands in the records of the asks, and decides what comes next, and when nothing does."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from searching import PARAMS, make, needs_cmaes, needs_scipy, next_ones, tell_all

from journaltune import create_study, load_study
from journaltune.base.errors import ExhaustedError, UsageError
from journaltune.space import space_from_params
from journaltune.suggest.choose import history, sampler_of
from journaltune.suggest.history import STUDY_ATTRS, History
from journaltune.suggest.samplers.generations import mended
from journaltune.suggest.samplers.optuna_view import TrialsView

SMALL = {"x": "float(0, 0.3, step=0.1)", "c": "a | 1 | true"}
EVOLUTION = [
    ("nsgaii", {"population_size": 4}, "generation"),
    ("optuna.NSGAIISampler", {"population_size": 4}, "NSGAIISampler:generation"),
    ("nsgaiii", {"population_size": 4}, "NSGAIIISampler:generation"),
    pytest.param("cmaes", {"popsize": 4}, "cma:generation", marks=needs_cmaes),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "study.journal"


@pytest.mark.parametrize("sampler", ["grid", "bruteforce"])
def test_every_combination_is_asked_for_once_and_then_no_more(path: Path, sampler: str) -> None:
    study = make(path, sampler, params=SMALL)
    asked = []
    for number in range(12):
        asked.append(study.ask())
        if number % 2:
            study.tell(number, **({"state": "fail"} if number % 3 else {"values": 1.0}))
    assert len({repr(trial.params) for trial in asked}) == 12
    for each in (study, load_study(path)):
        with pytest.raises(ExhaustedError, match="all 12 combinations"):
            each.ask()
    assert len(study.trials) == 12


@pytest.mark.parametrize("sampler", ["grid", "bruteforce"])
@pytest.mark.parametrize("failures", ["worst", "ignore"])
def test_what_was_interrupted_comes_again_and_what_failed_does_not(path: Path, sampler: str, failures: str) -> None:
    study = make(path, sampler, params=SMALL, failures=failures)
    asked = [study.ask() for _ in range(12)]
    study.tell(3, state="fail", reason="oom")
    study.tell(4, state="fail", reason="interrupted")
    study.tell(5, state="pruned")
    again = study.ask()
    assert again.params == asked[4].params
    with pytest.raises(ExhaustedError):
        study.ask()


@pytest.mark.parametrize("sampler", ["grid", "bruteforce"])
def test_an_enqueued_combination_counts(path: Path, sampler: str) -> None:
    study = make(path, sampler, params=SMALL)
    study.enqueue({"x": 0.2 + 1e-12, "c": True})
    asked = [study.ask() for _ in range(12)]
    assert len({(round(trial.params["x"], 9), repr(trial.params["c"])) for trial in asked}) == 12
    with pytest.raises(ExhaustedError):
        study.ask()


@pytest.mark.parametrize("sampler", ["grid", "bruteforce"])
def test_a_space_of_one_point_is_exhausted_after_it(path: Path, sampler: str) -> None:
    study = make(path, sampler, params={"c": "choice(only)"})
    assert study.ask().params == {"c": "only"}
    with pytest.raises(ExhaustedError):
        study.ask()


def test_a_grid_has_the_values_it_is_given_and_its_attributes_are_optunas(path: Path) -> None:
    study = make(path, "grid", {"search_space": {"x": [0.25, 0.5], "c": ["b", 1]}}, params={"x": "float(0, 1)", "c": "a | b | 1"})
    asked = [study.ask().params for _ in range(4)]
    assert {(params["x"], repr(params["c"])) for params in asked} == {(0.25, "'b'"), (0.5, "'b'"), (0.25, "1"), (0.5, "1")}
    attrs = [trial.system_attrs for trial in study.trials]
    assert [each["grid_id"] for each in attrs] == [0, 1, 2, 3]
    assert all(each["search_space"] == {"x": [0.25, 0.5], "c": ["b", 1]} for each in attrs)


@pytest.mark.parametrize(
    ("sampler", "params", "options", "message"),
    [
        ("grid", PARAMS, {}, "continuous"),
        ("bruteforce", PARAMS, {}, "continuous"),
        ("grid", {"a": "int(1, 500)", "b": "int(1, 500)"}, {}, "250000 combinations"),
        ("bruteforce", {"a": "int(1, 1000000)"}, {}, "1000000 values"),
        ("grid", SMALL, {"search_space": {"x": [0.1]}}, "values for parameter 'c'"),
        ("grid", SMALL, {"search_space": {"x": [0.15], "c": [1]}}, "0.15"),
        ("grid", SMALL, {"search_space": {"x": [0.1, 0.1], "c": [1]}}, "twice"),
        ("bruteforce", SMALL, {"avoid_premature_stop": True}, "not offered"),
    ],
)
def test_what_can_not_be_tried_whole_is_refused_at_once(
    path: Path, sampler: str, params: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        make(path, sampler, options, params=params)
    assert not path.exists()


@pytest.mark.parametrize(("sampler", "options", "key"), EVOLUTION)
def test_generations_are_of_complete_trials_and_what_failed_is_no_member(
    path: Path, sampler: str, options: dict[str, Any], key: str
) -> None:
    lucky, study = (make(path, sampler, options, study_name=name) for name in ("lucky", "unlucky"))
    tell_all(lucky, 13)
    for number in range(20):
        trial = study.ask()
        told = {"state": "fail"} if number % 3 == 1 else {"state": "pruned"} if number % 5 == 4 else {"values": trial.params["x"]}
        if number % 7 != 6:  # the rest goes on running
            study.tell(trial, **told)
    for each in (lucky, study):
        n_complete: dict[int, int] = {}
        for trial in each.trials:
            generation = int(trial.system_attrs.get(key, 0))
            # CMA-ES numbers a trial after a draw from a whole generation; all draw from those before it.
            assert n_complete.get(generation - 1, 4) >= (4 if generation else 0)
            if trial.state.name == "COMPLETE" and key in trial.system_attrs:
                n_complete[generation] = n_complete.get(generation, 0) + 1
        assert max(n_complete) >= 2


@pytest.mark.parametrize(("sampler", "options", "key"), EVOLUTION)
def test_running_and_failed_trials_change_nothing_but_the_seed(
    path: Path, sampler: str, options: dict[str, Any], key: str
) -> None:
    study = make(path, sampler, options)
    tell_all(study, 14)
    opened = load_study(path)._study
    before = History(opened.state(), "worst")
    found = [sampler_of(opened).suggest(before, opened.varied, 50, seed, 0) for seed in range(4)]
    study.ask()
    study.tell(study.ask(), state="fail")
    study.tell(study.ask(), state="pruned")
    opened = load_study(path)._study
    again = [sampler_of(opened).suggest(History(opened.state(), "worst"), opened.varied, 50, seed, 0) for seed in range(4)]
    assert again == found


@pytest.mark.parametrize(("sampler", "options", "key"), EVOLUTION[:3])
def test_parents_are_chosen_once_and_late_results_do_not_change_them(
    path: Path, sampler: str, options: dict[str, Any], key: str
) -> None:
    study = make(path, sampler, options, directions=["minimize", "maximize"])
    late = study.ask()
    tell_all(study, 5)
    chosen = [trial for trial in study.trials if STUDY_ATTRS in trial.system_attrs]
    assert [int(trial.system_attrs[key]) for trial in chosen] == [1]
    (parents,) = chosen[0].system_attrs[STUDY_ATTRS]["attrs"].values()
    assert set(parents) <= set(range(5))
    before = next_ones(study)
    study.tell(late, [-1e6, 1e6])
    assert next_ones(study) == before


@pytest.mark.parametrize(("sampler", "options", "key"), EVOLUTION)
def test_an_enqueued_trial_is_a_member_of_its_generation(path: Path, sampler: str, options: dict[str, Any], key: str) -> None:
    study = make(path, sampler, options)
    tell_all(study, 1)
    study.enqueue({"x": 0.25, "y": 0.75})
    study.enqueue({"x": 0.5})
    tell_all(study, 2)
    first, second = study.trials[1:]
    assert first.params == {"x": 0.25, "y": 0.75}
    assert second.params["x"] == 0.5
    assert key in first.system_attrs
    assert key in second.system_attrs


@pytest.mark.parametrize(("sampler", "options", "key"), EVOLUTION)
def test_evolution_goes_on_when_the_space_moves(path: Path, sampler: str, options: dict[str, Any], key: str) -> None:
    study = make(path, sampler, options)
    tell_all(study, 13)
    for spec in ("float(0.4, 2)", "float(10, 20)", "float(0, 20)"):
        study = create_study(path, params={**PARAMS, "y": spec}, exist_ok=True)
        tell_all(study, 10)
    assert study.verify().difference is None


def test_what_comes_after_a_generation_that_lost_members_is_of_none() -> None:
    sampler = optuna.samplers.NSGAIISampler(population_size=2, seed=1)
    key, parents = "NSGAIISampler:generation", "NSGAIISampler:parent:"

    def trial(number: int, generation: int) -> optuna.trial.FrozenTrial:
        found = optuna.trial.create_trial(value=1.0, system_attrs={key: generation, "other": 1})
        found.number = found._trial_id = number
        return found

    whole = [trial(number, number // 2) for number in range(5)]
    attrs = {f"{parents}1": [0, 1], f"{parents}2": [1, 3], "other": [9]}
    assert mended(sampler, whole, attrs) == (whole, attrs)
    found, kept = mended(sampler, [whole[number] for number in (0, 1, 3, 4)], attrs)
    assert [each.system_attrs.get(key) for each in found] == [0, 0, 1, None]
    assert kept == attrs
    found, kept = mended(sampler, whole[1:], attrs)
    assert [each.system_attrs.get(key) for each in found] == [0, None, None, None]
    assert kept == {f"{parents}2": [1, 3], "other": [9]}
    assert whole[4].system_attrs == {key: 2, "other": 1}


@needs_cmaes
@pytest.mark.parametrize("options", [{}, {"with_margin": True}, {"use_separable_cma": True}, {"lr_adapt": True}])
def test_cma_es_learns_and_leaves_no_pickle(path: Path, options: dict[str, Any]) -> None:
    study = make(path, "cmaes", {"popsize": 6, **options}, params={**PARAMS, "n": "int(0, 40)"})
    for _ in range(90):
        trial = study.ask()
        study.tell(trial, (trial.params["x"] - 0.2) ** 2 + (trial.params["y"] - 0.7) ** 2 + (trial.params["n"] - 9) ** 2 / 1600)
    assert min(trial.value or 0.0 for trial in study.trials[:30]) > 4 * study.best_value
    assert b"optimizer" not in path.read_bytes()


@needs_cmaes
def test_a_pickle_in_somebody_elses_journal_is_never_loaded(path: Path, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "was here",))

    for sampler in ("cmaes", "optuna.CmaEsSampler"):
        stock = optuna.create_study(
            storage=JournalStorage(JournalFileBackend(str(path))),
            study_name=sampler,
            sampler=optuna.samplers.RandomSampler(seed=1),
        )
        for _ in range(8):
            trial = stock.ask({name: optuna.distributions.FloatDistribution(0, 1) for name in PARAMS})
            stock._storage.set_trial_system_attr(trial._trial_id, "cma:optimizer:0", pickle.dumps(Evil()).hex())
            stock._storage.set_trial_system_attr(trial._trial_id, "cma:generation", 0)
            stock.tell(trial, 1.0)
        tell_all(make(path, sampler, {"popsize": 4}, study_name=sampler, exist_ok=True), 8)
        opened = load_study(path, sampler)._study
        visible = TrialsView(space_from_params(PARAMS).distributions, "complete", False, None).trials(history(opened, 16), 0)
        assert [list(each.system_attrs) for each in visible] == [["cma:generation"]] * 16
    assert not (tmp_path / "was here").exists()


@needs_scipy
def test_a_sequence_goes_on_whatever_becomes_of_its_trials(path: Path) -> None:
    plain, troubled = (make(path, "qmc", study_name=name) for name in ("plain", "troubled"))
    tell_all(plain, 16)
    for number in range(16):
        trial = troubled.ask()
        if number % 3:
            troubled.tell(trial, state="fail", reason="interrupted" if number % 2 else "oom")
    assert [trial.params for trial in troubled.trials] == [trial.params for trial in plain.trials]
    # The first 16 points of Sobol's sequence: one in each sixteenth, in either dimension.
    for name in PARAMS:
        assert sorted(int(trial.params[name] * 16) for trial in plain.trials) == list(range(16))


@needs_scipy
def test_an_enqueued_trial_moves_a_sequence_on_only_where_it_needed_it(path: Path) -> None:
    plain, study = (make(path, "qmc", study_name=name) for name in ("plain", "enqueued"))
    tell_all(plain, 4)
    study.ask()
    study.enqueue({"x": 0.125, "y": 0.125})
    study.enqueue({"x": 0.875})
    asked = [study.ask().params for _ in range(4)]
    points = [trial.params for trial in plain.trials]
    assert asked == [{"x": 0.125, "y": 0.125}, {**points[1], "x": 0.875}, points[2], points[3]]
