"""Intermediate values, and calls that carry a request id: repeated, they change nothing."""

from __future__ import annotations

import errno
import os
from math import isnan
from pathlib import Path

import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from journaltune import ConflictError, JournaltuneError, NotFoundError, UsageError, create_study, load_study
from journaltune.api.study import Study
from journaltune.base.errors import MachineError
from journaltune.engine.report import report
from journaltune.journal import system


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "study.journal"


@pytest.fixture
def study(path: Path) -> Study:
    return create_study(path, params={"x": "float(0, 1)"}, seed=1)


def test_intermediate_values_are_what_stock_optuna_reads(path: Path, study: Study) -> None:
    trial = study.ask()
    for step, value in [(1, 0.5), (2, float("inf")), (10, -1.5), (3, 7)]:
        assert trial.report(value, step)
        assert trial.should_prune() is False
    study.tell(trial, state="pruned")
    wanted = {1: 0.5, 2: float("inf"), 10: -1.5, 3: 7.0}
    assert study.trials[0].intermediate_values == wanted
    assert study.trials[0].values == [-1.5], "a pruned trial takes its last intermediate value"
    (stock,) = JournalStorage(JournalFileBackend(str(path))).get_all_trials(0)
    assert stock.intermediate_values == wanted


def test_the_first_value_of_a_step_counts(study: Study) -> None:
    trial = study.ask()
    assert trial.report(0.5, 1)
    assert trial.report(0.5, 1)
    assert not trial.report(0.6, 1)
    assert study.trials[0].intermediate_values == {1: 0.5}


def test_a_nan_is_noted_without_a_word_that_readers_refuse(path: Path, study: Study) -> None:
    trial = study.ask()
    assert trial.report(float("nan"), 4)
    assert trial.report(float("nan"), 4)
    assert not trial.report(1.0, 4)
    study.tell(trial, 1.0)
    (seen,) = load_study(path).trials
    assert list(seen.intermediate_values) == [4]
    assert isnan(seen.intermediate_values[4])
    assert b"NaN" not in path.read_bytes()
    assert seen.system_attrs["journaltune:nan_step"] == 4


@pytest.mark.parametrize("step", [-1, 1.5, "1", None, 2**63])
def test_a_step_is_a_whole_number_from_0_on(path: Path, study: Study, step: object) -> None:
    trial, before = study.ask(), None
    before = path.read_bytes()
    with pytest.raises(UsageError):
        trial.report(1.0, step)  # type: ignore[arg-type]
    assert path.read_bytes() == before


def test_only_a_running_trial_takes_reports(study: Study) -> None:
    study.tell(study.ask(), 1.0)
    study.enqueue({"x": 0.5})
    opened = study._study
    for number, error, says in (
        (0, ConflictError, "already complete"),
        (1, ConflictError, "waits"),
        (7, NotFoundError, "no trial"),
    ):
        with pytest.raises(error, match=says):
            report(opened, number, 1, 0.5)


@pytest.mark.parametrize("snapshot", [False, True])
def test_a_repeated_request_changes_nothing(path: Path, study: Study, snapshot: bool) -> None:
    first, second = study.ask(), study.ask()
    opened = study._study
    assert study.enqueue({"x": 0.5}, request_id="same") == 2
    report(opened, first.number, 1, 0.5, request_id="same")
    report(opened, first.number, 2, float("nan"), request_id="nan")
    study.tell(first, 1.0, request_id="same")
    if snapshot:
        opened.journal.save_snapshot()
    before = path.read_bytes()
    again = load_study(path)
    assert again.enqueue({"x": 0.5}, request_id="same") == 2
    assert report(again._study, first.number, 1, 0.5, request_id="same")
    again.tell(first.number, 1.0, request_id="same")
    assert path.read_bytes() == before
    for call in (
        lambda: again.tell(second.number, 1.0, request_id="same"),
        lambda: again.tell(first.number, 2.0, request_id="same"),
        lambda: report(again._study, second.number, 1, 0.5, request_id="same"),
        lambda: report(again._study, second.number, 1, 0.5, request_id="nan"),
    ):
        with pytest.raises(ConflictError):
            call()
    assert path.read_bytes() == before
    assert again.enqueue({"x": 0.5}, request_id="other") == 3


def test_a_request_of_another_process_is_known_although_its_record_is_not_decoded(path: Path, study: Study) -> None:
    study.tell(study.ask(), 1.0)
    other = load_study(path)
    trial = study.ask()
    study.tell(trial, 3.0, request_id="mine")
    with pytest.raises(ConflictError, match="request id 'mine' was used to tell trial 1"):
        other.tell(other.ask(), 3.0, request_id="mine")


def test_an_enqueue_in_doubt_names_the_id_it_can_be_repeated_with(
    path: Path, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(fd: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(system, "fdatasync", fail)
        with pytest.raises(MachineError) as caught:
            study.enqueue({"x": 0.25})
    request_id = str(caught.value).rpartition("--request-id ")[2]
    assert load_study(path).enqueue({"x": 0.25}, request_id=request_id) == 0
    assert len(study.trials) == 1


@pytest.mark.parametrize("request_id", ["", "x" * 201, "\ud800", 7])
def test_a_request_id_is_a_short_text(path: Path, study: Study, request_id: str) -> None:
    trial, before = study.ask(), None
    before = path.read_bytes()
    for call in (
        lambda: study.tell(trial, 1.0, request_id=request_id),
        lambda: study.enqueue({}, request_id=request_id),
        lambda: report(study._study, trial.number, 1, 1.0, request_id=request_id),
    ):
        with pytest.raises(JournaltuneError):
            call()
    assert path.read_bytes() == before
