"""What a study does when its sampler suggests parameters again: allow, reuse, resample; and replicates of noisy objectives."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import optuna
import pytest
import readers
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

import journaltune.engine.ask as ask_module
from journaltune import create_study, load_study
from journaltune.api.study import Study
from journaltune.base.errors import ExhaustedError, NotFoundError, UsageError

SMALL = {"x": "float(0, 1, step=0.25)", "c": "a | 1 | true | '1'"}  # 20 combinations


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "study.journal"


def make(path: Path, **options: Any) -> Study:
    return create_study(path, **{"params": SMALL, "sampler": "tpe", "seed": 1, **options})


def spelled(params: dict[str, Any]) -> str:
    return json.dumps(params, sort_keys=True)


def ask_all(study: Study, most: int = 200) -> list[dict[str, Any]]:
    """The parameters of every trial that was handed out until the space was exhausted."""
    asked: list[dict[str, Any]] = []
    for _ in range(most):
        try:
            trial = study.ask()
        except ExhaustedError:
            return asked
        asked.append(trial.params)
        study.tell(trial, trial.params.get("x", 0.0))
    raise AssertionError(f"{most} trials, and still not exhausted")


@pytest.mark.parametrize("policy", ["reuse", "resample"])
@pytest.mark.parametrize("sampler", ["tpe", "random", "nsgaii", "optuna.TPESampler"])
def test_a_finite_space_is_asked_once_each_and_then_exhausted(path: Path, policy: str, sampler: str) -> None:
    study = make(path, duplicates=policy, sampler=sampler)
    asked = ask_all(study)
    assert len(asked) == len({spelled(params) for params in asked}) == 20
    with pytest.raises(ExhaustedError, match="all 20 combinations"):
        load_study(path).ask()
    assert study.verify().difference is None


def test_without_a_policy_parameters_come_again(path: Path) -> None:
    study = make(path)
    for _ in range(60):
        study.tell(study.ask(), 0.0)
    assert len({spelled(trial.params) for trial in study.trials}) < 60
    assert not any(trial.user_attrs for trial in study.trials)


def test_resample_leaves_no_trial_behind(path: Path) -> None:
    study = make(path, duplicates="resample", sampler="auto")
    ask_all(study)
    assert len(study.trials) == 20
    assert not any(trial.user_attrs for trial in study.trials)


def test_reuse_records_the_duplicate_with_its_result_for_every_reader(path: Path) -> None:
    study = make(path, duplicates="reuse", directions=["minimize", "maximize"])
    for _ in range(18):
        trial = study.ask()
        study.tell(trial, [trial.params["x"], 1.0], constraints={"c": trial.params["x"] - 0.5})
    recorded = [trial for trial in study.trials if "duplicate_of" in trial.user_attrs]
    assert recorded
    by_number = {trial.number: trial for trial in study.trials}
    for trial in recorded:
        first = by_number[trial.user_attrs["duplicate_of"]]
        assert first.number < trial.number
        assert spelled(trial.params) == spelled(first.params)
        assert (trial.state, trial.values, trial.constraints) == (first.state, first.values, first.constraints)
        assert trial.datetime_complete == trial.datetime_start
    assert readers.by_us(path) == readers.by_optuna(path)
    assert readers.plain_by_us(path) == readers.plain_by_rustuna(path)


def test_what_is_running_is_drawn_again(path: Path) -> None:
    study = make(path, duplicates="reuse")
    running = [study.ask().params for _ in range(20)]
    assert len({spelled(params) for params in running}) == 20
    assert len(study.trials) == 20
    with pytest.raises(ExhaustedError, match="or is trying them"):
        study.ask()


def test_pruned_and_failed_trials_count_as_tried_and_interrupted_ones_do_not(path: Path) -> None:
    study = make(path, params={"c": "a | b | c"}, duplicates="resample")
    ends: list[dict[str, Any]] = [
        {"state": "pruned"},
        {"state": "fail", "reason": "oom"},
        {"state": "fail", "reason": "interrupted"},
    ]
    asked = []
    for end in ends:
        trial = study.ask()
        asked.append(trial.params["c"])
        study.tell(trial, **end)
    assert len(set(asked)) == 3
    again = study.ask()
    assert again.params["c"] == asked[2]
    study.tell(again, 1.0)
    with pytest.raises(ExhaustedError):
        study.ask()


def test_a_failure_is_reused_as_a_failure(path: Path) -> None:
    study = make(path, params={"c": "a | b"}, duplicates="reuse", sampler="random")
    failed = study.ask()
    study.tell(failed, state="fail", reason="oom")
    other = study.ask()
    assert other.params != failed.params
    recorded = [trial for trial in study.trials if trial.user_attrs.get("duplicate_of") == failed.number]
    assert all(trial.state.name == "FAIL" and trial.values is None for trial in recorded)


class Stubborn(optuna.samplers.RandomSampler):
    """Suggests the same for ever, whatever its seed."""

    def sample_independent(self, study: Any, trial: Any, name: str, distribution: Any) -> Any:
        return distribution.low


def test_a_sampler_that_repeats_itself_is_left_for_the_unseen_rest(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "stubborn", sys.modules[__name__])
    study = make(path, params={"x": "float(0, 1)", "n": "int(0, 3)"}, duplicates="resample", sampler="stubborn:Stubborn")
    asked = [study.ask().params for _ in range(30)]
    assert asked[0] == {"x": 0.0, "n": 0}
    assert len({spelled(params) for params in asked}) == 30
    finite = make(path, study_name="finite", params={"n": "int(0, 30)"}, duplicates="reuse", sampler="stubborn:Stubborn")
    for _ in range(31):
        finite.tell(finite.ask(), 0.0)
    with pytest.raises(ExhaustedError):
        finite.ask()
    n_recorded = sum("duplicate_of" in trial.user_attrs for trial in finite.trials)
    assert 0 < n_recorded <= 8 * 31


def test_a_huge_finite_space_is_not_laid_out(path: Path) -> None:
    study = make(path, params={f"n{i}": "int(0, 1000000)" for i in range(20)}, duplicates="resample", sampler="random")
    assert len({spelled(study.ask().params) for _ in range(5)}) == 5


@pytest.mark.parametrize("policy", ["reuse", "resample"])
def test_interrupted_and_resumed_it_asks_the_same(path: Path, tmp_path: Path, policy: str) -> None:
    whole = make(path, duplicates=policy)
    asked = ask_all(whole)
    other = tmp_path / "other.journal"
    make(other, duplicates=policy, study_name="study").close()
    for params in asked:
        with load_study(other) as study:
            trial = study.ask()
            assert trial.params == params
            study.tell(trial, trial.params["x"])
    with pytest.raises(ExhaustedError):
        load_study(other).ask()
    assert [trial.user_attrs for trial in load_study(other).trials] == [trial.user_attrs for trial in whole.trials]


def test_with_a_lag_results_that_are_not_known_yet_count_as_running(path: Path) -> None:
    study = make(path, duplicates="reuse", lag=3)
    asked = []
    for _ in range(15):
        trial = study.ask()
        asked.append(trial.params)
        study.tell(trial, 0.0)
    assert len({spelled(params) for params in asked}) == 15
    verdict = study.verify()
    assert verdict.difference is None
    assert verdict.n_verified == len(study.trials)


def test_the_budget_counts_recorded_duplicates(path: Path) -> None:
    study = make(path, duplicates="reuse", sampler="random")
    with pytest.raises(ExhaustedError, match="has its 12 trials"):
        all(study.tell(study.ask(max_trials=12), 0.0) for _ in range(100))
    assert len(study.trials) == 12
    assert any("duplicate_of" in trial.user_attrs for trial in study.trials)


def test_an_enqueued_duplicate_takes_the_result_that_is_there(path: Path) -> None:
    study = make(path, duplicates="reuse")
    first = study.ask()
    study.tell(first, 3.5)
    number = study.enqueue(first.params)
    assert study.ask().number != number
    trial = study.trials[number or 0]
    assert (trial.values, trial.user_attrs) == ([3.5], {"duplicate_of": first.number})
    assert study.verify().difference is None


def test_an_enqueued_trial_waits_while_its_twin_is_running(path: Path) -> None:
    study = make(path, duplicates="resample")
    running = study.ask()
    number = study.enqueue(running.params)
    between = study.ask()
    assert between.number not in (running.number, number)
    study.tell(running, state="fail", reason="interrupted")
    assert study.ask().number == number
    assert study.verify().difference is None


def test_what_failed_is_tried_again_when_it_is_enqueued(path: Path) -> None:
    study = make(path, duplicates="reuse")
    failed = study.ask()
    study.tell(failed, state="fail", reason="oom")
    number = study.enqueue(failed.params)
    assert study.ask().number == number


def test_the_rest_of_an_enqueued_trial_is_drawn_again_while_it_makes_a_duplicate(path: Path) -> None:
    study = make(path, params={"c": "a | b", "d": "a | b"}, duplicates="resample", sampler="random")
    study.enqueue({"c": "a", "d": "a"})
    study.tell(study.ask(), 0.0)
    for number in range(8):  # at least one of so many first draws would have been the duplicate
        study.enqueue({"c": "a"})
        trial = study.ask()
        assert trial.params == {"c": "a", "d": "b"}, number
        study.tell(trial, state="fail", reason="interrupted")


def test_skipping_what_exists_looks_at_parameters_of_any_state(path: Path) -> None:
    study = make(path)
    running = study.ask()
    assert study.enqueue(running.params, skip_if_exists=True) is None
    assert study.enqueue({"x": 0.25}, skip_if_exists=True) == 1
    assert study.enqueue({"x": 0.25}, skip_if_exists=True) is None
    study.tell(running, 1.0)
    assert study.enqueue(running.params, skip_if_exists=True) is None


def test_a_changed_twin_is_found_by_verify(path: Path) -> None:
    study = make(path, duplicates="reuse")
    ask_all(study)
    lines = path.read_bytes().splitlines(keepends=True)
    at = next(i for i, line in enumerate(lines) if b'"duplicate_of":' in line)
    record = json.loads(lines[at])
    record["user_attrs"] = {"duplicate_of": record["user_attrs"]["duplicate_of"] + 1}
    del record["crc"]
    lines[at] = json.dumps(record, separators=(",", ":")).encode() + b"\n"
    other = path.with_name("changed.journal")
    other.write_bytes(b"".join(lines[: at + 1]))
    difference = load_study(other).verify().difference
    assert difference is not None
    assert difference.what == "whose duplicate it is"
    assert difference.found == {"duplicate_of": difference.recomputed["duplicate_of"] + 1}


def test_a_policy_can_be_laid_over_a_study_of_optunas(path: Path) -> None:
    theirs = optuna.create_study(storage=JournalStorage(JournalFileBackend(str(path))), study_name="s")
    theirs.optimize(lambda trial: trial.suggest_categorical("c", ["a", "b", "c"]) == "a", n_trials=1)
    study = create_study(path, study_name="s", params={"c": "a | b | c"}, duplicates="resample", exist_ok=True)
    assert {study.ask().params["c"] for _ in range(2)} | {theirs.trials[0].params["c"]} == {"a", "b", "c"}
    with pytest.raises(ExhaustedError):
        study.ask()


def test_an_unknown_policy_is_refused(path: Path) -> None:
    with pytest.raises(UsageError, match="duplicates"):
        make(path, duplicates="never")
    with pytest.raises(UsageError, match="replicates is at least 1"):
        make(path, replicates=0)


class TestReplicates:
    def test_each_configuration_is_asked_so_often_with_other_seeds(self, path: Path) -> None:
        study = make(path, params={"x": "float(0, 1)"}, replicates=3)
        trials = [study.ask() for _ in range(4)]
        for trial in trials:
            study.tell(trial, trial.params["x"])
        trials += [study.ask() for _ in range(5)]
        assert [trial.params["x"] for trial in trials[::3]] == [trial.params["x"] for trial in trials[2::3]]
        assert len({trial.params["x"] for trial in trials}) == 3
        assert len({trial.seed for trial in trials}) == 9
        assert [trial.user_attrs for trial in study.trials[:4]] == [{}, {"replicate_of": 0}, {"replicate_of": 0}, {}]
        assert study.verify().n_verified == 9

    def test_the_best_is_that_of_the_best_mean_and_shows_the_spread(self, path: Path) -> None:
        study = make(path, params={"x": "float(0, 1)"}, replicates=2, directions="maximize")
        for value in (5.0, 1.0, 2.5, 3.7, 9.0):  # the 9 has one replicate only
            study.tell(study.ask(), value)
        best = study.best_trial
        assert (best.number, best.values) == (2, [pytest.approx(3.1)])
        assert best.user_attrs["replicates"] == 2
        assert best.user_attrs["spread"] == [pytest.approx(0.848528137423857)]
        assert study.best_value == pytest.approx(3.1)

    def test_before_any_configuration_is_whole_the_most_replicated_ones_count(self, path: Path) -> None:
        study = make(path, params={"x": "float(0, 1)"}, replicates=3)
        with pytest.raises(NotFoundError):
            _ = study.best_trial
        study.tell(study.ask(), 4.0)
        assert study.best_trial.user_attrs["spread"] == [None]

    def test_one_that_failed_is_not_tried_again_and_one_that_was_interrupted_is(self, path: Path) -> None:
        study = make(path, params={"x": "float(0, 1)"}, replicates=2)
        first = study.ask()
        study.tell(first, state="fail", reason="oom")
        second = study.ask()
        assert second.params != first.params
        study.tell(second, state="fail", reason="interrupted")
        third, fourth, fifth = study.ask(), study.ask(), study.ask()
        assert third.params == fourth.params != fifth.params

    def test_several_objectives_have_a_front_of_means(self, path: Path) -> None:
        study = make(path, params={"x": "float(0, 1)"}, replicates=2, directions=["minimize", "maximize"])
        for values in ([1.0, 1.0], [3.0, 1.0], [1.0, 0.0], [1.0, 0.0], [5.0, 0.0], [5.0, 0.0]):
            study.tell(study.ask(), values)
        assert [(trial.number, trial.values) for trial in study.best_trials] == [(0, [2.0, 1.0]), (2, [1.0, 0.0])]

    def test_they_go_together_with_a_policy(self, path: Path) -> None:
        study = make(path, params={"c": "a | b | c"}, replicates=2, duplicates="resample")
        assert sorted(params["c"] for params in ask_all(study)) == ["a", "a", "b", "b", "c", "c"]


def sibling(path: Path, name: str, seed: int, **settings: Any) -> Study:
    return create_study(path, study_name=name, params={"x": "int(0, 5)"}, sampler="random", seed=seed, **settings)


def test_in_all_studies_the_result_of_another_one_is_taken(path: Path) -> None:
    for trial in (one := sibling(path, "one", 1)).trials_iter(4):
        one.tell(trial, trial.params["x"] + 0.5, constraints={"c": -1.0})
    other = sibling(path, "other", 1, duplicates="reuse", all_studies=True)
    asked = []
    with contextlib.suppress(ExhaustedError):
        while True:
            trial = other.ask()
            asked.append(trial.params["x"])
            other.tell(trial, -1.0)
    tried = {trial.params["x"]: trial.number for trial in reversed(one.trials)}
    assert sorted([*tried, *asked]) == [0, 1, 2, 3, 4, 5]
    taken = [trial for trial in other.trials if trial.user_attrs.get("duplicate_in") == "one"]
    assert taken
    for trial in taken:
        assert (trial.value, trial.constraints) == (trial.params["x"] + 0.5, {"c": -1.0})
        assert one.trials[trial.user_attrs["duplicate_of"]].params == trial.params
    assert other.verify().difference is None
    assert one.verify().difference is None


def test_parallel_studies_ask_for_nothing_that_another_one_runs(path: Path) -> None:
    studies = [sibling(path, name, 7, duplicates="resample", all_studies=True) for name in ("one", "two", "three")]
    asked = [study.ask().params["x"] for _ in range(2) for study in studies]
    assert sorted(asked) == [0, 1, 2, 3, 4, 5]
    with pytest.raises(ExhaustedError):
        studies[0].ask()
    assert all(study.verify().difference is None for study in studies)


def test_what_another_study_asks_for_between_the_choice_and_the_lock_is_not_asked_for(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = (sibling(path, name, 7, duplicates="resample", all_studies=True) for name in ("one", "two"))
    choose, between = ask_module.choose, []

    def choose_and_wait(study: Any, number: int) -> Any:
        choice = choose(study, number)
        if not between:
            between.append(None)
            between[0] = load_study(path, "two").ask().params
        return choice

    monkeypatch.setattr(ask_module, "choose", choose_and_wait)
    asked = one.ask().params
    assert asked != between[0]
    assert len(two.trials) == 1
    assert one.verify().difference is two.verify().difference is None


def test_studies_with_another_space_or_goal_are_no_siblings(path: Path) -> None:
    create_study(path, study_name="wide", params={"x": "int(0, 6)"}, sampler="random", seed=1).ask()
    sibling(path, "other way", 1, directions="maximize").ask()
    study = sibling(path, "study", 1, duplicates="resample", all_studies=True)
    assert sorted(study.ask().params["x"] for _ in range(6)) == [0, 1, 2, 3, 4, 5]


def test_all_studies_needs_a_policy_and_no_lag(path: Path) -> None:
    with pytest.raises(UsageError, match="say duplicates"):
        sibling(path, "one", 1, all_studies=True)
    with pytest.raises(UsageError, match="with a lag"):
        sibling(path, "one", 1, all_studies=True, duplicates="reuse", lag=2)
