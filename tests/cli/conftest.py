"""The real program, as a process in a folder of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import forked
import pytest

if TYPE_CHECKING:
    from pathlib import Path

SPACE = ("--param", "lr: log(1e-5, 1e-1)", "--param", "opt: adam | sgd")


class Program:
    """`journaltune` in one folder. Calls return the finished process; streams are bytes unless a method says otherwise."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.journal = folder / "study.journal"

    def command(self, *arguments: str | bytes) -> list[str | bytes]:
        return [sys.executable, "-m", "journaltune", *arguments]

    def call(
        self, *arguments: str | bytes, env: dict[str, str] | None = None, **options: Any
    ) -> subprocess.CompletedProcess[bytes]:
        environment = {**os.environ, **(env or {})}
        if not options and not any(name.startswith(("PYTHON", "LC_", "LANG")) for name in env or {}):
            return forked.call(arguments, self.folder, environment)
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        return subprocess.run(self.command(*arguments), cwd=self.folder, env=environment, check=False, **streams)

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        return subprocess.Popen(self.command(*arguments), cwd=self.folder, **streams)

    def out(self, *arguments: str, **options: Any) -> str:
        """stdout of a call that succeeds and has nothing to say on stderr."""
        done = self.call(*arguments, **options)
        assert (done.returncode, done.stderr) == (0, b"")
        return done.stdout.decode()

    def json(self, *arguments: str, **options: Any) -> Any:
        """The one JSON document that a call prints."""
        return json.loads(self.out(*arguments, **options))

    def refused(self, exit_code: int, *arguments: str | bytes, **options: Any) -> str:
        """The message of a call that fails: one line on stderr, nothing on stdout."""
        done = self.call(*arguments, **options)
        assert done.returncode == exit_code, done
        assert not done.stdout
        lines = done.stderr.decode().splitlines()
        assert len(lines) == 1
        assert lines[0].startswith("journaltune: ")
        return lines[0].removeprefix("journaltune: ")


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


@pytest.fixture(scope="session")
def journals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Journals that are made once, for tests to start from copies of them."""
    folder = tmp_path_factory.mktemp("journals")
    _make_told(Program(folder), folder / "fresh.journal", folder / "told.journal")
    _make_pareto(Program(folder), "pareto.journal")
    return folder


def _make_told(program: Program, fresh: Path, told: Path) -> None:
    program.out("create", "-f", fresh.name, "--study", "study", *SPACE, "--seed", "1")
    shutil.copy(fresh, told)
    for call in (
        ("ask", "-n", "5"),
        ("tell", "0", "0.5"),
        ("tell", "1", "0.25", "--attr", 'note="a,b"'),
        ("tell", "2", "--state", "pruned"),
        ("tell", "3", "--state", "fail", "--reason", "oom"),
        ("enqueue", "--params", '{"lr": 0.01}'),
    ):
        program.out(*call, "-f", told.name)


def _make_pareto(program: Program, name: str) -> None:
    objectives = ("--minimize", "loss", "--maximize", "accuracy")
    program.out("create", "-f", name, "--study", "study", *SPACE, *objectives, "--seed", "1")
    program.out("ask", "-f", name, "-n", "4")
    for number, values in enumerate((("1", "0.5"), ("2", "0.4"), ("3", "0.9"))):
        program.out("tell", "-f", name, str(number), *values)


@pytest.fixture
def study(program: Program, journals: Path) -> Program:
    """The program beside a journal with one study, which has no trials yet."""
    shutil.copy(journals / "fresh.journal", program.journal)
    return program


@pytest.fixture
def told(program: Program, journals: Path) -> Program:
    """The program beside a journal whose study has a trial in each state; 1 is the best of two."""
    shutil.copy(journals / "told.journal", program.journal)
    return program


@pytest.fixture
def pareto(program: Program, journals: Path) -> Program:
    """The program beside a journal whose study has two objectives and four trials, two of them on the Pareto front."""
    shutil.copy(journals / "pareto.journal", program.journal)
    return program
