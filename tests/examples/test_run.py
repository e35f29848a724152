"""The examples of `journaltune run`, started as a user starts them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from journaltune import load_study

needs_node = pytest.mark.skipif(not shutil.which("node"), reason="Node is not installed")
needs_make = pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")


def run(*command: object, folder: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([str(word) for word in command], cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done


def values(folder: Path) -> list[float | None]:
    return [trial.value for trial in load_study(folder / "study.journal").trials]


def test_a_trainer_in_awk(examples: Path, data: dict[str, Path], tmp_path: Path, shell_env: dict[str, str]) -> None:
    printed = run(examples / "run" / "awk.sh", data["breast_cancer"], 8, folder=tmp_path, env=shell_env).stdout
    assert min(value for value in values(tmp_path) if value is not None) < 0.3
    best, tested = printed.splitlines()
    assert json.loads(best)["number"] in range(8)
    assert 0 < float(tested.rpartition(" ")[2]) < 0.5


@needs_node
def test_a_trainer_in_node(examples: Path, tmp_path: Path, shell_env: dict[str, str]) -> None:
    run(examples / "run" / "node.sh", 8, folder=tmp_path, env=shell_env)
    trials = load_study(tmp_path / "study.journal").trials
    assert [len(trial.intermediate_values) for trial in trials] == [30] * 8
    assert {trial.user_attrs["epochs"] for trial in trials} == {30}
    assert min(trial.value for trial in trials if trial.value is not None) < 0.1


def test_two_gpus_get_their_trials(examples: Path, tmp_path: Path, shell_env: dict[str, str]) -> None:
    env = {name: value for name, value in shell_env.items() if name != "CUDA_VISIBLE_DEVICES"}
    printed = run(examples / "run" / "two_gpus.sh", 8, folder=tmp_path, env=env).stdout.splitlines()
    assert [line.partition(":")[0] for line in printed[1:]] == ["GPU 0", "GPU 1"]
    assert sum(int(line.partition(": ")[2]) for line in printed[1:]) == 8


def test_a_killed_search_goes_on_from_its_checkpoints(examples: Path, tmp_path: Path, shell_env: dict[str, str]) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for folder in (whole, broken):
        folder.mkdir()
    script = [str(examples / "run" / "checkpoint.sh"), "4"]
    run(*script, folder=whole, env=shell_env)
    killed = subprocess.Popen(
        script, cwd=broken, env=shell_env, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, process_group=0
    )
    log = broken / "study.journal.d" / "trials" / "000001" / "stderr.log"
    while not (log.exists() and "epoch 5:" in log.read_text()):
        assert killed.poll() is None
        time.sleep(0.01)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    run(*script, folder=broken, env=shell_env)
    assert "goes on after epoch " in log.read_text()
    assert len(values(broken)) == 4
    assert set(values(broken)[:3]) == set(values(whole)[:3])  # the parameters of the fourth depend on who finished first


def test_cron_starts_it_again(examples: Path, tmp_path: Path, shell_env: dict[str, str]) -> None:
    call = [examples / "run" / "cron.sh", tmp_path, 3]
    first, second = (subprocess.Popen([str(word) for word in call], env=shell_env) for _ in range(2))
    assert [first.wait(), second.wait()] == [0, 0]
    run(*call, folder=tmp_path, env=shell_env)
    assert len(values(tmp_path)) == 3
    assert "trials   3: 3 complete" in (tmp_path / "run.log").read_text()


@needs_make
def test_a_target_is_made_once(examples: Path, tmp_path: Path, shell_env: dict[str, str]) -> None:
    for name in ("Makefile", "resume.py"):
        shutil.copy(examples / "run" / name, tmp_path)
    make = ["make", "TRIALS=3"]
    run(*make, folder=tmp_path, env=shell_env)
    assert json.loads((tmp_path / "best.json").read_text())["value"] == min(
        value for value in values(tmp_path) if value is not None
    )
    assert "up to date" in run(*make, folder=tmp_path, env=shell_env).stdout


def test_the_trainer_with_checkpoints_works_alone(examples: Path, tmp_path: Path) -> None:
    call = [
        sys.executable,
        examples / "run" / "resume.py",
        "--lr",
        "0.01",
        "--momentum",
        "0.5",
        "--checkpoint",
        tmp_path / "c.json",
    ]
    first, again = (run(*call, folder=tmp_path, env=dict(os.environ)).stdout for _ in range(2))
    assert first == again
    assert float(first) < 10
