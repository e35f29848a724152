"""One study object in several threads, and on both sides of a fork."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from journaltune import create_study, load_study
from journaltune.api.study import Study
from journaltune.base.errors import ConflictError, LockTimeoutError
from journaltune.suggest.samplers.from_rustuna import RustunaSampler


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "study.journal"


def make(path: Path, **options: Any) -> Study:
    return create_study(path, **{"params": {"x": "float(0, 1)"}, "sampler": "tpe", "seed": 1, **options})


def ask_and_tell(study: Study, count: int) -> list[list[Any]]:
    told = []
    for _ in range(count):
        trial = study.ask()
        study.tell(trial, trial.params["x"])
        told.append([trial.number, trial.params["x"]])
    return told


def in_child(body: Callable[[], Any]) -> Callable[[], Any]:
    """Start ``body`` in a forked child; what is returned waits for its answer. A child that hangs is killed after a while."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        signal.alarm(60)
        status = 1
        try:
            os.close(read)
            answer = json.dumps(body()).encode()
            os.write(write, answer)
            status = 0
        finally:
            os._exit(status)
    os.close(write)

    def answer() -> Any:
        with open(read, encoding="utf-8") as answers:
            text = answers.read()
        assert os.waitpid(pid, 0)[1] == 0
        return json.loads(text)

    return answer


def all_agree(path: Path, told: list[list[Any]]) -> None:
    assert [number for number, _ in sorted(told)] == list(range(len(told)))
    stock = optuna.load_study(study_name="study", storage=JournalStorage(JournalFileBackend(str(path))))
    for trials in (load_study(path).trials, stock.trials):
        assert [[trial.number, trial.value] for trial in trials] == sorted(told)
        assert [[trial.number, trial.params["x"]] for trial in trials] == sorted(told)


class TestThreads:
    def test_threads_that_share_a_study_ask_and_tell(self, path: Path) -> None:
        study = make(path, sampler_options={"n_startup_trials": 5})
        with ThreadPoolExecutor(8) as pool:
            told = [found for mine in pool.map(lambda _: ask_and_tell(study, 12), range(8)) for found in mine]
        all_agree(path, told)
        assert study.trials == load_study(path).trials
        assert study.ask().params == twin_after(path, 96)

    def test_threads_that_do_everything_at_once(self, path: Path) -> None:
        study = make(path)
        failed = []

        def work(me: int) -> int:
            for turn in range(10):
                try:
                    with study.ask() as trial:
                        if turn % 3 == me % 3:
                            raise RuntimeError
                        study.tell(trial, 1.0)
                except RuntimeError:
                    failed.append(trial.number)
                study.enqueue({"x": me / 10}, skip_if_exists=turn % 2 == 0)
                study.counts()
                if turn % 4 == me % 4:
                    study.close()
                assert study.get_trials(["complete"]) is not None
            return 0

        with ThreadPoolExecutor(6) as pool:
            list(pool.map(work, range(6)))
        fresh = load_study(path)
        assert fresh.trials == study.trials
        assert sorted(trial.number for trial in fresh.get_trials(["fail"])) == sorted(failed)
        assert fresh.counts()["running"] == 0

    def test_one_of_several_threads_tells_a_trial(self, path: Path) -> None:
        study = make(path)
        numbers = [study.ask().number for _ in range(12)]

        def tell_all(me: int) -> list[int]:
            told = []
            for number in numbers:
                try:
                    study.tell(number, float(me))
                    told.append(number)
                except ConflictError:
                    pass
            return told

        with ThreadPoolExecutor(6) as pool:
            told = list(pool.map(tell_all, range(6)))
        assert sorted(number for mine in told for number in mine) == numbers
        assert all(study.trials[number].value == me for me, mine in enumerate(told) for number in mine)

    def test_two_objects_in_one_process_see_each_other(self, path: Path) -> None:
        one = make(path)
        two = load_study(path)
        told = []
        for _ in range(10):
            told += ask_and_tell(one, 1) + ask_and_tell(two, 2)
            assert one.trials == two.trials
        all_agree(path, told)

    def test_two_objects_of_two_studies_in_one_file(self, path: Path) -> None:
        one, two = make(path, study_name="study"), make(path, study_name="other")
        told = [found for _ in range(5) for found in (*ask_and_tell(one, 1), *(ask_and_tell(two, 1) and []))]
        all_agree_on = [[trial.number, trial.value] for trial in load_study(path, "study").trials]
        assert all_agree_on == told
        assert len(load_study(path, "other").trials) == 5


def twin_after(path: Path, number: int) -> dict[str, Any]:
    """What a process that was started now would have been given: from a copy without the last ask."""
    lines = path.read_bytes().splitlines(keepends=True)
    copy = path.with_name("copy")
    copy.write_bytes(b"".join(lines[:-1]))
    trial = load_study(copy).ask()
    assert trial.number == number
    return trial.params


class TestFork:
    def test_a_study_goes_on_in_parent_and_child(self, path: Path) -> None:
        study = make(path)
        told = ask_and_tell(study, 2)
        answer = in_child(lambda: ask_and_tell(study, 10))
        told += ask_and_tell(study, 10)
        told += answer()
        told += ask_and_tell(study, 1)
        all_agree(path, told)

    def test_many_children_of_one_study(self, path: Path) -> None:
        study = make(path)
        answers = [in_child(lambda: ask_and_tell(study, 4)) for _ in range(8)]
        told = [found for answer in answers for found in answer()]
        all_agree(path, told + ask_and_tell(study, 3))

    def test_a_child_of_a_child(self, path: Path) -> None:
        study = make(path)

        def child() -> list[list[Any]]:
            answer = in_child(lambda: ask_and_tell(study, 3))
            return ask_and_tell(study, 3) + answer()

        told = in_child(child)()
        all_agree(path, told + ask_and_tell(study, 3))

    def test_what_a_child_closes_stays_open_in_its_parent(self, path: Path) -> None:
        study = make(path)
        told = ask_and_tell(study, 2)

        def child() -> list[list[Any]]:
            study.close()
            found = ask_and_tell(study, 1)
            study.close()
            return found

        told += in_child(child)()
        all_agree(path, told + ask_and_tell(study, 2))

    def test_a_child_opens_nothing_of_its_parents(self, path: Path) -> None:
        """Descriptors that the child was given with the fork are closed there, and no others."""
        study, other = make(path), load_study(path)
        ours = os.open(path, os.O_RDONLY)

        def child() -> list[str]:
            return [
                os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if os.path.lexists(f"/proc/self/fd/{fd}")
            ]

        assert in_child(child)().count(str(path)) == 1
        os.close(ours)
        assert study.ask().number == 0
        assert other.ask().number == 1

    def test_a_warm_sampler_suggests_the_same_in_a_child(self, path: Path) -> None:
        study = make(path)
        ask_and_tell(study, 15)
        found = in_child(lambda: study.ask().params)()
        assert found == twin_after(path, 15)
        assert study.trials[15].params == found

    @pytest.mark.parametrize("snapshot", [False, True])
    def test_results_of_before_the_fork_are_read_in_the_child(self, path: Path, snapshot: bool) -> None:
        study = make(path)
        told = ask_and_tell(study, 5)
        if snapshot:
            study._study.journal.save_snapshot()
            study = load_study(path)
        assert in_child(lambda: [[trial.number, trial.value] for trial in study.trials])() == told
        assert [[trial.number, trial.value] for trial in study.trials] == told

    def test_a_child_forked_while_another_thread_asks_can_use_the_study(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """That thread does not exist in the child, and never lets go of the study there."""
        study = make(path)
        ask_and_tell(study, 3)
        suggest = RustunaSampler.suggest
        asking, go_on = threading.Event(), threading.Event()

        def slow(*arguments: Any) -> dict[str, float]:
            asking.set()
            go_on.wait()
            return suggest(*arguments)

        monkeypatch.setattr(RustunaSampler, "suggest", slow)
        asked: list[int] = []
        thread = threading.Thread(target=lambda: asked.append(study.ask().number))
        thread.start()
        asking.wait()

        def child() -> list[Any]:
            signal.alarm(10)
            study.enqueue({"x": 0.5})
            return [study.counts()["complete"], study.best_trial.number]

        answer = in_child(child)
        go_on.set()
        thread.join()
        assert answer()[0] == 3
        assert sorted([*asked, study.ask().number]) == [3, 4]

    def test_a_child_forked_under_the_lock_waits_for_its_parent(self, path: Path) -> None:
        study = make(path, lock_timeout_s=0.05)

        def child() -> str:
            try:
                study.ask()
            except LockTimeoutError as error:
                return str(error)
            return "had the lock"

        with study._study.journal.locked():
            said = in_child(child)()
        assert f"process {os.getpid()} " in said
        assert in_child(child)() == "had the lock"
