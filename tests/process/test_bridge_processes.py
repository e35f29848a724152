"""Processes that use Optuna on one of our files: killed ones, forked ones, many at once, and stock ones among them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import optuna
import pytest
import readers
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState
from torture.children import Child

import journaltune

pytestmark = pytest.mark.filterwarnings("ignore")
optuna.logging.set_verbosity(optuna.logging.ERROR)


def objective(trial: optuna.Trial) -> float:
    x = trial.suggest_float("x", -1, 1)
    opt = trial.suggest_categorical("opt", ["adam", "sgd"])
    return x * x + (trial.suggest_float("momentum", 0, 1) if opt == "sgd" else 0)


def make(path: Path) -> Path:
    options = {"sampler": "tpe", "sampler_options": {"n_startup_trials": 3}}
    journaltune.create_study(path, study_name="a", params={"x": "float(-1, 1)"}, seed=7, **options).close()
    return path


def run_and_kill(path: Path, n_trials: int) -> None:
    """So many trials in a process, which then dies as if by `kill -9` where the last one has just been told."""
    left = [n_trials]

    def kill(study: object, trial: object) -> None:
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)

    ended = Child(lambda: journaltune.load_study(path).to_optuna().optimize(objective, n_trials=100, callbacks=[kill])).end()
    assert ended.status == -signal.SIGKILL, ended.error


def suggested(path: Path) -> list[dict[str, Any]]:
    return [trial.params for trial in journaltune.load_study(path).trials]


@pytest.mark.parametrize("every", [1, 4])
def test_a_run_that_is_killed_after_every_kth_trial_suggests_what_a_whole_one_does(tmp_path: Path, every: int) -> None:
    whole, killed = make(tmp_path / "whole"), make(tmp_path / "killed")
    run_and_kill(whole, 8)
    for _ in range(8 // every):
        run_and_kill(killed, every)
    assert suggested(killed) == suggested(whole)
    assert len(suggested(whole)) == 8


# One of many workers, through the storage that is named.
WORK = """
import sys
import optuna, journaltune
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
optuna.logging.set_verbosity(optuna.logging.ERROR)
path, kind = sys.argv[1:]
storage = journaltune.storage(path) if kind == "ours" else JournalStorage(JournalFileBackend(path))
study = optuna.load_study(study_name="a", storage=storage, sampler=optuna.samplers.RandomSampler())
study.optimize(lambda trial: trial.suggest_float("x", 0, 1) + trial.suggest_int("n", 1, 9), n_trials=15)
"""


def test_workers_of_ours_and_of_stock_optuna_lose_and_double_nothing(tmp_path: Path) -> None:
    path = tmp_path / "j"
    study = optuna.create_study(storage=journaltune.storage(path), study_name="a")
    study.enqueue_trial({"x": 0.5})
    kinds = ["ours", "ours", "ours", "stock"]
    started = [subprocess.Popen([sys.executable, "-c", WORK, str(path), kind], stderr=subprocess.PIPE) for kind in kinds]
    for process in started:
        assert process.wait() == 0, process.stderr and process.stderr.read()
    trials = study.trials
    assert len(trials) == 60
    assert [trial.number for trial in trials] == list(range(60))
    assert {trial.state for trial in trials} == {TrialState.COMPLETE}
    assert trials[0].params["x"] == 0.5
    assert trials == JournalStorage(JournalFileBackend(str(path))).get_all_trials(0)
    assert readers.by_us(path) == readers.by_optuna(path)


def test_a_forked_child_and_its_parent_go_on_with_one_storage(tmp_path: Path) -> None:
    path = tmp_path / "j"
    study = optuna.create_study(storage=journaltune.storage(path), study_name="a", sampler=optuna.samplers.RandomSampler())

    def objective(trial: optuna.Trial) -> float:
        return trial.suggest_float("x", 0, 1)

    study.optimize(objective, n_trials=5)
    children = []
    for _ in range(2):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                study.optimize(objective, n_trials=10)
                status = 0 if len(study.trials) >= 15 else 2
            finally:
                os._exit(status)
        children.append(child)
    study.optimize(objective, n_trials=10)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
    assert [trial.number for trial in study.trials] == list(range(35))
    assert study.trials == JournalStorage(JournalFileBackend(str(path))).get_all_trials(0)


def test_what_a_killed_writer_left_is_mended_before_the_next_record(tmp_path: Path) -> None:
    path = tmp_path / "j"
    study = optuna.create_study(storage=JournalStorage(JournalFileBackend(str(path))), study_name="a")
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    with path.open("ab") as file:
        file.write(b'{"op_code":4,"worker_id":"gone","study_id":0,"datetime_st')
    ours = optuna.load_study(study_name="a", storage=journaltune.storage(path))
    ours.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    assert len(ours.trials) == 4
    assert ours.trials == JournalStorage(JournalFileBackend(str(path))).get_all_trials(0)


def test_a_script_that_ends_with_a_storage_in_use_says_nothing(tmp_path: Path) -> None:
    script = """
import optuna, journaltune
optuna.logging.set_verbosity(optuna.logging.ERROR)
storage = journaltune.storage("j")
study = optuna.create_study(storage=storage, study_name="a")
study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
ours = journaltune.load_study("j")
held = (ours, storage)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
