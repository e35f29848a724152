"""``enqueue(skip_if_exists=True)``: what it takes for there already, in whatever state and however it came there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from journaltune import SpaceError, create_study, load_study
from journaltune.api.study import Study
from journaltune.study.lookup import lookup


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return create_study(tmp_path / "s.journal", params={"x": "float(0, 1)", "k": "a | 1 | true"}, sampler="random", seed=1)


def queued(study: Study, **params: Any) -> int | None:
    return study.enqueue(params, skip_if_exists=True)


def test_what_was_enqueued_is_found_in_every_state(study: Study) -> None:
    assert queued(study, x=0.5) == 0
    assert queued(study, k=1) == 1
    for then in (lambda: None, study.ask, lambda: study.tell(0, 1.0)):
        then()
        for each in (study, load_study(study._study.path)):
            assert [queued(each, x=0.5), queued(each, k=1)] == [None, None]
    assert queued(study, k=True) == 2
    assert queued(study, k=1, x=0.5) == 3
    assert queued(study) == 4
    assert queued(study) is None


def test_what_a_sampler_suggested_is_found_once_it_is_whole(study: Study) -> None:
    trial = study.ask()
    assert queued(study, **trial.params) is None
    assert queued(study, x=trial.params["x"]) == 1, "nobody enqueued that alone"


def test_what_other_processes_enqueue_later_is_found(study: Study) -> None:
    other = load_study(study._study.path)
    for number in range(3):
        assert queued(study, x=number / 4) == 2 * number
        assert queued(other, x=number / 4) is None
        assert queued(other, x=number / 4 + 0.125) == 2 * number + 1
        assert queued(study, x=number / 4 + 0.125) is None


@pytest.mark.parametrize("odd", [5, "abc", [1], {"x": "a"}, {"y": 1}, {"x": None}, None])
def test_whatever_another_program_enqueued_is_no_error(study: Study, odd: Any) -> None:
    storage = JournalStorage(JournalFileBackend(study._study.path))
    theirs = optuna.load_study(study_name="s", storage=storage)
    theirs.enqueue_trial({"x": 0.5})
    storage.set_trial_system_attr(theirs.trials[-1]._trial_id, "fixed_params", odd)
    assert queued(study, x=0.25) == 1
    assert queued(study, x=0.25) is None
    assert study.lookup({"x": 0.25, "k": "a"}, states=["waiting", "running"]) == []
    if not isinstance(odd, dict) and odd is not None:
        with pytest.raises(SpaceError, match="trial 0 was enqueued by another program, and its parameters can't be read"):
            lookup(study._study, number=0)
    assert study.ask().params["x"] is not None


def test_rustunas_enqueued_trials_are_found_when_they_say_what_they_are(study: Study) -> None:
    storage = JournalStorage(JournalFileBackend(study._study.path))
    storage.create_new_trial(0, optuna.trial.create_trial(state=optuna.trial.TrialState.WAITING))
    assert queued(study, x=0.25) == 1  # Rustuna creates a trial, and then writes one attribute for each parameter
    storage.set_trial_system_attr(0, "fixed_params:x", "f:0x3fe0000000000000")
    assert queued(study, x=0.5) is None
