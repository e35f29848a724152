"""``study.optimize`` with mpi4py's executor, under Debian's ``mpiexec``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import journaltune

if TYPE_CHECKING:
    from collections.abc import Sequence

pytest.importorskip("mpi4py", reason="no mpi4py")
pytestmark = pytest.mark.skipif(shutil.which("mpiexec") is None, reason="this machine has no mpiexec")

SEARCH = """
import os, signal, sys
import journaltune
from mpi4py.futures import MPIPoolExecutor

def objective(trial):
    x = trial.suggest_float("x", 0, 1)
    trial.set_user_attr("pid", os.getpid())
    if os.environ["HOW"] == "dying" and trial.number == 3 and trial.attempt == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    for step in range(1, 4 * (os.environ["HOW"] != "silent")):
        trial.report(x + 1 / step, step)
        if trial.should_prune():
            raise journaltune.TrialPruned
    return x

if __name__ == "__main__":
    study = journaltune.load_study(sys.argv[1])
    with MPIPoolExecutor() as executor:
        study.optimize(objective, total_trials=8, n_jobs=-1, executor=executor, gc_after_trial=True)
    print(os.getpid())
"""


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    (tmp_path / "search.py").write_text(SEARCH, encoding="utf-8")
    path = tmp_path / "runs" / "study.journal"
    path.parent.mkdir()
    options: Any = {"params": {"x": "float(0, 1)"}, "sampler": "random", "seed": 1, "lag": 1}
    journaltune.create_study(path, pruner="median", pruner_options={"n_startup_trials": 2}, **options).close()
    return path


def searched(journal: Path, how: str, around_workers: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    """A search by one coordinator and two workers."""
    as_root = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    part = [sys.executable, "-m", "mpi4py.futures", "search.py", str(journal)]
    command = ["mpiexec", "--oversubscribe", "-n", "1", *part, ":", "-n", "2", *around_workers, *part]
    options: Any = {"cwd": journal.parent.parent, "env": {**os.environ, **as_root, "HOW": how}, "timeout": 120}
    return subprocess.run(command, capture_output=True, text=True, **options)


def facts(path: Path) -> list[Any]:
    with journaltune.load_study(path) as study:
        return [(trial.state.name, trial.params, trial.value, trial.intermediate_values) for trial in study.trials]


def test_a_search_by_mpi_is_the_one_of_one_process(journal: Path, tmp_path: Path) -> None:
    """The study has a lag of 1, so that results come in the order of their trials."""
    alone = tmp_path / "alone.journal"
    shutil.copy(journal, alone)
    with journaltune.load_study(alone) as study:
        for trial in study.trials_iter(8):
            for step in range(1, 4):
                trial.report(trial.params["x"] + 1 / step, step)
                if trial.should_prune():
                    study.tell(trial, state="pruned")
                    break
            else:
                study.tell(trial, trial.params["x"])
    done = searched(journal, "reporting")
    assert done.returncode == 0, done.stderr
    assert facts(journal) == facts(alone)
    with journaltune.load_study(journal) as study:
        assert int(done.stdout) not in {trial.user_attrs["pid"] for trial in study.trials}
        assert 0 < study.counts()["pruned"] < 8


def test_a_worker_that_is_killed_ends_the_job_and_its_trial_is_asked_again(journal: Path) -> None:
    """MPI ends the coordinator with it, so every trial that ran is a dead owner's."""
    assert searched(journal, "dying").returncode != 0
    done = searched(journal, "dying")
    assert done.returncode == 0, done.stderr
    with journaltune.load_study(journal) as study:
        assert study.counts() == {**study.counts(), "running": 0, "waiting": 0, "fail": 0}
        assert [trial.attempt for trial in study.trials] == [1, 1, 1, 2, 1, 1, 1, 1]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may make the file systems of another machine")
@pytest.mark.parametrize("has", ["nothing", "a copy"])
def test_reports_on_another_machine_are_refused_and_values_come_back(journal: Path, has: str) -> None:
    """The workers have a file system of their own in the place of the journal's, as on another machine: empty, or with a copy."""
    there = f'cp "{journal}" copied && mount -t tmpfs none "{journal.parent}"'
    there += f' && cp copied "{journal}"' if has == "a copy" else ""
    around = ["unshare", "-m", "sh", "-c", f'{there} && exec "$@"', "sh"]
    if subprocess.run([*around, "true"], cwd=journal.parent.parent, capture_output=True).returncode != 0:
        pytest.skip("this machine lets nobody mount")
    refused = searched(journal, "reporting", around)
    assert refused.returncode != 0
    said = f"there is no journal {journal} on" if has == "nothing" else f"{journal} on {os.uname().nodename} is another file"
    assert said in refused.stderr
    assert "Dask" in refused.stderr
    assert facts(journal)[0][0] == "FAIL"
    done = searched(journal, "silent", around)
    assert done.returncode == 0, done.stderr
    states = [state for state, *_ in facts(journal)]
    assert states == ["FAIL", *["COMPLETE"] * (len(states) - 1)]
