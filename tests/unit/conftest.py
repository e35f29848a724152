"""A small study in a journal of its own, for tests that need no other; a server of it; and the command line, in its folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from serving import Client, commands

from journaltune import create_study
from journaltune.api.study import Study
from journaltune.cli import main
from journaltune.cli.methods import Commands


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "s.journal"


@pytest.fixture
def study(path: Path) -> Study:
    return create_study(path, study_name="s", params={"x": "float(0, 1)"}, sampler="random", seed=1)


@pytest.fixture
def served(study: Study, path: Path) -> Commands:
    """What a server of the study answers."""
    return commands(path)


@pytest.fixture
def client(served: Commands) -> Iterator[Client]:
    with Client(served) as client:
        yield client


@pytest.fixture
def call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """`journaltune` with these arguments, in the test's folder: its exit code, output and errors."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(list(arguments))
        out, err = capfd.readouterr()
        return code, out, err

    return run


@pytest.fixture
def run(call: Callable[..., tuple[int, str, str]]) -> Callable[..., str]:
    """What a command prints; where another exit code is expected, what it says. Any other code fails the test."""

    def run(*arguments: str, code: int = 0) -> str:
        found, out, err = call(*arguments)
        assert found == code, err
        return err if code else out

    return run
