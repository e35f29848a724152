"""The environment of a search: recorded with the study, and again when it changes."""

from __future__ import annotations

import importlib.metadata
import random
import sys
from pathlib import Path
from typing import Any

import pytest

import journaltune
from journaltune import UsageError, create_study, load_study, seed_everything
from journaltune.study import environment

SPACE = {"x": "float(0, 1)"}


def test_versions_are_those_of_the_installed_packages() -> None:
    found = environment.describe()
    for library in ("optuna", "rustuna", "numpy"):
        assert found[library] == importlib.metadata.version(library)
    assert found["journaltune"] == journaltune.__version__
    assert found["python"].endswith(".".join(map(str, sys.version_info[:3])))
    assert "tensorflow" not in found


def test_the_first_folder_of_the_path_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "optuna-99.1.dist-info").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    assert environment.describe()["optuna"] == "99.1"


def records_of(path: Path) -> int:
    return path.read_bytes().count(b"\n")


def test_it_is_written_once_and_again_when_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "s.journal"
    study = create_study(path, params=SPACE)
    made = study._study.config["environment"]
    assert made == environment.describe()
    load_study(path).ask()
    load_study(path).ask()
    assert records_of(path) == 3
    with monkeypatch.context() as patch:
        patch.setattr(environment, "_library_versions", lambda: {"optuna": "99.1"})
        load_study(path).ask()
        load_study(path).ask()
        assert records_of(path) == 6
    load_study(path).ask()
    assert records_of(path) == 8
    verdict = load_study(path).verify()
    assert verdict.difference is None
    assert list(verdict.environment_changes) == [2, 4]
    assert any(change.startswith("optuna 99.1 -> ") for change in verdict.environment_changes[2])
    assert verdict.environment_changes[4] == []


def test_a_lock_file_belongs_to_it_when_named(tmp_path: Path) -> None:
    path, lock = tmp_path / "s.journal", tmp_path / "requirements.lock"
    with pytest.raises(UsageError, match="no lock file"):
        create_study(path, params=SPACE, lock_file=lock)
    lock.write_text("optuna==5.0.0\n")
    create_study(path, params=SPACE, lock_file=lock)
    load_study(path).ask()
    lock.write_text("optuna==5.0.1\n")
    load_study(path).ask()
    lock.unlink()
    load_study(path).ask()
    found = [environment.recorded(s.config or {}, s.system_attrs)["lock_file"] for s in [load_study(path)._study.state()]]
    assert found == ["missing"]
    assert records_of(path) == 6


def test_packages_and_files_of_the_trainer_belong_to_it_when_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, trainer, folder = tmp_path / "s.journal", tmp_path / "train.py", tmp_path / "packages"
    (folder / "My_Trainer-1.0.dist-info").mkdir(parents=True)
    monkeypatch.syspath_prepend(str(folder))
    with pytest.raises(UsageError, match=r"no file .*train\.py"):
        create_study(path, params=SPACE, record_file=trainer)
    with pytest.raises(UsageError, match="the package 'my-trainr' is not installed"):
        create_study(path, params=SPACE, record=["my-trainr"])
    trainer.write_text("print(1)\n")
    study = create_study(path, params=SPACE, record="my.trainer", record_file=trainer)
    made = study._study.config["environment"]
    assert made["my.trainer"] == "1.0"
    assert made[str(trainer)].startswith("sha256:")
    study.tell(study.ask(), 1.0)
    assert study.verify().environment_changes == {}

    trainer.write_text("print(2)\n")
    (folder / "My_Trainer-1.0.dist-info").rename(folder / "My_Trainer-1.1.dist-info")
    monkeypatch.setattr(environment, "_looked", ([], {}))
    hashes = environment.describe(files=[str(trainer)])[str(trainer)]
    changes = ["my.trainer 1.0 -> 1.1", f"{trainer} {made[str(trainer)]} -> {hashes}"]
    assert load_study(path).verify().environment_changes == {0: changes}
    load_study(path).ask()  # from here on with the new ones
    assert load_study(path).verify().environment_changes == {0: changes, 1: []}


class Torch:
    """Stands in for PyTorch, which is too large to install for a test of which of its functions are called."""

    def __init__(self) -> None:
        self.called: list[Any] = []
        self.backends = self.cudnn = self
        self.cudnn.benchmark, self.cudnn.deterministic = True, False

    def manual_seed(self, seed: int) -> None:
        self.called.append(seed)

    def use_deterministic_algorithms(self, mode: bool, *, warn_only: bool) -> None:
        self.called.append((mode, warn_only))


def test_seed_everything_seeds_what_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy as np

    torch = Torch()
    monkeypatch.setitem(sys.modules, "torch", torch)  # type: ignore[arg-type]
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    done = seed_everything(7)
    assert list(done) == ["random", "numpy", "torch"]
    assert torch.called == [7, (True, True)]
    assert (torch.cudnn.benchmark, torch.cudnn.deterministic) == (False, True)
    first = random.random(), np.random.rand()
    seed_everything(8)
    assert (random.random(), np.random.rand()) != first
    seed_everything(7)
    assert (random.random(), np.random.rand()) == first
    monkeypatch.delitem(sys.modules, "torch")
    assert "torch" not in seed_everything(7)


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, True, "7", None])
def test_a_seed_is_32_bits(seed: Any) -> None:
    state = random.getstate()
    with pytest.raises(ValueError, match="a seed is an integer"):
        seed_everything(seed)
    assert random.getstate() == state
