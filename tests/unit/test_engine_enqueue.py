"""Enqueued trials: queued by us or by stock Optuna, they are handed out in order, whole, once, and inside the declared space."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from journaltune import create_study, load_study
from journaltune.api.study import Study
from journaltune.base.errors import MachineError, SpaceError, UsageError
from journaltune.base.model import TrialState
from journaltune.journal import file as files
from journaltune.journal.journal import Journal
from journaltune.space import Space
from journaltune.suggest.samplers.from_rustuna import RustunaSampler

PARAMS = {"x": "float(0, 1)", "n": "int(0, 10, step=2)", "opt": "adam | sgd | 1 | true"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "study.journal"


def make(path: Path, **options: Any) -> Study:
    return create_study(path, **{"params": PARAMS, "seed": 1, **options})


def stock(path: Path) -> optuna.Study:
    return optuna.load_study(study_name="study", storage=JournalStorage(JournalFileBackend(str(path))))


def agree(path: Path) -> None:
    """Ours and Optuna's reader find the same trials, whether they are read from the snapshot or from the journal."""
    ours = load_study(path).trials
    theirs = stock(path).trials
    assert [(t.number, t.state.name, t.params, t.values) for t in ours] == [
        (t.number, t.state.name, t.params, t.values) for t in theirs
    ]


def test_enqueued_trials_are_handed_out_in_order_with_all_their_params(path: Path) -> None:
    study = make(path)
    queued = [{"x": 0.25, "n": 4, "opt": choice} for choice in ("adam", "sgd", 1, True)]
    assert [study.enqueue(params) for params in queued] == [0, 1, 2, 3]
    asked = [study.ask() for _ in range(5)]
    assert [trial.number for trial in asked] == [0, 1, 2, 3, 4]
    for trial, params in zip(asked, queued, strict=False):
        assert (list(trial.params), repr(trial.params)) == (list(PARAMS), repr(params))
    agree(path)


def test_what_was_left_out_is_suggested(path: Path) -> None:
    study = make(path)
    study.enqueue({"n": 4})
    study.enqueue({})
    first, second = study.ask(), study.ask()
    assert first.params["n"] == 4
    assert list(first.params) == list(second.params) == list(PARAMS)
    assert [trial.params for trial in load_study(path).trials] == [first.params, second.params]
    assert {**make(path.with_name("b.journal")).ask().params, "n": 4} == first.params
    agree(path)


def test_an_enqueued_trial_waits_with_what_it_was_given(path: Path) -> None:
    study = make(path)
    number = study.enqueue({"x": 0.5}, attrs={"why": "the default"})
    (trial,) = study.trials
    assert (trial.number, trial.state, trial.user_attrs) == (number, TrialState.WAITING, {"why": "the default"})
    assert stock(path).trials[0].system_attrs["fixed_params"] == {"x": 0.5}
    asked = study.ask()
    study.tell(asked, 1.0, attrs={"host": "gpu1"})
    assert study.trials[0].user_attrs == {"why": "the default", "host": "gpu1"}


def test_a_stock_worker_takes_what_we_enqueued(path: Path) -> None:
    study = make(path)
    study.enqueue({"x": 0.5, "opt": "sgd"})
    trial = stock(path).ask()
    assert trial.number == 0
    assert trial.suggest_float("x", 0, 1) == 0.5
    assert trial.suggest_categorical("opt", ["adam", "sgd", 1, True]) == "sgd"
    assert study.ask().number == 1
    assert study.tell(0, 1.0) is TrialState.COMPLETE


def test_a_claim_by_a_stock_worker_between_our_look_and_our_lock_is_left_alone(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = make(path, sampler="tpe")
    study.enqueue({"x": 0.5})
    suggest, claimed = RustunaSampler.suggest, []

    def meanwhile(self: RustunaSampler, *arguments: Any) -> dict[str, float]:
        monkeypatch.setattr(RustunaSampler, "suggest", suggest)
        claimed.append(stock(path).ask())
        return suggest(self, *arguments)

    monkeypatch.setattr(RustunaSampler, "suggest", meanwhile)
    assert (study.ask().number, claimed[0].number) == (1, 0)
    assert study.trials[0].params == {}
    assert claimed[0].suggest_float("x", 0, 1) == 0.5
    agree(path)


def test_no_stock_worker_claims_between_our_lock_and_our_write(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its parameters would be overwritten by ours: so a claim holds Optuna's lock, too, and gives it back."""
    study, append, locked = make(path), files.append, []
    study.enqueue({"x": 0.5})

    def meanwhile(*arguments: Any) -> None:
        monkeypatch.undo()
        locked.append(os.path.lexists(f"{path}.lock"))
        append(*arguments)

    monkeypatch.setattr(files, "append", meanwhile)
    assert study.ask().number == 0
    assert locked == [True]
    assert not os.path.lexists(f"{path}.lock")
    assert stock(path).ask().number == 1
    agree(path)


@pytest.mark.parametrize(
    "fixed",
    [
        {"x": 7.0},
        {"x": "big"},
        {"n": 3},
        {"n": 2.5},
        {"opt": "adamw"},
        {"opt": 1.0},
        {"x": 0.5, "n": -2},
        {"x": float("nan")},
        {"x": None},
    ],
)
def test_impossible_params_queued_by_stock_optuna_fail_as_infeasible_and_the_next_is_asked(
    path: Path, fixed: dict[str, Any]
) -> None:
    study = make(path)
    worker = stock(path)
    worker.enqueue_trial(fixed)
    worker.enqueue_trial({"x": 0.5})
    asked = study.ask()
    assert (asked.number, asked.params["x"]) == (1, 0.5)
    failed = study.trials[0]
    assert (failed.state, failed.user_attrs) == (TrialState.FAIL, {"fail_reason": "infeasible"})
    agree(path)


def test_a_stock_worker_that_takes_an_impossible_trial_keeps_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Optuna only warns of an impossible fixed value, so a worker of its own may be running that trial."""
    study, worker = make(path), stock(path)
    worker.enqueue_trial({"x": 7.0})
    encode = Space.encode_columns

    def meanwhile(self: Space, *arguments: Any, **options: Any) -> dict[str, float]:
        monkeypatch.setattr(Space, "encode_columns", encode)
        assert worker.ask().number == 0
        return encode(self, *arguments, **options)

    monkeypatch.setattr(Space, "encode_columns", meanwhile)
    assert study.ask().number == 1
    assert study.trials[0].state is TrialState.RUNNING
    worker.tell(0, 1.0)
    assert study.trials[0].values == [1.0]


def test_what_stock_optuna_fixed_beside_the_space_is_no_obstacle(path: Path) -> None:
    study = make(path)
    stock(path).enqueue_trial({"x": 0.5, "unknown": 3})
    asked = study.ask()
    assert (asked.number, asked.params["x"], list(asked.params)) == (0, 0.5, list(PARAMS))


WHOLE: list[tuple[dict[str, Any], dict[str, BaseDistribution], bool]] = [
    ({"x": 0.5, "n": 4}, {"x": FloatDistribution(0, 1), "n": IntDistribution(0, 10, step=2)}, True),
    ({"x": 0.5}, {"x": FloatDistribution(-9, 9)}, True),
    ({"x": 0.5, "other": 3}, {"x": FloatDistribution(0, 1), "other": IntDistribution(0, 9)}, True),
    ({"opt": "sgd"}, {"opt": CategoricalDistribution(["sgd", "adam"])}, True),
    ({"x": 7.0}, {"x": FloatDistribution(-9, 9)}, False),
    ({"n": 3}, {"n": IntDistribution(0, 10)}, False),
    ({"opt": "z"}, {"opt": CategoricalDistribution(["x", "y", "z", "u", "v", "w"])}, False),
    ({"opt": "w"}, {"opt": CategoricalDistribution(["x", "y", "z", "u", "v", "w"])}, False),
    ({"x": 1}, {"x": IntDistribution(0, 9)}, True),
]


@pytest.mark.parametrize(("params", "distributions", "possible"), WHOLE)
def test_a_waiting_trial_that_stock_optuna_added_whole(
    path: Path, params: dict[str, Any], distributions: dict[str, BaseDistribution], possible: bool
) -> None:
    study = make(path)
    added = optuna.trial.create_trial(state=optuna.trial.TrialState.WAITING, params=params, distributions=distributions)
    stock(path).add_trial(added)
    asked = study.ask()
    load_study(path)._study.space.encode(asked.params)  # type: ignore[union-attr]
    assert asked.number == (0 if possible else 1)
    if possible:
        assert asked.params == {**asked.params, **{name: value for name, value in params.items() if name in PARAMS}}
        stored = load_study(path).trials[0].params
        assert {name: stored[name] for name in asked.params} == asked.params
    else:
        assert study.trials[0].user_attrs == {"fail_reason": "infeasible"}
    stock(path).trials  # noqa: B018


@pytest.mark.parametrize(
    "params",
    [
        {"y": 1},
        {"x": 2.0},
        {"x": True},
        {"x": "0.5"},
        {"n": 3},
        {"n": 10**30},
        {"opt": False},
        {"opt": 1.0},
        {"opt": "\ud800"},
        {"x": None},
    ],
)
def test_params_outside_the_space_are_refused(path: Path, params: dict[str, Any]) -> None:
    study = make(path)
    before = path.read_bytes()
    with pytest.raises(SpaceError) as caught:
        study.enqueue(params)
    assert (caught.value.exit_code, path.read_bytes()) == (2, before)


@pytest.mark.parametrize("attrs", [{"a": "\ud800"}, {"a": 2**64}, {"a": object()}, {"": 1}])
def test_attributes_that_not_every_reader_can_hold_are_refused(path: Path, attrs: dict[str, Any]) -> None:
    study = make(path)
    before = path.read_bytes()
    with pytest.raises(UsageError):
        study.enqueue({"x": 0.5}, attrs=attrs)
    assert path.read_bytes() == before


def test_params_may_come_from_numpy(path: Path) -> None:
    study = make(path)
    study.enqueue({"x": np.float32(0.5), "n": np.int64(4), "opt": np.str_("sgd")})
    stock(path).trials  # noqa: B018
    params = study.ask().params
    assert (params, [type(value) for value in params.values()]) == ({"x": 0.5, "n": 4, "opt": "sgd"}, [float, int, str])


class TestSkipIfExists:
    def test_what_waits_runs_or_is_finished_exists(self, path: Path) -> None:
        study = make(path)
        params = {"x": 0.5, "n": 4, "opt": "sgd"}
        assert study.enqueue(params, skip_if_exists=True) == 0
        assert study.enqueue(params, skip_if_exists=True) is None
        study.ask()
        assert study.enqueue(params, skip_if_exists=True) is None
        study.tell(0, state="fail", reason="oom")
        assert load_study(path).enqueue(params, skip_if_exists=True) is None
        assert study.enqueue(params) == 1

    def test_a_suggested_trial_exists_too(self, path: Path) -> None:
        study = make(path)
        assert study.enqueue(study.ask().params, skip_if_exists=True) is None

    def test_a_part_exists_when_the_same_part_was_queued(self, path: Path) -> None:
        study = make(path)
        study.enqueue({"x": 0.5})
        assert study.enqueue({"x": 0.5}, skip_if_exists=True) is None
        study.tell(study.ask(), 1.0)
        assert study.enqueue({"x": 0.5}, skip_if_exists=True) is None
        assert study.enqueue({"x": 0.25}, skip_if_exists=True) == 1
        assert study.enqueue({"x": 0.5, "n": 4}, skip_if_exists=True) == 2

    def test_choices_are_told_apart_by_type(self, path: Path) -> None:
        study = make(path)
        study.enqueue({"opt": 1})
        assert study.enqueue({"opt": True}, skip_if_exists=True) == 1
        assert study.enqueue({"opt": 1}, skip_if_exists=True) is None


def test_an_error_while_a_trial_is_claimed_leaves_it_waiting_or_claimed_whole(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = Journal.append
    for nth in range(1, 4):
        study = make(path, study_name=f"s{nth}")
        study.enqueue({"x": 0.5})
        appends = iter(range(1, 99))

        def failing(self: Journal, batch: Any, nth: int = nth, appends: Any = appends) -> Any:
            if next(appends) == nth:
                raise MachineError("the disk is full")
            return append(self, batch)

        with monkeypatch.context() as patch:
            patch.setattr(Journal, "append", failing)
            try:
                study.ask()
            except MachineError:
                assert study.counts() == {"running": 0, "waiting": 1, "complete": 0, "pruned": 0, "fail": 0}
                assert study.trials[0].params == {}
                continue
        assert list(study.trials[0].params) == list(PARAMS)


def test_every_sampler_completes_what_was_left_out(path: Path) -> None:
    for sampler in ("tpe", "random", "optuna.TPESampler", "optuna.RandomSampler"):
        study = make(path, study_name=sampler, sampler=sampler)
        for number in range(12):
            study.tell(study.ask(), float(number))
        study.enqueue({"x": 0.5})
        asked = study.ask()
        assert (asked.number, asked.params["x"], list(asked.params)) == (12, 0.5, list(PARAMS))
        assert load_study(path, sampler).trials[12].params == asked.params


@pytest.mark.parametrize(
    "attrs",
    [
        {"fixed_params": [1]},
        {"fixed_params": "x"},
        {"fixed_params:x": 5},
        {"fixed_params:x": "f:0x12"},
        {"fixed_params:x": "f:?"},
    ],
)
def test_fixed_params_in_a_shape_that_nobody_knows_are_infeasible(path: Path, attrs: dict[str, Any]) -> None:
    study = make(path)
    storage = JournalStorage(JournalFileBackend(str(path)))
    waiting = optuna.trial.create_trial(state=optuna.trial.TrialState.WAITING, system_attrs=attrs)
    storage.create_new_trial(0, waiting)
    assert study.ask().number == 1
    assert (study.trials[0].state, study.trials[0].user_attrs) == (TrialState.FAIL, {"fail_reason": "infeasible"})
