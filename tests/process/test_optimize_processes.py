"""``study.optimize`` with processes: closures, deaths of every kind, Ctrl-C, executors, and two searches of one study."""

from __future__ import annotations

import copyreg
import ctypes
import gc
import os
import random
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import Any

import numpy
import optuna
import pytest

import journaltune
from journaltune import ObjectiveError, create_study, load_study
from journaltune.api.study import Study
from journaltune.base.errors import MachineError
from journaltune.base.model import TrialState


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "study.journal"


@pytest.fixture(autouse=True)
def nobody_stays() -> Iterator[None]:
    """Whatever a test does, no child of ours is left."""
    yield
    assert active_children() == []


def make(path: Path, **options: Any) -> Study:
    return create_study(path, **{"params": {"x": "float(0, 1)"}, "seed": 1, "sampler": "random", **options})


def x_of(trial: Any) -> float:
    return float(trial.params["x"])


def reporting(trial: Any) -> float:
    trial.report(trial.suggest_float("x", 0, 1), 0)
    trial.set_user_attr("pid", os.getpid())
    assert not trial.should_prune()
    return x_of(trial)


def dying(trial: Any) -> float:
    os._exit(3)


class Wrong(Exception):
    pass


class Unpicklable(Exception):
    def __init__(self, one: object, two: object) -> None:
        super().__init__("no way back")


def kill_self() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def crash() -> None:
    signal.signal(signal.SIGSEGV, signal.SIG_DFL)  # pytest's faulthandler would print every thread
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.string_at(0)


DEATHS = [
    (kill_self, "signal", "SIGKILL"),
    (crash, "signal", "SIGSEGV"),
    (lambda: os._exit(3), "exit", "status 3"),
    (lambda: os._exit(0), "exit", "status 0"),
    (lambda: sys.exit("enough"), "exit", "SystemExit: enough"),
]


class TestWorkers:
    @pytest.mark.parametrize("options", [{"n_jobs": 4}, {"isolate": True}, {"isolate": True, "n_jobs": 3}])
    def test_closures_run_in_children_that_report_and_suggest(self, path: Path, options: dict[str, Any]) -> None:
        study = make(path)
        offset = 1.0
        seen: list[int] = []
        study.optimize(lambda trial: offset + reporting(trial), 8, callbacks=[lambda _, t: seen.append(t.number)], **options)
        trials = load_study(path).trials
        assert sorted(seen) == list(range(8))
        assert [trial.value for trial in trials] == [offset + trial.params["x"] for trial in trials]
        assert [trial.intermediate_values for trial in trials] == [{0: trial.params["x"]} for trial in trials]
        pids = {trial.user_attrs["pid"] for trial in trials}
        assert os.getpid() not in pids
        assert len(pids) == 8 if "isolate" in options else len(pids) <= 4

    def test_all_of_them_run_at_once(self, path: Path) -> None:
        """Each waits for the three others: with fewer at once none would end."""
        barrier = get_context("fork").Barrier(4)
        study = make(path)
        study.optimize(lambda trial: float(barrier.wait(60) >= 0), 8, n_jobs=4)
        assert study.counts()["complete"] == 8

    @pytest.mark.parametrize("options", [{"n_jobs": 3}, {"isolate": True}])
    def test_descriptors_are_given_back(self, path: Path, options: dict[str, Any]) -> None:
        study = make(path)
        study.optimize(x_of, 3, **options)
        gc.collect()
        before = len(os.listdir("/proc/self/fd"))
        study.optimize(lambda trial: kill_self() if trial.number % 2 else 1.0, 6, **options)  # type: ignore[arg-type,return-value]
        assert len(os.listdir("/proc/self/fd")) == before

    def test_minus_one_is_a_process_a_core(self, path: Path) -> None:
        study = make(path)
        study.optimize(x_of, 3, n_jobs=-1)
        assert study.counts()["complete"] == 3

    @pytest.mark.parametrize("options", [{"n_jobs": 2}, {"isolate": True}])
    @pytest.mark.parametrize(("die", "reason", "word"), DEATHS)
    def test_one_that_dies_fails_its_trial_only(
        self, path: Path, options: dict[str, Any], die: Callable[[], None], reason: str, word: str
    ) -> None:
        study = make(path)
        study.optimize(lambda trial: die() if trial.number % 3 == 1 else 1.0, 7, **options)  # type: ignore[arg-type,return-value]
        for trial in study.trials:
            if trial.number % 3 == 1:
                assert (trial.state, trial.user_attrs["fail_reason"]) == (TrialState.FAIL, reason)
                assert word in trial.user_attrs["fail_message"]
            else:
                assert trial.value == 1.0

    def test_one_whose_own_child_outlives_it_is_known_to_be_dead(self, path: Path) -> None:
        """A data loader's worker holds the pipes of the process that forked it."""
        read, write = os.pipe()

        def objective(trial: Any) -> float:
            if os.fork() == 0:
                os.read(read, 1)
                os._exit(0)
            kill_self()
            return 1.0

        study = make(path)
        study.optimize(objective, 1, isolate=True)
        os.write(write, b".")
        os.close(read)
        os.close(write)
        assert study.trials[0].user_attrs["fail_reason"] == "signal"

    def test_a_kill_by_the_kernel_for_memory_is_told_apart(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        counts = iter([4, 5, 5, 5, None, 5])
        monkeypatch.setattr("journaltune.run.forked.oom_kills", lambda: next(counts))
        study = make(path)
        study.optimize(lambda trial: kill_self() or 1.0, 3, isolate=True)
        assert [trial.user_attrs["fail_reason"] for trial in study.trials] == ["oom", "signal", "signal"]

    def test_a_real_memory_limit(self, path: Path) -> None:
        def objective(trial: Any) -> float:
            resource.setrlimit(resource.RLIMIT_AS, (1 << 31, 1 << 31))
            return float(len(bytearray(1 << 33)))

        study = make(path)
        study.optimize(objective, 2, isolate=True, catch=MemoryError)
        assert [trial.user_attrs["fail_reason"] for trial in study.trials] == ["oom"] * 2

    def test_each_call_draws_other_random_numbers(self, path: Path) -> None:
        numpy.random.seed(3)
        random.seed(3)
        study = make(path)
        study.optimize(lambda trial: numpy.random.random() + random.random(), 4, isolate=True)
        assert len({trial.value for trial in study.trials}) == 4
        again = make(path.with_name("again"))
        again.optimize(lambda trial: numpy.random.random(), 4, isolate=True)
        once_more = make(path.with_name("once more"))
        once_more.optimize(lambda trial: numpy.random.random(), 4, n_jobs=2)
        assert [trial.value for trial in again.trials] == [trial.value for trial in once_more.trials]

    @pytest.mark.parametrize("lag", [1, 3])
    def test_a_lag_is_kept(self, path: Path, lag: int) -> None:
        """The next trial waits for results that this very process is to tell."""
        study = make(path, lag=lag)
        study.optimize(x_of, 9, n_jobs=4, timeout=300)
        alone = make(path.with_name("alone"), lag=lag)
        alone.optimize(x_of, 9)
        assert [trial.params for trial in study.trials] == [trial.params for trial in alone.trials]


class TestErrors:
    @pytest.mark.parametrize("options", [{"n_jobs": 2}, {"isolate": True}, {"executor": "threads"}])
    def test_an_exception_propagates_after_what_runs_has_finished(self, path: Path, options: dict[str, Any]) -> None:
        study = make(path)
        gate = get_context("fork").Event()

        def objective(trial: Any) -> float:
            if trial.number == 0:
                gate.set()
                raise Wrong("this way")
            return float(gate.wait(60))

        with ThreadPoolExecutor(2) as executor, pytest.raises(Wrong, match="this way") as caught:
            study.optimize(objective, 9, **({"executor": executor, "n_jobs": 2} if "executor" in options else options))
        if "executor" not in options:
            assert "in objective" in str(caught.value.__cause__), "where it was raised"
        assert study.counts()["running"] == 0
        assert study.trials[0].user_attrs["fail_message"].endswith("Wrong: this way")

    def test_one_that_can_not_be_pickled_is_named(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delitem(copyreg.dispatch_table, Unpicklable, raising=False)  # Dask's import makes every exception picklable

        def objective(trial: Any) -> float:
            raise Unpicklable(1, lambda: 2)

        with pytest.raises(ObjectiveError, match=r"Unpicklable: no way back(.|\n)*in objective"):
            make(path).optimize(objective, 1, isolate=True)

    @pytest.mark.parametrize("catch", [Unpicklable, Exception])
    def test_one_that_can_not_be_pickled_can_be_caught(self, path: Path, catch: type[Exception]) -> None:
        def objective(trial: Any) -> float:
            raise Unpicklable(1, lambda: 2)

        study = make(path)
        study.optimize(objective, 2, isolate=True, catch=catch)
        assert study.counts()["fail"] == 2

    @pytest.mark.parametrize("pruned", [journaltune.TrialPruned, optuna.TrialPruned])
    def test_pruned_trials(self, path: Path, pruned: type[Exception]) -> None:
        def objective(trial: Any) -> float:
            trial.report(0.5, 3)
            raise pruned

        study = make(path)
        study.optimize(objective, 3, n_jobs=2)
        assert [(trial.state, trial.value) for trial in study.trials] == [(TrialState.PRUNED, 0.5)] * 3

    @pytest.mark.parametrize("options", [{"n_jobs": 2}, {"isolate": True}])
    def test_stop_is_heard_from_a_child(self, path: Path, options: dict[str, Any]) -> None:
        study = make(path)
        study.optimize(lambda trial: study.stop() or 1.0, 50, **options)
        assert 1 <= study.counts()["complete"] < 50


class TestExecutors:
    def test_a_process_pool(self, path: Path) -> None:
        study = make(path)
        with ProcessPoolExecutor(2) as executor:
            study.optimize(reporting, 6, executor=executor, n_jobs=3, gc_after_trial=True)
        for trial in study.trials:
            assert trial.value == trial.params["x"] == trial.intermediate_values[0]
            assert trial.user_attrs["pid"] != os.getpid()

    def test_threads(self, path: Path) -> None:
        study = make(path)
        with ThreadPoolExecutor(3) as executor:
            study.optimize(lambda trial: reporting(trial), 6, executor=executor, n_jobs=3)
        assert study.counts()["complete"] == 6

    def test_a_pool_whose_process_dies_ends_the_search(self, path: Path) -> None:
        study = make(path)
        with ProcessPoolExecutor(1) as executor, pytest.raises(BrokenProcessPool):
            study.optimize(dying, 6, executor=executor)
        assert [trial.user_attrs["fail_reason"] for trial in study.trials] == ["exit"]

    def test_as_many_calls_run_at_once_as_the_executor_has_workers(self, path: Path) -> None:
        study, all_three = make(path), threading.Barrier(3)
        with ThreadPoolExecutor(3) as executor:
            study.optimize(lambda trial: all_three.wait(60), 6, executor=executor, n_jobs=-1)
        assert sorted(trial.value for trial in study.trials) == [0, 0, 1, 1, 2, 2]

    def test_a_call_that_the_executor_cancels_is_asked_again(self, path: Path) -> None:
        study, submitted = make(path), threading.Event()

        class Executor(ThreadPoolExecutor):
            def submit(self, call: Any, /, *arguments: Any, **named: Any) -> Any:
                future = super().submit(call, *arguments, **named)
                if arguments[0].number == 1:
                    submitted.set()
                return future

        def ending(trial: Any) -> float:
            assert submitted.wait(60)
            executor.shutdown(wait=False, cancel_futures=True)
            return 1.0

        with Executor(1) as executor, pytest.raises(MachineError, match="asked again"):
            study.optimize(ending, 2, executor=executor, n_jobs=2)
        assert study.counts() == {**study.counts(), "complete": 1, "fail": 0}
        assert study.ask().number == 1

    def test_what_can_not_be_sent_fails_its_trial(self, path: Path) -> None:
        study = make(path)
        with ProcessPoolExecutor(1) as executor, pytest.raises(Exception, match="pickle"):
            study.optimize(lambda trial: 1.0, 6, executor=executor)
        assert study.counts() == {"running": 0, "waiting": 0, "complete": 0, "pruned": 0, "fail": 1}


LEAK = """
import gc, sys
import journaltune
from journaltune.run.memory import resident_bytes

class Node:
    def __init__(self):
        self.me, self.data = self, bytearray(4_000_000)

def objective(trial):
    gc.disable()
    Node()
    trial.set_user_attr("size", resident_bytes())
    return 1.0

study = journaltune.create_study(sys.argv[1], params={"x": "float(0, 1)"}, sampler="random")
options = {"callback": {"callbacks": [journaltune.GarbageCollector()]}, "option": {"gc_after_trial": True}, "nothing": {}}
study.optimize(objective, 44, n_jobs=int(sys.argv[2]), **options[sys.argv[3]])
sizes = [trial.user_attrs["size"] for trial in study.trials]
print(sizes[20], max(sizes[20:]))
"""


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize(("how", "flat"), [("callback", True), ("option", True), ("nothing", False)])
def test_the_resident_size_of_a_search_that_leaks_stays_flat(path: Path, n_jobs: int, how: str, flat: bool) -> None:
    arguments = [sys.executable, "-c", LEAK, str(path), str(n_jobs), how]
    early, largest = map(int, subprocess.run(arguments, stdout=subprocess.PIPE, check=True).stdout.split())
    assert (largest < early + 24_000_000) == flat, (early, largest)
