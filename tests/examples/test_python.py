"""The Python examples, as a user starts them; those with scikit-learn are spared its import."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from journaltune import load_study

needs_torch = pytest.mark.skipif(not find_spec("torch"), reason="PyTorch is not installed")


def start(script: Path, folder: Path, *arguments: str) -> subprocess.Popen[str]:
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-u", str(script), *arguments]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finished(process: subprocess.Popen[str]) -> str:
    """What a process printed that ended well."""
    printed, said = process.communicate()
    assert process.returncode == 0, said
    return printed


@pytest.fixture
def run(warm_sklearn_env: dict[str, str]) -> Callable[..., str]:
    """What a script with scikit-learn prints, in a folder of its own."""

    def run(script: Path, folder: Path, *arguments: str) -> str:
        folder.mkdir(exist_ok=True)
        pipe = subprocess.PIPE
        command = ["python", str(script), *arguments]
        return finished(subprocess.Popen(command, cwd=folder, env=warm_sklearn_env, stdout=pipe, stderr=pipe, text=True))

    return run


def best_of(printed: str) -> float:
    return float(re.findall(r"^best: (\S+) with ", printed, re.MULTILINE)[-1])


def trials(folder: Path, name: str | None = None) -> list[tuple[int, str, dict[str, object], list[float] | None]]:
    return [(t.number, t.state.name, t.params, t.values) for t in load_study(folder / "study.journal", name).trials]


def test_a_scikit_learn_loop_finds_a_good_model_and_goes_on(examples: Path, tmp_path: Path, run: Callable[..., str]) -> None:
    script = examples / "sklearn" / "loop.py"
    first = best_of(run(script, tmp_path))
    assert first > 0.9
    assert best_of(run(script, tmp_path)) >= first
    assert [(number, state) for number, state, *_ in trials(tmp_path)] == [(number, "COMPLETE") for number in range(40)]


def test_an_optuna_script_stores_its_study_in_a_journal(examples: Path, tmp_path: Path, run: Callable[..., str]) -> None:
    assert best_of(run(examples / "optuna" / "script.py", tmp_path)) > 0.93
    assert len(trials(tmp_path, "cancer")) == 15


def test_four_processes_share_a_study(examples: Path, tmp_path: Path, run: Callable[..., str]) -> None:
    printed = run(examples / "processes" / "workers.py", tmp_path, "shared")
    assert [state for _, state, *_ in trials(tmp_path)] == ["COMPLETE"] * 40
    assert best_of(printed) == pytest.approx(load_study(tmp_path / "study.journal").best_value, abs=1e-4)


def test_four_independent_searches_are_the_same_again(examples: Path, tmp_path: Path, run: Callable[..., str]) -> None:
    script, names = examples / "processes" / "workers.py", [f"search-{seed}" for seed in range(4)]
    first, again = (run(script, tmp_path / folder, "independent") for folder in ("first", "again"))
    assert first == again
    found = [trials(tmp_path / "first", name) for name in names]
    assert [len(each) for each in found] == [10] * 4
    assert len({repr(each) for each in found}) == 4
    assert best_of(first) == pytest.approx(min(values[0] for each in found for *_, values in each if values), abs=1e-4)


@needs_torch
def test_a_training_loop_goes_on_where_it_was_killed(examples: Path, tmp_path: Path) -> None:
    script, broken = examples / "torch" / "train.py", tmp_path / "broken"
    whole = finished(start(script, tmp_path / "whole"))
    process = start(script, broken)
    assert process.stdout is not None
    assert "trial 2 epoch 4\n" in iter(process.stdout.readline, "")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    printed = finished(start(script, broken))
    assert re.match(r"trial 2 goes on after epoch [4-8]\n", printed)
    assert trials(broken) == trials(tmp_path / "whole")
    assert len(trials(broken)) == 4
    assert best_of(printed) == best_of(whole) < 1
    assert not list((broken / "checkpoints").iterdir())
