"""The examples of spaces with conditions, constraints and parameters of several columns, started as a user starts them."""

from __future__ import annotations

import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from journaltune import load_study

needs_gcc = pytest.mark.skipif(not shutil.which("gcc"), reason="gcc is not installed")
needs_sklearn = pytest.mark.skipif(not find_spec("sklearn"), reason="scikit-learn is not installed")


def run(*command: object, folder: Path, env: dict[str, str]) -> str:
    done = subprocess.run([str(word) for word in command], cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def params(folder: Path, n_trials: int) -> list[dict[str, Any]]:
    """The parameters of all trials, which are complete, and none of which breaks a rule as `verify` reads them."""
    study = load_study(folder / "study.journal")
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * n_trials
    assert study.verify().difference is None
    return [trial.params for trial in study.trials]


@needs_gcc
def test_flags_that_depend_on_each_other(examples: Path, tmp_path: Path, shell_env: dict[str, str]) -> None:
    printed = run(examples / "spaces" / "gcc_flags.sh", 6, folder=tmp_path, env=shell_env)
    tried = params(tmp_path, 6)
    assert all(("vectors" in each) == (each["level"] in ("-O2", "-O3")) for each in tried)
    assert all(("cost" in each) == (each.get("vectors") == "-ftree-vectorize") for each in tried)
    assert all(("inline" in each) == (each["level"] == "-O3") for each in tried)
    assert all(float(line.rpartition(" ")[2]) > 0 for line in printed.splitlines()[1:])


@needs_gcc
def test_tiles_divide_the_matrix(examples: Path, tmp_path: Path, shell_env: dict[str, str]) -> None:
    run(examples / "spaces" / "tiles.sh", 5, folder=tmp_path, env=shell_env)
    for each in params(tmp_path, 5):
        rows, inner, columns = (each[name] for name in ("rows", "inner", "columns"))
        assert [each["n"] % each[name] for name in ("rows", "inner", "columns")] == [0, 0, 0]
        assert columns % each["unroll"] == 0
        assert rows * inner + inner * columns + rows * columns <= 32768


def test_a_round_trip_from_a_shell_loop(examples: Path, tmp_path: Path, warm_env: dict[str, str]) -> None:
    run(examples / "spaces" / "tsp.sh", 4, folder=tmp_path, env=warm_env)
    study = load_study(tmp_path / "study.journal")
    assert all(len(set(each["tour"])) == len(each["tour"]) == 12 for each in params(tmp_path, 4))
    round_trip = study.trials[0].params["tour"]
    again = ["sh", "-c", f". \"$0\" >&2; length '{turned(round_trip)}'", examples / "spaces" / "tsp.sh", 4]
    assert float(run(*again, folder=tmp_path, env=warm_env)) == study.trials[0].value


def turned(tour: list[str]) -> str:
    """The same round trip, from another town on and the other way round."""
    return " ".join([*tour[5:], *tour[:5]][::-1])


def test_weights_of_an_ensemble(examples: Path, tmp_path: Path, warm_env: dict[str, str]) -> None:
    printed = run("python", examples / "spaces" / "ensemble.py", folder=tmp_path, env=warm_env).splitlines()
    tried = [each["weights"] for each in params(tmp_path, 40)]
    assert all(min(each.values()) >= 0 and sum(each.values()) == pytest.approx(1) for each in tried)
    assert set(tried[0].values()) == {0.25}
    best, equal = (float(word) for word in printed[1].split() if word[0].isdigit())
    assert best < equal


def test_batches_are_computed(examples: Path, tmp_path: Path, shell_env: dict[str, str]) -> None:
    run(examples / "spaces" / "ppo.sh", 5, folder=tmp_path, env=shell_env)
    for each in params(tmp_path, 5):
        assert (each["batch"], each["minibatch"]) == (2 ** each["batch_pow"], 2 ** each["minibatch_pow"])
        assert each["batch"] % each["minibatch"] == 0
        assert each["batch"] * each["updates"] == 4096
        assert ("entropy" in each) == (each["bonus"] == "yes")


@needs_sklearn
def test_a_kernel_decides_which_parameters_there_are(examples: Path, tmp_path: Path, warm_sklearn_env: dict[str, str]) -> None:
    printed = run("python", examples / "sklearn" / "svm.py", folder=tmp_path, env=warm_sklearn_env)
    names = {
        "linear": {"C", "kernel"},
        "rbf": {"C", "kernel", "gamma"},
        "poly": {"C", "kernel", "gamma", "degree", "coef0"},
    }
    tried = params(tmp_path, 20)
    assert all(each.keys() == names[each["kernel"]] for each in tried)
    assert {each["kernel"] for each in tried} == names.keys()
    assert float(printed.split()[1]) > 0.9
