from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import machines
import pytest
from running import Runs


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    made = Runs(tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A running sshd; the folder holds ``ssh``, which knows how to reach it as ``there``."""
    if machines.SSHD is None:
        pytest.skip(machines.REASON)
    with machines.sshd_in(tmp_path_factory.mktemp("sshd"), *machines.loopbacks()) as folder:
        yield folder


@pytest.fixture
def machine(sshd: Path, tmp_path: Path) -> machines.Machine:
    return machines.Machine(tmp_path, machines.environment(sshd, tmp_path / "state"), "ssh://there")
