"""What the crash tests share: forked workers that can be killed, and the check that a journal survived."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from journaltune import load_study
from journaltune.base.model import Trial

Say = Callable[..., None]


class Worker:
    """A forked process that runs ``body(say)``; what it says reaches ``lines`` even when it is killed right after."""

    def __init__(self, body: Callable[[Say], None]) -> None:
        read, write = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.close(read)
                body(lambda *what: os.write(write, json.dumps(what).encode() + b"\n") and None)
                os._exit(0)
            except BaseException:
                traceback.print_exc()
            finally:  # the parent's test must not go on in the child
                os._exit(1)
        os.close(write)
        self.lines = open(read, encoding="utf-8")  # noqa: SIM115
        self.heard: list[Any] = []

    def hear(self) -> Any:
        """The next thing that it says."""
        line = self.lines.readline()
        self.heard += [json.loads(line)] if line else []
        return self.heard[-1] if line else None

    def end(self, signal_number: int = 0) -> int:
        """Kill it, or let it end by itself; what it still said is heard, its exit status answered (-9: killed)."""
        if signal_number:
            os.kill(self.pid, signal_number)
        with self.lines:
            self.heard += [json.loads(line) for line in self.lines]
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


@pytest.fixture
def fork() -> Callable[[Callable[[Say], None]], Worker]:
    return Worker


@pytest.fixture
def journaltune() -> Callable[..., subprocess.CompletedProcess[str]]:
    """The command line, as another process."""

    def run(path: Path, command: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        full = [sys.executable, "-P", "-m", "journaltune", command, "-f", str(path), *map(str, arguments)]
        return subprocess.run(full, capture_output=True, text=True, check=False)

    return run


@pytest.fixture
def survived() -> Callable[[Path], list[Trial]]:
    """The full check: every line is a record, ours and stock readers agree, no number is missing, no trial finished twice."""

    def check(path: Path) -> list[Trial]:
        whole = path.read_bytes()
        finished: dict[int, int] = {}
        for line in whole.split(b"\n")[:-1]:
            record = json.loads(line)
            if record["op_code"] == 6 and record["state"] in (1, 2, 3):
                finished[record["trial_id"]] = finished.get(record["trial_id"], 0) + 1
        assert set(finished.values()) <= {1}
        found = load_study(path).trials
        assert [trial.number for trial in found] == list(range(len(found)))
        stock = optuna.load_study(study_name="study", storage=JournalStorage(JournalFileBackend(str(path))))
        assert [(t.number, t.state.name, t.params, t.values, t.user_attrs) for t in stock.trials] == [
            (t.number, t.state.name, t.params, t.values, t.user_attrs) for t in found
        ]
        return found

    return check
