"""``study.optimize`` on a Dask cluster: a scheduler and two workers, of which some are killed, and processes that ask for it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from lazily import Library
from listening import free_port, listening

import journaltune
from journaltune.base.errors import ConflictError, JournaltuneError, MachineError, UsageError
from journaltune.base.model import TrialState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from journaltune.api.study import Study

distributed = Library("distributed", reason="no dask.distributed")


class Cluster:
    def __init__(self, address: str) -> None:
        self.address = address
        self.client = distributed.Client(address)
        self.executor = self.client.get_executor()

    def is_whole(self) -> None:
        """Wait until the workers that were killed are replaced."""
        self.client.wait_for_workers(2, timeout=120)

    def has_no_queues(self) -> bool:
        """Whether the scheduler keeps nothing of a search, a moment after its end."""
        deadline = time.monotonic() + 60
        while self.client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.extensions["queues"].queues)):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True


def scheduler(port: int) -> list[str]:
    options = ["--host", "127.0.0.1", "--port", str(port), "--no-dashboard"]
    return [sys.executable, "-m", "distributed.cli.dask_scheduler", *options]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Processes of the command line's. Each worker has a nanny, which replaces it where it is killed; a task may lose two."""
    folder, port = tmp_path_factory.mktemp("dask"), free_port()
    env = {
        **os.environ,
        "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1",
        "DASK_DISTRIBUTED__WORKER__MULTIPROCESSING_METHOD": "forkserver",  # which imports Dask once for all workers
        "DASK_TEMPORARY_DIRECTORY": str(folder),
    }
    options: Any = {"env": env, "cwd": folder, "stderr": subprocess.DEVNULL}
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", f"127.0.0.1:{port}", "--nworkers", "2", "--nthreads", "1"]
    with listening(scheduler(port), port, **options), subprocess.Popen([*worker, "--no-dashboard"], **options) as workers:
        made = Cluster(f"127.0.0.1:{port}")
        try:
            made.is_whole()
            yield made
        finally:
            made.client.close()
            workers.terminate()
            workers.wait(60)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "study.journal"


def make(path: Path, **options: Any) -> Study:
    given = {"params": {"x": "float(0, 1)"}, "seed": 1, "sampler": "random", "pruner": "median"}
    return journaltune.create_study(path, **{**given, "pruner_options": {"n_startup_trials": 3}, **options})


def objective() -> Callable[[Any], float]:
    """A function that the workers get by value: they can't import this file."""

    def reporting(trial: Any) -> float:
        x = trial.suggest_float("x", 0, 1)
        trial.set_user_attr("pid", os.getpid())
        for step in range(1, 4):
            trial.report(x + 1 / step, step)
            if trial.should_prune():
                raise journaltune.TrialPruned
        return float(x)

    return reporting


def facts(study: Study) -> list[Any]:
    return [(trial.state, trial.params, trial.value, trial.intermediate_values) for trial in study.trials]


def test_a_search_on_a_cluster_is_the_one_in_this_process(cluster: Cluster, path: Path) -> None:
    here, there = make(path.with_name("here")), make(path)
    here.optimize(objective(), 10)
    there.optimize(objective(), total_trials=10, executor=cluster.executor, gc_after_trial=True)
    assert facts(there) == facts(here)
    assert 0 < there.counts()["pruned"] < 10
    assert os.getpid() not in {trial.user_attrs["pid"] for trial in there.trials}
    assert cluster.has_no_queues()


def test_both_workers_are_used_at_once(cluster: Cluster, path: Path) -> None:
    cluster.is_whole()
    study = make(path)

    def both(trial: Any) -> float:
        from distributed import Event

        barrier = Event(f"journaltune-test-{1 - trial.number % 2}")
        Event(f"journaltune-test-{trial.number % 2}").set()
        assert barrier.wait(60)
        return float(trial.slot)

    study.optimize(both, 2, n_jobs=-1, executor=cluster.executor)
    assert sorted(trial.value or 0.0 for trial in study.trials) == [0, 1]


def test_a_trial_whose_worker_is_killed_runs_again_and_counts_once(cluster: Cluster, path: Path) -> None:
    cluster.is_whole()
    study, called_back = make(path), list[int]()
    reporting = objective()

    def dying(trial: Any) -> float:
        if trial.number == 3 and trial.attempt == 1:
            trial.report(trial.params["x"] + 1, 1)
            os.kill(os.getpid(), signal.SIGKILL)
        return reporting(trial)

    callbacks = [lambda _, trial: called_back.append(trial.number)]
    study.optimize(dying, 10, n_jobs=2, executor=cluster.executor, callbacks=callbacks)
    assert sorted(called_back) == list(range(10))
    assert [trial.attempt for trial in study.trials] == [1, 1, 1, 2, 1, 1, 1, 1, 1, 1]
    assert study.counts() == {**study.counts(), "running": 0, "waiting": 0, "fail": 0}
    assert study.trials[3].intermediate_values[1] == study.trials[3].params["x"] + 1
    assert study.verify().difference is None
    assert cluster.has_no_queues()


def test_a_trial_that_kills_its_workers_fails_and_the_search_goes_on(cluster: Cluster, path: Path) -> None:
    cluster.is_whole()
    study = make(path)

    def dying(trial: Any) -> float:
        if trial.number == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return float(trial.params["x"])

    study.optimize(dying, 4, executor=cluster.executor)
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE, TrialState.FAIL, *[TrialState.COMPLETE] * 2]
    failed = study.trials[1]
    assert (failed.user_attrs["fail_reason"], failed.attempt) == ("crash-loop", 2)


def test_an_error_of_the_objective_is_raised_here_unless_it_is_caught(cluster: Cluster, path: Path) -> None:
    study = make(path)

    def wrong(trial: Any) -> float:
        raise ArithmeticError(f"trial {trial.number}")

    with pytest.raises(ArithmeticError, match="trial 0"):
        study.optimize(wrong, 3, executor=cluster.executor)
    study.optimize(wrong, 2, executor=cluster.executor, catch=ArithmeticError)
    assert [trial.user_attrs["fail_reason"] for trial in study.trials] == ["exit"] * 3


def test_what_the_coordinator_refuses_is_raised_in_the_objective(cluster: Cluster, path: Path) -> None:
    study = make(path)

    def asking(trial: Any) -> float:
        said = []
        for call in (lambda: trial.report(0.5, -1), lambda: trial.report("much", 1), lambda: trial.study, lambda: trial.storage):
            try:
                call()
            except JournaltuneError as error:
                said.append(f"{type(error).__name__}: {error}")
        trial.set_user_attr("said", said)
        with trial:  # a context, as elsewhere
            assert trial.report(0.25, 1)
            assert not trial.report(0.5, 1)  # the first one counts
        return float(trial.user_attrs["known"])

    study.enqueue({"x": 0.5}, attrs={"known": 7})
    study.optimize(asking, 1, executor=cluster.executor)
    (trial,) = study.trials
    assert (trial.value, trial.intermediate_values) == (7.0, {1: 0.25})
    step, value, whole, storage = trial.user_attrs["said"]
    assert step.startswith(f"{UsageError.__name__}: a step must be 0 or above")
    assert value.startswith(UsageError.__name__)
    assert whole.startswith(MachineError.__name__)
    assert storage == whole


def test_threads_of_an_objective_report_too(cluster: Cluster, path: Path) -> None:
    study = make(path)

    def threaded(trial: Any) -> float:
        threads = [threading.Thread(target=trial.report, args=(step / 8, step)) for step in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return 1.0

    study.optimize(threaded, 1, executor=cluster.executor)
    assert study.trials[0].intermediate_values == {step: step / 8 for step in range(8)}


def test_a_trial_that_was_told_meanwhile_takes_no_more_reports(cluster: Cluster, path: Path) -> None:
    study = make(path)

    def late(trial: Any) -> float:
        from distributed import Event

        Event("journaltune-test-started").set()
        assert Event("journaltune-test-told").wait(60)
        trial.report(0.5, 1)
        return 1.0

    def tell() -> None:
        assert distributed.Event("journaltune-test-started", cluster.client).wait(60)
        with journaltune.load_study(path) as other:
            other.tell(0, 0.25)
        distributed.Event("journaltune-test-told", cluster.client).set()

    teller = threading.Thread(target=tell)
    teller.start()
    with pytest.raises(ConflictError, match="only a running one takes reports"):
        study.optimize(late, 1, executor=cluster.executor)
    teller.join()
    assert study.trials[0].value == 0.25


COORDINATOR = """
import sys
import distributed, journaltune

def waiting(trial):
    if trial.attempt == 1:
        trial.report(0.5, 1)
        distributed.Event(sys_name + "-began").set()
        distributed.Event(sys_name + "-go-on").wait(120)
        try:
            trial.report(0.5, 2)
        finally:
            distributed.Event(sys_name + "-refused").set()
    return trial.params["x"]

sys_name = sys.argv[3]
study = journaltune.load_study(sys.argv[2])
study.optimize(waiting, total_trials=1, executor=distributed.Client(sys.argv[1]).get_executor())
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_the_trial_of_a_search_that_was_ended_is_asked_again(cluster: Cluster, path: Path, number: int) -> None:
    cluster.is_whole()
    make(path).close()
    events = {name: distributed.Event(f"{number}-{name}", cluster.client) for name in ("began", "go-on", "refused")}
    arguments = [sys.executable, "-c", COORDINATOR, cluster.address, str(path), str(int(number))]
    with subprocess.Popen(arguments, stderr=subprocess.DEVNULL) as coordinator:
        assert events["began"].wait(120)
        coordinator.send_signal(number)
        assert coordinator.wait(60) != 0
    events["go-on"].set()
    assert events["refused"].wait(60)
    with journaltune.load_study(path) as study:
        assert study.trials[0].intermediate_values == {1: 0.5}
    again = subprocess.run(arguments, capture_output=True, text=True, timeout=300)
    assert again.returncode == 0, again.stderr
    with journaltune.load_study(path) as study:
        assert [(trial.state, trial.attempt) for trial in study.trials] == [(TrialState.COMPLETE, 2)]


def test_a_scheduler_that_dies_ends_the_search_and_its_trial_is_asked_again(path: Path) -> None:
    port = free_port()
    study = make(path)
    with listening(scheduler(port), port, stderr=subprocess.DEVNULL) as process:
        client = distributed.Client(f"127.0.0.1:{port}")

        def kill() -> None:
            while not client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)):
                pass
            process.kill()

        killer = threading.Thread(target=kill)
        killer.start()
        with pytest.raises(Exception):  # noqa: B017, PT011
            study.optimize(objective(), 3, executor=client.get_executor())
        killer.join()
    client.close()
    assert study.ask().number == 0
    assert study.counts()["fail"] == 0


def test_a_client_that_is_asynchronous_is_refused(path: Path) -> None:
    import asyncio

    async def search() -> None:
        async with distributed.Client(processes=False, n_workers=1, asynchronous=True, dashboard_address=None) as client:
            make(path).optimize(objective(), 1, executor=client.get_executor())

    with pytest.raises(UsageError, match="asynchronous"):
        asyncio.run(search())
