"""Under a policy no two workers are ever given the same parameters, whatever the timing."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest
import readers
from torture.children import Child, say

from journaltune import ExhaustedError, create_study, load_study


def work(path: Path, reason: str = "oom") -> list[dict[str, Any]]:
    """A worker: what it was asked to try, until nothing is left. Each trial that it gets it says first."""
    study, asked = load_study(path), list[dict[str, Any]]()
    while True:
        try:
            trial = study.ask()
        except ExhaustedError:
            return asked
        say(trial.number)
        asked.append(trial.params)
        if len(asked) % 7 == 3:
            study.tell(trial, state="fail", reason=reason)
        else:
            study.tell(trial, float(len(asked)))


def asked_by(n_workers: int, path: Path, reason: str = "oom") -> list[dict[str, Any]]:
    """What all of so many workers were asked to try that ran at the same time."""
    workers = [Child(lambda: work(path, reason)) for _ in range(n_workers)]
    ended = [worker.end() for worker in workers]
    assert [each.error for each in ended] == [""] * n_workers
    return [params for each in ended for params in each.result]


@pytest.mark.parametrize("policy", ["reuse", "resample"])
@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_many_processes_share_a_finite_space_without_a_repetition(tmp_path: Path, policy: str, sampler: str) -> None:
    path = tmp_path / "study.journal"
    create_study(path, params={"x": "int(0, 24)", "c": "a | b | 1 | true"}, duplicates=policy, sampler=sampler, seed=5).close()
    asked = [json.dumps(params) for params in asked_by(6, path)]
    assert len(asked) == len(set(asked)) == 100
    study = load_study(path)
    verdict = study.verify()
    assert verdict.difference is None
    assert verdict.n_verified == len(study.trials)
    assert readers.by_us(path) == readers.by_optuna(path)


def test_replicates_are_asked_so_often_in_all_whoever_asks(tmp_path: Path) -> None:
    path = tmp_path / "study.journal"
    create_study(path, params={"n": "int(0, 9)"}, duplicates="resample", replicates=4, seed=5).close()
    asked_by(5, path, "interrupted")
    study = load_study(path)
    counted = [trial.params["n"] for trial in study.get_trials(["complete"])]
    assert sorted(counted) == sorted([*range(10)] * 4)
    assert study.verify().difference is None


def test_workers_that_are_killed_leave_nothing_that_is_asked_twice(tmp_path: Path) -> None:
    path = tmp_path / "study.journal"
    create_study(path, params={"n": "int(0, 299)"}, duplicates="reuse", sampler="tpe", seed=5).close()
    for life in range(12):
        worker = Child(lambda: work(path))
        for _ in range(1 + life % 5):
            assert worker.hear() is not None
        worker.kill()
        assert worker.reap().status == -signal.SIGKILL
    study = load_study(path)
    asked = [trial.params["n"] for trial in study.trials if "duplicate_of" not in trial.user_attrs]
    assert len(asked) == len(set(asked)) >= 33
    assert study.verify().difference is None
    assert readers.by_us(path) == readers.by_optuna(path)
