"""The examples for several machines, each on processes of this one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from journaltune import load_study


def counts(folder: Path) -> dict[str, int]:
    with load_study(folder / "study.journal") as study:
        return study.counts()


def called(command: list[str], folder: Path, env: dict[str, str]) -> str:
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_search_on_dask_ends_with_its_trials(examples: Path, tmp_path: Path) -> None:
    pytest.importorskip("distributed", reason="no dask.distributed")
    command = [sys.executable, str(examples / "cluster" / "dask_search.py")]
    env = {**os.environ, "DASK_DISTRIBUTED__WORKER__MULTIPROCESSING_METHOD": "forkserver"}  # it imports Dask once for all workers
    said = called(command, tmp_path, env)
    assert said.startswith("best: ")
    found = counts(tmp_path)
    assert found == {**found, "running": 0, "fail": 0}
    assert found["complete"] + found["pruned"] == 24
    assert called(command, tmp_path, env) == said


def test_a_search_by_mpi_ends_with_its_trials(examples: Path, tmp_path: Path) -> None:
    pytest.importorskip("mpi4py", reason="no mpi4py")
    if shutil.which("mpiexec") is None:
        pytest.skip("this machine has no mpiexec")
    part = [sys.executable, "-m", "mpi4py.futures", str(examples / "cluster" / "mpi_search.py")]
    as_root = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    assert "best: " in called(["mpiexec", "--oversubscribe", "-n", "3", *part], tmp_path, {**os.environ, **as_root})
    assert counts(tmp_path)["complete"] == 24


def test_stock_optuna_workers_share_a_journal_by_grpc(examples: Path, tmp_path: Path, shell_env: dict[str, str]) -> None:
    pytest.importorskip("grpc", reason="no grpcio")
    options: Any = {"cwd": tmp_path, "env": shell_env, "text": True}
    serve = ["journaltune", "serve", "--grpc", "127.0.0.1:0"]
    with subprocess.Popen(serve, stderr=subprocess.PIPE, **options) as server:
        assert server.stderr is not None
        said = next(line for line in server.stderr if "serving" in line)
        port = said.partition("127.0.0.1:")[2].split()[0].rstrip(";")
        worker = [sys.executable, str(examples / "cluster" / "optuna_worker.py"), port]
        workers = [subprocess.Popen(worker, stderr=subprocess.DEVNULL, **options) for _ in range(2)]
        assert [each.wait(120) for each in workers] == [0, 0]
        server.terminate()
    assert counts(tmp_path)["complete"] == 16
