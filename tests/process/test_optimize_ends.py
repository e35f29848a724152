"""How searches end: together at a total, by Ctrl-C, by a kill. No process outlives them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from multiprocessing import active_children
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from running import gone, until

import journaltune
from journaltune import create_study, load_study
from journaltune.engine.owners import DEAD
from journaltune.engine.resume import pending


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "study.journal"


# An interrupt just before the `try` in one of these is not handled: Python's own limit (bpo-29988).
UNPROTECTED = {"__enter__", "__exit__", "_among", "close"}

TOGETHER = """
import sys, journaltune
study = journaltune.load_study(sys.argv[1])
study.optimize(lambda trial: trial.params["x"], total_trials=40, n_jobs=int(sys.argv[2]))
"""


@pytest.mark.parametrize("n_jobs", [1, 3])
def test_two_searches_of_one_study_end_with_just_so_many_trials(path: Path, n_jobs: int) -> None:
    create_study(path, params={"x": "float(0, 1)"}, seed=1, sampler="random")
    searches = [subprocess.Popen([sys.executable, "-c", TOGETHER, str(path), str(n_jobs)]) for _ in range(2)]
    assert [search.wait() for search in searches] == [0, 0]
    assert load_study(path).counts() == {"running": 0, "waiting": 0, "complete": 40, "pruned": 0, "fail": 0}


INTERRUPTED = """
import json, os, sys, time, journaltune
study = journaltune.create_study(sys.argv[1], params={"x": "float(0, 1)"}, sampler="random")
def objective(trial):
    try:
        os.write(1, b"%d\\n" % os.getpid())
        while True:  # a signal just before one long sleep would be handled behind it
            time.sleep(0.01)
    finally:
        os.write(1, b"cleaned\\n")
study.optimize(objective, **json.loads(sys.argv[2]))
"""


def assert_asked_again(path: Path, n_trials: int) -> None:
    """The trials that ran are free, and the next asks hand out the same ones."""
    study = load_study(path)
    before = [(trial.number, trial.params) for trial in study.trials]
    assert study.counts()["running"] == len(before) == n_trials
    again = [study.ask() for _ in before]
    assert [(trial.number, trial.params) for trial in again] == before
    assert {trial.attempt for trial in again} == {2}


class TestCtrlC:
    def start(self, path: Path, options: dict[str, Any]) -> tuple[subprocess.Popen[str], list[int]]:
        arguments = [sys.executable, "-c", INTERRUPTED, str(path), json.dumps(options)]
        search = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, process_group=0)
        assert search.stdout is not None
        return search, [int(search.stdout.readline()) for _ in range(options["n_jobs"])]

    @pytest.mark.parametrize("options", [{"n_jobs": 1}, {"n_jobs": 3}, {"n_jobs": 1, "isolate": True}])
    @pytest.mark.parametrize("whole_group", [False, True])
    def test_it_gives_back_what_runs_and_leaves_no_process(self, path: Path, options: dict[str, Any], whole_group: bool) -> None:
        """As a terminal sends it, to the whole group, and as `kill -INT` does, to the coordinator."""
        search, pids = self.start(path, options)
        (os.killpg if whole_group else os.kill)(search.pid, signal.SIGINT)
        out, err = search.communicate()
        assert search.returncode == -signal.SIGINT
        assert err.count("KeyboardInterrupt") == 1, err
        assert out.count("cleaned") == len(pids), "an objective may clean up"
        assert all(map(gone, pids))
        assert_asked_again(path, len(pids))

    def test_a_child_that_is_interrupted_alone_ends_the_search(self, path: Path) -> None:
        search, pids = self.start(path, {"n_jobs": 3})
        os.kill(pids[1], signal.SIGINT)
        search.communicate()
        assert search.returncode == -signal.SIGINT
        assert all(map(gone, pids))
        assert_asked_again(path, 3)

    @pytest.mark.parametrize("options", [{"n_jobs": 3}, {"n_jobs": 1, "isolate": True}])
    def test_a_killed_search_takes_its_children_along(self, path: Path, options: dict[str, Any]) -> None:
        search, pids = self.start(path, options)
        search.kill()
        search.wait()
        try:
            until(lambda: all(map(gone, pids)))
        finally:
            for pid in pids:
                if not gone(pid):
                    os.kill(pid, signal.SIGKILL)
            search.communicate()
        assert load_study(path).counts()["running"] == len(pids)


INTERRUPTED_AT_ITS_START = """
import os, signal, sys, journaltune
study = journaltune.create_study(sys.argv[1], params={"x": "float(0, 1)"}, sampler="random")
fork = os.fork
def interrupting():
    pid = fork()
    if pid == 0:
        os.kill(os.getpid(), signal.SIGINT)
    return pid
os.fork = interrupting
try:
    study.optimize(lambda trial: 1.0, 2, isolate=True)
except KeyboardInterrupt:
    pass
print(os.getpid(), flush=True)
"""


def test_a_child_that_is_interrupted_before_it_has_begun_does_not_go_on_as_its_parent(path: Path) -> None:
    command = [sys.executable, "-c", INTERRUPTED_AT_ITS_START, str(path)]
    search = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    out, _ = search.communicate()
    assert (search.returncode, out.splitlines()) == (0, [str(search.pid)])
    assert [trial.user_attrs["fail_reason"] for trial in load_study(path).trials] == ["exit"] * 2


@pytest.mark.parametrize(
    ("place", "options", "every"),
    [("run", {}, 1), ("run", {"n_jobs": 2}, 13), ("run", {"isolate": True}, 13), ("engine/ask.py", {}, 1)],
)
def test_ctrl_c_at_any_line_leaves_every_trial_free_and_no_process(
    path: Path, place: str, options: dict[str, Any], every: int
) -> None:
    """At the nth line that the coordinator executes of the loop itself, or of what it asks with, until it comes to its end."""
    coordinator = os.getpid()
    room = str(Path(str(journaltune.__file__)).parent / place)
    study = create_study(path, params={"x": "float(0, 1)"}, seed=1, sampler="random")
    for nth in range(1, 10_000, every):
        lines = iter(range(1, nth + 1))

        def trace(frame: FrameType, event: str, _: object) -> Any:
            if not frame.f_code.co_filename.startswith(room) or frame.f_code.co_name in UNPROTECTED or os.getpid() != coordinator:
                return None
            if event == "line" and next(lines, None) == nth:  # noqa: B023
                raise KeyboardInterrupt
            return trace

        sys.settrace(trace)
        try:
            study.optimize(lambda trial: trial.params["x"], 2, callbacks=[lambda *_: None], **options)
        except KeyboardInterrupt:
            pass
        else:
            break
        finally:
            sys.settrace(None)
            # Where it is blocked no Ctrl-C comes, but ours does: later tests would start processes that never hear one.
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        assert all(standing == DEAD for _, _, standing in pending(study._study)), nth
        assert active_children() == [], nth
    assert nth > 50
    assert study._searches == []
