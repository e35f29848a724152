from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture(scope="session")
def examples() -> Path:
    return EXAMPLES


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory, warm_sklearn_env: dict[str, str]) -> dict[str, Path]:
    """The two data sets as examples/data.py writes them, by name."""
    folder = tmp_path_factory.mktemp("data")
    for name in ("digits", "breast_cancer"):
        command = ["python", EXAMPLES / "data.py", name, folder / f"{name}.csv"]
        subprocess.run(command, env=warm_sklearn_env, check=True)
    return {name: folder / f"{name}.csv" for name in ("digits", "breast_cancer")}


@pytest.fixture(scope="session")
def c_trainer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not shutil.which("cc"):
        pytest.skip("no C compiler: cc is not on PATH")
    trainer = tmp_path_factory.mktemp("trainer") / "train"
    source = EXAMPLES / "c" / "train.c"
    subprocess.run(["cc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", trainer, source, "-lm"], check=True)
    return trainer
