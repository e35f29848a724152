"""`journaltune run` in a folder, with trainers of the test's own, and which of their processes are left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from journaltune import Trial, load_study
from journaltune.run import processes

WAIT_S, CALL_S = 60.0, 120.0
X = "{x: float(0, 1)}"

PROGRAM = "import sys; from journaltune.cli import main; sys.exit(main(sys.argv[1:]))"
SHORT_GRACE = "from journaltune.run import children; children.GRACE_S = 0.4"  # of trainers that do not end at SIGTERM
# What each trainer begins with. A process that calls here() is counted as alive until it has ended. Its start time is noted too:
# process numbers come again within minutes.
HEAD = """
import json, os, signal, sys, time
env = os.environ
number, attempt, here_ = int(env["JT_TRIAL"]), int(env["JT_ATTEMPT"]), {marks!r}
def here():
    start = open("/proc/self/stat").read().rpartition(")")[2].split()[19]
    open(f"{{here_}}/{{os.getpid()}}-{{start}}", "w").close()
def forever():
    while True:
        time.sleep(1)
def fork(body):
    if os.fork() == 0:
        here()
        body()
        os._exit(0)
def daemon(body):
    ready, told = os.pipe()
    os.dup2(told, 200)
    os.close(told)
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.closerange(0, 100)
            here()
            os.close(200)
            body()
        os._exit(0)
    os.close(200)
    os.wait()
    os.read(ready, 1)  # until it is there: a trainer that ends before would take it along unseen
def ignore():
    for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
def until(path):
    while not os.path.exists(path):
        time.sleep(0.01)
here()
"""


def gone(pid: int) -> bool:
    """Whether a process has ended, its files and locks given back.

    Its command line goes before these, and the first of its threads may have ended before the last one, which has them still.
    """
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state in "ZX" and len(os.listdir(f"/proc/{pid}/task")) <= 1
    except (FileNotFoundError, ProcessLookupError):
        return True


def until(condition: Callable[[], object], what: str = "") -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, what or "it does not come"
        time.sleep(0.01)


class Runs:
    """Calls of the program in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.journal, self.marks = folder, folder / "study.journal", folder / "marks"
        self.marks.mkdir(exist_ok=True)
        self.code = ""
        self.started: list[subprocess.Popen[str]] = []

    def trainer(self, body: str) -> list[str]:
        """A trainer in Python: the command for it."""
        path = self.folder / f"trainer{len(list(self.folder.glob('trainer*.py')))}.py"
        path.write_text(HEAD.format(marks=str(self.marks)) + body, encoding="utf-8")
        return [sys.executable, "-S", str(path)]

    def command(self, *arguments: str) -> list[str]:
        """The program; with ``code`` run before it."""
        if self.code:
            return [sys.executable, "-c", f"{self.code}\n{PROGRAM}", *arguments]
        return [sys.executable, "-m", "journaltune", *arguments]

    def call(self, *arguments: str, env: dict[str, str] | None = None, **options: Any) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, **(env or {})}
        return subprocess.run(
            self.command(*arguments), cwd=self.folder, env=environment, capture_output=True, text=True, timeout=CALL_S, **options
        )

    def ran(self, *arguments: str, **options: Any) -> str:
        """stderr of a run that ends well."""
        done = self.call("run", *arguments, **options)
        assert done.returncode == 0, done.stderr
        return done.stderr

    def start(self, *arguments: str, env: dict[str, str] | None = None, **options: Any) -> subprocess.Popen[str]:
        pipe, environment = subprocess.PIPE, {**os.environ, **(env or {})}
        command = self.command("run", *arguments)
        options = {"stdout": pipe, "stderr": pipe, "text": True, "process_group": 0, **options}
        self.started.append(subprocess.Popen(command, cwd=self.folder, env=environment, **options))
        return self.started[-1]

    def trials(self) -> list[Trial]:
        return load_study(self.journal).trials

    def outcomes(self) -> list[Any]:
        """Of each trial its value, or the reason that it failed with, or its state."""
        return [
            trial.value if trial.values else trial.user_attrs.get("fail_reason", trial.state.name.lower())
            for trial in self.trials()
        ]

    def folder_of(self, number: int) -> Path:
        return self.folder / "study.journal.d" / "trials" / f"{number:06}"

    def printed(self, number: int) -> str:
        """What a trial's trainer wrote so far."""
        path = self.folder_of(number) / "stdout.log"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def seen(self) -> int:
        """How many processes of trainers there were so far."""
        return len(list(self.marks.iterdir()))

    def alive(self) -> list[int]:
        noted = [tuple(map(int, mark.name.split("-"))) for mark in self.marks.iterdir()]
        return [pid for pid, start_ticks in noted if _is_alive(pid, start_ticks)]

    def none_is_left(self) -> bool:
        return self.alive() == []

    def close(self) -> None:
        """End whatever a failed test left."""
        for process in self.started:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.communicate()
        processes.send(self.alive(), signal.SIGKILL)


def _is_alive(pid: int, start_ticks: int) -> bool:
    try:
        return processes.start_ticks(pid) == start_ticks and not processes.is_gone(pid)
    except OSError:
        return False


def runner_of(front: subprocess.Popen[str]) -> int:
    """The other one of the two processes."""
    until(lambda: processes.children(front.pid), "no runner")
    return processes.children(front.pid)[0]


def kill_run(front: subprocess.Popen[str], whom: str) -> None:
    runner = runner_of(front)
    if whom == "group":
        os.killpg(front.pid, signal.SIGKILL)
    pids = {"front": [front.pid], "runner": [runner], "both": [front.pid, runner]}.get(whom, [])
    for pid in pids if whom == "both" else []:
        os.kill(pid, signal.SIGSTOP)  # between two kills the second one could end what the first one left
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
