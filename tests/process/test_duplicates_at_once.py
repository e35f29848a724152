"""Under a policy no two workers are ever given the same parameters, whatever the timing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import readers

from journaltune import create_study, load_study

WORKER = """
import json, sys
import journaltune
study = journaltune.load_study(sys.argv[1])
asked = []
try:
    for _ in range(1000):
        trial = study.ask()
        asked.append(trial.params)
        if len(asked) % 7 == 3:
            study.tell(trial, state="fail", reason="oom")
        else:
            study.tell(trial, float(len(asked)))
except journaltune.ExhaustedError:
    print(json.dumps(asked))
"""


@pytest.mark.parametrize("policy", ["reuse", "resample"])
@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_many_processes_share_a_finite_space_without_a_repetition(tmp_path: Path, policy: str, sampler: str) -> None:
    path = tmp_path / "study.journal"
    create_study(path, params={"x": "int(0, 24)", "c": "a | b | 1 | true"}, duplicates=policy, sampler=sampler, seed=5).close()
    command = [sys.executable, "-c", WORKER, str(path)]
    workers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(6)]
    answers = [worker.communicate()[0] for worker in workers]
    asked = [json.dumps(params) for answer in answers for params in json.loads(answer)]
    assert len(asked) == len(set(asked)) == 100
    study = load_study(path)
    verdict = study.verify()
    assert verdict.difference is None
    assert verdict.n_verified == len(study.trials)
    assert readers.by_us(path) == readers.by_optuna(path)


def test_replicates_are_asked_so_often_in_all_whoever_asks(tmp_path: Path) -> None:
    path = tmp_path / "study.journal"
    create_study(path, params={"n": "int(0, 9)"}, duplicates="resample", replicates=4, seed=5).close()
    command = [sys.executable, "-c", WORKER.replace('"oom"', '"interrupted"'), str(path)]
    workers = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(5)]
    assert [worker.wait() for worker in workers] == [0] * 5
    study = load_study(path)
    counted = [trial.params["n"] for trial in study.get_trials(["complete"])]
    assert sorted(counted) == sorted([*range(10)] * 4)
    assert study.verify().difference is None


def test_workers_that_are_killed_leave_nothing_that_is_asked_twice(tmp_path: Path) -> None:
    path = tmp_path / "study.journal"
    create_study(path, params={"n": "int(0, 299)"}, duplicates="reuse", sampler="tpe", seed=5).close()
    command = [sys.executable, "-u", "-c", WORKER.replace("asked.append(trial.params)", "asked.append(0); print(trial.number)")]
    for life in range(12):
        with subprocess.Popen([*command, str(path)], stdout=subprocess.PIPE, text=True) as worker:
            assert worker.stdout is not None
            for _ in range(1 + life % 5):
                worker.stdout.readline()
            worker.kill()
    study = load_study(path)
    asked = [trial.params["n"] for trial in study.trials if "duplicate_of" not in trial.user_attrs]
    assert len(asked) == len(set(asked)) >= 33
    assert study.verify().difference is None
    assert readers.by_us(path) == readers.by_optuna(path)
