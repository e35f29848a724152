"""Locks between processes: a wait has a limit and names who is to blame; whoever dies, stops or forks leaves none behind."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from journaltune import create_study, load_study
from journaltune.api.study import Study
from journaltune.base.errors import LockTimeoutError
from journaltune.engine.create import delete
from journaltune.suggest.samplers.from_rustuna import RustunaSampler

# Each says "ready" when it holds its lock and gives it back when its stdin ends.
HOLD_JOURNAL = """
import fcntl, os, sys
fd = os.open(sys.argv[1], os.O_RDWR)
fcntl.flock(fd, fcntl.LOCK_EX)
print("ready", flush=True)
sys.stdin.read()
"""
HOLD_ASKS = """
import sys
from journaltune import load_study
from journaltune.suggest.samplers.from_rustuna import RustunaSampler
suggest = RustunaSampler.suggest
def slow(*arguments):
    print("ready", flush=True)
    sys.stdin.read()
    return suggest(*arguments)
RustunaSampler.suggest = slow
print(load_study(sys.argv[1], *sys.argv[2:]).ask().number, flush=True)
"""
# Holds the journal's lock through journaltune, forks a child that lives on, and says the child's pid.
HOLD_AND_FORK = """
import os, signal, sys
from journaltune import load_study
study = load_study(sys.argv[1])
with study._study.journal.locked():
    child = os.fork()
    if child == 0:
        signal.pause()
    print(child, flush=True)
    signal.pause()
"""
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "study.journal"


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a program and wait until it is ready; whatever is left is killed."""
    running: list[subprocess.Popen[str]] = []

    def run(code: str, *arguments: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-P", "-c", code, *map(str, arguments)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        running.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    yield run
    for process in running:
        process.kill()
        process.communicate()


def make(path: Path, **options: Any) -> Study:
    return create_study(path, **{"params": {"x": "float(0, 1)"}, "sampler": "tpe", "seed": 1, "lock_timeout_s": 0.05, **options})


def let_go(process: subprocess.Popen[str]) -> str:
    """End the program's stdin; what it still says."""
    return process.communicate()[0]


def timed_out(call: Callable[[], object], *pids: int) -> None:
    with pytest.raises(LockTimeoutError) as caught:
        call()
    assert caught.value.exit_code == 5
    assert caught.value.holder_pids == pids
    assert all(str(pid) in str(caught.value) for pid in pids)


def until_waiting(path: Path, count: int = 1) -> None:
    """Return when as many waits for a lock on the journal are under way; the kernel tells the processes of some only."""
    inode = f":{path.stat().st_ino} "
    while sum(" -> " in line and inode in line for line in Path("/proc/locks").read_text().splitlines()) < count:
        os.sched_yield()


CALLS: dict[str, Callable[[Study, Path], object]] = {
    "ask": lambda study, _: study.ask(),
    "tell": lambda study, _: study.tell(0, 1.0),
    "enqueue": lambda study, _: study.enqueue({"x": 0.5}),
    "create": lambda _, path: make(path, study_name="another"),
    "create --exist-ok": lambda _, path: make(path, exist_ok=True, params={"y": "float(0, 1)"}),
    "delete": lambda study, path: delete(path, study.study_name, lock_timeout_s=0.05),
}


class TestTheJournalsLock:
    @pytest.mark.parametrize("name", CALLS)
    def test_whoever_waits_too_long_names_the_holder_and_can_try_again(self, path: Path, start: Start, name: str) -> None:
        study = make(path)
        study.ask()
        before = path.read_bytes()
        holder = start(HOLD_JOURNAL, path)
        for _ in range(3):
            timed_out(lambda: CALLS[name](study, path), holder.pid)
        assert path.read_bytes() == before
        let_go(holder)
        CALLS[name](study, path)
        assert path.read_bytes() != before

    def test_every_call_of_one_study_names_the_holder_whatever_timed_out_before(self, path: Path, start: Start) -> None:
        study, other = make(path), load_study(path, lock_timeout_s=0.05)
        study.ask()
        holder = start(HOLD_JOURNAL, path)
        for _ in range(2):
            for name in ("ask", "tell", "enqueue"):
                timed_out(lambda name=name: CALLS[name](study, path), holder.pid)  # type: ignore[misc]
                timed_out(lambda name=name: CALLS[name](other, path), holder.pid)  # type: ignore[misc]
        let_go(holder)
        assert [study.ask().number, other.ask().number] == [1, 2]

    def test_another_process_is_not_blamed_for_having_waited(self, path: Path, start: Start) -> None:
        study = make(path)
        holder = start(HOLD_JOURNAL, path)
        timed_out(study.ask, holder.pid)
        command = [sys.executable, "-P", "-m", "journaltune", "ask", "-f", str(path), "--lock-timeout", "0.05"]
        failed = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (failed.returncode, failed.stdout) == (5, "")
        assert f"process {holder.pid} " in failed.stderr
        assert str(os.getpid()) not in failed.stderr

    def test_reading_needs_no_lock(self, path: Path, start: Start) -> None:
        study = make(path)
        study.tell(study.ask(), 0.5)
        start(HOLD_JOURNAL, path)
        assert load_study(path, lock_timeout_s=0).best_value == 0.5
        assert study.counts()["complete"] == 1

    def test_whoever_waits_long_enough_goes_on(self, path: Path, start: Start) -> None:
        make(path).close()
        holder = start(HOLD_JOURNAL, path)
        command = [sys.executable, "-P", "-m", "journaltune", "ask", "-f", str(path)]
        waiting = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
        until_waiting(path, 3)
        let_go(holder)
        asked = sorted(process.communicate()[0].split(",")[0] for process in waiting)
        assert asked == ['{"number": 0', '{"number": 1', '{"number": 2']

    def test_a_stopped_holder_is_named_and_a_killed_one_is_gone(self, path: Path, start: Start) -> None:
        study = make(path)
        holder = start(HOLD_JOURNAL, path)
        os.kill(holder.pid, signal.SIGSTOP)
        os.waitpid(holder.pid, os.WUNTRACED)
        timed_out(study.ask, holder.pid)
        holder.kill()
        holder.wait()
        assert study.ask().number == 0

    def test_a_child_of_a_killed_holder_keeps_no_lock(self, path: Path) -> None:
        study = make(path, lock_timeout_s=30)
        command = [sys.executable, "-P", "-c", HOLD_AND_FORK, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
            assert holder.stdout is not None
            child = int(holder.stdout.readline())
            try:
                holder.kill()
                holder.wait()
                os.kill(child, 0)
                assert study.ask().number == 0
            finally:
                os.kill(child, signal.SIGKILL)

    def test_a_child_that_ends_does_not_give_up_its_parents_lock(self, path: Path) -> None:
        study = make(path)
        with study._study.journal.locked():
            child = os.fork()
            if child == 0:
                study._study.journal.close()
                os._exit(0)
            os.waitpid(child, 0)
            probe = os.open(path, os.O_RDWR)
            with pytest.raises(BlockingIOError):
                fcntl.flock(probe, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.close(probe)
        assert study.ask().number == 0

    def test_a_child_forked_after_a_wait_that_timed_out_keeps_no_lock(self, path: Path, start: Start) -> None:
        study = make(path)
        holder = start(HOLD_JOURNAL, path)
        timed_out(study.ask, holder.pid)
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(write)
            os.read(read, 1)
            os._exit(0)
        try:
            holder.kill()
            holder.wait()
            assert load_study(path, lock_timeout_s=30).ask().number == 0
        finally:
            os.close(write)
            os.close(read)
            os.waitpid(child, 0)

    @pytest.mark.parametrize("name", ["ask", "tell", "enqueue"])
    def test_an_interrupted_wait_leaves_nothing_locked(self, path: Path, start: Start, name: str) -> None:
        study = make(path, lock_timeout_s=60)
        study.ask()
        holder = start(HOLD_JOURNAL, path)
        interrupt_when_waiting(path)
        with pytest.raises(KeyboardInterrupt):
            CALLS[name](study, path)
        let_go(holder)
        journaltune_asks(path, 1)
        CALLS[name](study, path)

    def test_a_holder_in_this_process_is_waited_for_too(self, path: Path) -> None:
        study, other = make(path), load_study(path, lock_timeout_s=0.05)
        with study._study.journal.locked(), pytest.raises(LockTimeoutError):
            other.ask()
        assert other.ask().number == 0


class TestTheLockOfAsks:
    def test_a_slow_sampler_holds_up_asks_and_nothing_else(self, path: Path, start: Start) -> None:
        study = make(path)
        study.ask()
        slow = start(HOLD_ASKS, path)
        for _ in range(2):
            timed_out(study.ask, slow.pid)
        study.tell(0, 1.0)
        study.enqueue({"x": 0.5})
        assert make(path, exist_ok=True).best_value == 1.0
        journaltune = [sys.executable, "-P", "-m", "journaltune"]
        failed = subprocess.run(
            [*journaltune, "ask", "-f", str(path), "--lock-timeout", "0.05"], capture_output=True, text=True, check=False
        )
        assert (failed.returncode, f"process {slow.pid} " in failed.stderr) == (5, True)
        assert let_go(slow) == "1\n"
        assert study.ask().number == 2

    def test_another_study_of_the_file_is_neither_held_up_nor_blamed(self, path: Path, start: Start) -> None:
        one, two = make(path, study_name="one"), make(path, study_name="two")
        slow = {name: start(HOLD_ASKS, path, name) for name in ("one", "two")}
        timed_out(one.ask, slow["one"].pid)
        timed_out(two.ask, slow["two"].pid)
        let_go(slow["one"])
        assert one.ask().number == 1
        timed_out(two.ask, slow["two"].pid)

    def test_a_stopped_sampler_is_named_and_a_killed_one_is_gone(self, path: Path, start: Start) -> None:
        study = make(path)
        slow = start(HOLD_ASKS, path)
        os.kill(slow.pid, signal.SIGSTOP)
        os.waitpid(slow.pid, os.WUNTRACED)
        timed_out(study.ask, slow.pid)
        slow.kill()
        slow.wait()
        assert study.ask().number == 0

    def test_an_interrupted_wait_leaves_nothing_locked(self, path: Path, start: Start) -> None:
        study = make(path, lock_timeout_s=60)
        slow = start(HOLD_ASKS, path)
        interrupt_when_waiting(path)
        with pytest.raises(KeyboardInterrupt):
            study.ask()
        let_go(slow)
        journaltune_asks(path, 1)
        assert study.ask().number == 2

    def test_an_interrupted_sampler_leaves_nothing_locked(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        study = make(path)

        def interrupted(*_: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(RustunaSampler, "suggest", interrupted)
            with pytest.raises(KeyboardInterrupt):
                study.ask()
        journaltune_asks(path, 0)
        assert study.ask().number == 1

    def test_a_child_forked_while_its_parent_asks_keeps_no_lock(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The child lives on while the parent is done with its ask."""
        study = make(path)
        suggest, children = RustunaSampler.suggest, []
        read, write = os.pipe()

        def forking(*arguments: Any) -> dict[str, float]:
            children.append(os.fork())
            if children[-1] == 0:
                os.close(write)
                os.read(read, 1)
                os._exit(0)
            return suggest(*arguments)

        monkeypatch.setattr(RustunaSampler, "suggest", forking)
        assert study.ask().number == 0
        monkeypatch.undo()
        try:
            study.close()
            journaltune_asks(path, 1)
        finally:
            os.close(write)
            os.close(read)
            os.waitpid(children[0], 0)


def interrupt_when_waiting(path: Path) -> None:
    """Press Ctrl-C, so to speak, as soon as this process waits for a lock."""

    def press() -> None:
        until_waiting(path)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=press, daemon=True).start()


def journaltune_asks(path: Path, number: int) -> None:
    """Another process asks, and gets that number."""
    command = [sys.executable, "-P", "-m", "journaltune", "ask", "-f", str(path), "--lock-timeout", "30"]
    found = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    assert found.stdout.startswith(f'{{"number": {number},')


def test_two_studies_in_one_process_wait_for_each_other(path: Path) -> None:
    study, other = make(path, lock_timeout_s=60), load_study(path)
    numbers: list[int] = []

    def loop(each: Study) -> None:
        for _ in range(20):
            trial = each.ask()
            numbers.append(trial.number)
            each.tell(trial, 1.0)

    threads = [threading.Thread(target=loop, args=(each,)) for each in (study, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers) == list(range(40))
    assert study.trials == other.trials == load_study(path).trials
