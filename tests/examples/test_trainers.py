"""The programs that the examples tune, on their own: they learn, they heed their parameters, they fail as trainers do."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    Train = list[str | Path]


@pytest.fixture(params=["awk", "c"])
def train(request: pytest.FixtureRequest, examples: Path) -> Train:
    if request.param == "awk":
        return ["awk", "-f", examples / "bash" / "train.awk"]
    return [request.getfixturevalue("c_trainer")]


@pytest.fixture
def csv(train: Train, data: dict[str, Path]) -> Path:
    return data["breast_cancer" if train[0] == "awk" else "digits"]


def run(train: Train, *arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, **variables}
    return subprocess.run([*train, *arguments], env=env, capture_output=True, text=True)


def measured(train: Train, *arguments: str | Path, **variables: str) -> float:
    done = run(train, *arguments, **variables)
    assert done.returncode == 0, done.stderr
    return float(done.stdout)


def test_training_lowers_the_error(train: Train, csv: Path) -> None:
    assert measured(train, "lr=0.02", csv) < 0.5 * measured(train, "epochs=0", csv)


def test_the_test_rows_are_other_rows(train: Train, csv: Path) -> None:
    assert measured(train, "on=test", csv) != measured(train, csv)


def test_the_same_seed_gives_the_same_number(train: Train, csv: Path) -> None:
    first, again, other = (measured(train, "epochs=2", f"seed={seed}", csv) for seed in (7, 7, 8))
    assert first == again != other


def test_parameters_come_from_arguments_then_from_the_environment(train: Train, csv: Path) -> None:
    given = measured(train, "epochs=2", "lr=0.02", "seed=5", csv)
    assert measured(train, csv, JT_epochs="2", JT_lr="0.02", JT_SEED="5", JT_TRIAL="3") == given
    assert measured(train, "lr=0.02", csv, JT_epochs="2", JT_lr="0.001", JT_SEED="5") == given


def test_diverged_training_prints_nan(train: Train, csv: Path) -> None:
    assert run(train, "lr=100000", "l2=10", csv).stdout in ("nan\n", "-nan\n")


def test_missing_data_is_a_failure(train: Train, tmp_path: Path) -> None:
    done = run(train, tmp_path / "none.csv")
    assert done.returncode != 0
    assert done.stderr


@pytest.mark.parametrize("wrong", ["lr=fast", "width=3", "lr", "hidden=0", "activation=cube"])
def test_the_c_trainer_refuses_what_it_does_not_know(c_trainer: Path, data: dict[str, Path], wrong: str) -> None:
    done = run([c_trainer], wrong, data["digits"])
    assert (done.returncode, done.stdout) == (2, "")
    assert wrong.split("=")[0] in done.stderr
