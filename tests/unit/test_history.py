"""What a sampler sees of a study: complete trials in the order they finished, the others with the worst values imputed."""

from __future__ import annotations

from pathlib import Path
from sys import float_info
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from journaltune import create_study, load_study
from journaltune.api.study import Study
from journaltune.base import derive_seed
from journaltune.base.constraints import constraints_in
from journaltune.suggest.history import STUDY_ATTRS, History

NAN, INF = float("nan"), float("inf")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "study.journal"


def make(path: Path, n_running: int, **options: Any) -> Study:
    study = create_study(path, **{"params": {"x": "float(0, 1)"}, "seed": 1, **options})
    for _ in range(n_running):
        study.ask()
    return study


def history_of(path: Path, failures: str = "worst") -> History:
    return History(load_study(path)._study.state(), failures)


def xs(study: Study, *numbers: int) -> list[list[float]]:
    trials = study.trials
    return [[trials[number].params["x"]] for number in numbers]


def test_complete_trials_stand_in_the_order_in_which_they_finished(path: Path) -> None:
    study = make(path, 4)
    for number in (2, 0, 3):
        study.tell(number, float(number))
    found = list(history_of(path).complete())
    assert [list(params) for _, _, params, _, _ in found] == xs(study, 2, 0, 3)
    assert [list(values) for _, _, _, values, _ in found] == [[2.0], [0.0], [3.0]]
    assert {shape for _, shape, _, _, _ in found} == {
        (("x", '{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}'),)
    }


def test_the_rest_of_the_complete_trials_is_what_came_after(path: Path) -> None:
    study = make(path, 6)
    for number in (5, 4, 3, 1):
        study.tell(number, **({"state": "fail"} if number == 4 else {"values": float(number)}))
    history = history_of(path)
    assert history.n_finished() == 4
    for skip, values in enumerate(([5, 3, 1], [3, 1], [3, 1], [1], [])):
        assert [told for _, _, _, (told,), _ in history.complete(skip)] == values


@pytest.mark.parametrize("failures", ["worst", "ignore"])
def test_failed_and_pending_trials_are_imputed_unless_they_say_nothing(path: Path, failures: str) -> None:
    study = make(path, 8)
    study.tell(7, state="fail", reason="oom")
    study.tell(0, 1.0)
    study.tell(1, state="fail")
    study.tell(2, state="fail", reason="interrupted")
    study.tell(3, state="fail", reason="owner-died")
    study.tell(4, state="pruned")
    study.tell(5, NAN)
    study.enqueue({"x": 0.5})
    failed = (7, 1, 4, 5) if failures == "worst" else (4,)
    found = [list(params) for _, _, params in history_of(path, failures).imputed()]
    assert found == xs(study, *failed, 6)
    assert len(list(history_of(path, failures).complete())) == 1


def test_only_trials_that_really_came_to_an_end_are_observed(path: Path) -> None:
    study = make(path, 5)
    for number, told in enumerate(({"values": 1.0}, {"state": "pruned"}, {"state": "fail"}, {"reason": "interrupted"})):
        study.tell(number, **told)
    assert (history_of(path).n_observed(), history_of(path).n_finished()) == (2, 4)


def test_a_trial_without_params_is_invisible(path: Path) -> None:
    study = make(path, 1)
    worker = optuna.load_study(study_name="study", storage=JournalStorage(JournalFileBackend(str(path))))
    for _ in range(4):
        worker.ask()
    worker.tell(1, state=optuna.trial.TrialState.FAIL)
    worker.tell(2, state=optuna.trial.TrialState.PRUNED)
    worker.tell(3, 1.0)
    assert [list(params) for _, _, params in history_of(path).imputed()] == xs(study, 0)
    assert [list(params) for _, _, params, _, _ in history_of(path).complete() if params] == []


def test_infinities_are_the_largest_numbers(path: Path) -> None:
    study = make(path, 3, directions=["minimize", "maximize"])
    for number, values in enumerate(([INF, 1.0], [-INF, -INF], [0.5, INF])):
        study.to_optuna().tell(number, values)  # our own tell takes those that would be best for overflows
    most = float_info.max
    assert [list(values) for _, _, _, values, _ in history_of(path).complete()] == [[most, 1.0], [-most, -most], [0.5, most]]


@pytest.mark.parametrize("snapshot", [False, True])
def test_a_history_is_the_same_from_a_snapshot(path: Path, snapshot: bool) -> None:
    study = make(path, 9)
    for number in (3, 1, 2):
        study.tell(number, float(number), attrs={"filler": "x" * 70_000 if snapshot else ""})
    study.tell(4, state="fail", reason="oom")
    study.tell(5, state="fail", reason="interrupted")
    study.close()
    assert Path(f"{path}.d/snapshot").exists() == snapshot
    study.tell(6, 6.0)
    history = history_of(path)
    assert [list(values) for _, _, _, values, _ in history.complete()] == [[3.0], [1.0], [2.0], [6.0]]
    assert [list(params) for _, _, params in history.imputed()] == xs(study, 4, 0, 7, 8)
    assert (history.n_observed(), history.n_finished()) == (4, 6)


def test_directions_that_nobody_set_are_minimized(path: Path) -> None:
    make(path, 0, directions=["minimize", "maximize"])
    state = load_study(path)._study.state()
    assert History(state, "worst").directions == [1, 2]
    state.directions = [0, 2]
    assert History(state, "worst").directions == [1, 2]


def test_the_worst_is_found_for_each_objective_by_its_direction(path: Path) -> None:
    study = make(path, 0, directions=["minimize", "maximize"])
    assert History(study._study.state(), "worst").worst() is None
    for values, expected in (
        ([1.0, 1.0], [1.0, 1.0]),
        ([2.0, 2.0], [2.0, 1.0]),
        ([0.0, 0.0], [2.0, 0.0]),
        ([2.0, 0.0], [2.0, 0.0]),
    ):
        study.tell(study.ask(), values)
        assert History(study._study.state(), "worst").worst() == expected
    study.tell(study.ask(), state="fail")
    study.tell(study.ask(), [3.0, 1.0])
    assert History(study._study.state(), "worst").worst() == [3.0, 0.0]


def test_derived_seeds_differ_in_every_argument_and_stay_what_they_are() -> None:
    found = {derive_seed(seed, number, purpose) for seed in range(20) for number in range(50) for purpose in range(2)}
    assert len(found) == 2000
    assert all(0 <= seed < 2**64 for seed in found)
    # Pinned: a study goes on with the same suggestions under every version.
    assert [derive_seed(7, number, 0) for number in range(2)] == [11241344834629033336, 18143426351604549229]
    bits = [bin(derive_seed(0, n, 0) ^ derive_seed(0, n + 1, 0)).count("1") for n in range(200)]
    assert 28 < sum(bits) / len(bits) < 36


def test_every_attempt_is_visible_to_samplers_that_avoid_repeating(path: Path) -> None:
    study = make(path, 7)
    for number, told in enumerate(
        ({"values": 1.0}, {"state": "pruned"}, {"reason": "oom"}, {"reason": "interrupted"}, {"reason": "owner-died"})
    ):
        study.tell(number, **told)
    for failures in ("worst", "ignore"):
        history = history_of(path, failures)
        assert [(state, number) for state, (number, _, _) in history.finished()] == [(1, 0), (2, 1), (3, 2)]
        assert [number for number, _, _ in history.pending()] == [5, 6]
        assert [number for _, (number, _, _) in history.finished(2)] == [2]


@pytest.mark.parametrize("snapshot", [False, True])
def test_attributes_come_with_their_trials(path: Path, snapshot: bool) -> None:
    study = make(path, 4)
    study.tell(2, 2.0, constraints={"b": 1.0, "a": -2.0})
    study.tell(0, 0.0, attrs={"filler": "x" * 70_000 if snapshot else ""})
    study.tell(3, state="fail")
    study.close()
    study.tell(1, 1.0, constraints={"a": 3.0})
    found = [(number, constraints_in(attrs)) for number, _, _, _, attrs in history_of(path).complete()]
    assert found == [(2, {"a": -2.0, "b": 1.0}), (0, {}), (1, {"a": 3.0})]
    assert list(found[0][1]) == ["a", "b"]
    assert history_of(path).worst_constraints() == {"a": 3.0, "b": 1.0}
    assert [number for number, *_ in history_of(path).complete(4)] == []
    assert [number for number, *_ in history_of(path).complete(1)] == [0, 1]  # finished trial 2 is the failed one


def test_what_samplers_wrote_of_the_study_counts_in_the_order_of_writing(path: Path) -> None:
    study = make(path, 6)
    worker = optuna.load_study(study_name="study", storage=JournalStorage(JournalFileBackend(str(path))))
    worker._storage.set_study_system_attr(worker._study_id, "k", "the study's own")
    worker._storage.set_study_system_attr(worker._study_id, "S:parent:3", [1, 2])
    assert history_of(path).study_attrs() == {"k": "the study's own"}
    for number, place in ((4, 0), (1, 2), (3, 1)):
        attr = {"place": place, "attrs": {"k": place, f"by {number}": True}}
        worker._storage.set_trial_system_attr(number, STUDY_ATTRS, attr)
    worker._storage.set_trial_system_attr(5, STUDY_ATTRS, "of somebody else")
    study.tell(1, 1.0)
    study.tell(3, state="fail", reason="interrupted")
    history = history_of(path)
    assert history.study_attrs() == {"k": 2, "by 4": True, "by 1": True, "by 3": True}
    assert history.n_writes() == 3
