"""Copies to a PostgreSQL and a Redis server of the test's own, and back. Skipped where the machine has none of them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import optuna
import pytest
from copying import facts, write_rich_study
from listening import free_port, listening

import journaltune
from journaltune.base.errors import ConflictError
from journaltune.optuna_bridge.copies import copy_study
from journaltune.optuna_bridge.stored import storage_at

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def postgresql() -> Iterator[str]:
    """A server with a database of its own, which answers at a socket in a folder of its own."""
    pytest.importorskip("psycopg2", reason="no psycopg2, which SQLAlchemy talks to PostgreSQL with")
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not found:
        pytest.skip("this machine has no PostgreSQL server")
    as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    with tempfile.TemporaryDirectory(prefix="jt-pg-") as name:
        if as_user:  # the server refuses to run as root
            shutil.chown(name, "postgres")
        quiet = {"cwd": name, "check": True, "stdout": subprocess.DEVNULL}
        subprocess.run([*as_user, found[-1] / "initdb", "-D", f"{name}/db", "-U", "jt", "--no-sync", "-A", "trust"], **quiet)
        control = [*as_user, found[-1] / "pg_ctl", "-D", f"{name}/db", "-w", "-l", f"{name}/log"]
        subprocess.run([*control, "-o", f"-k {name} -c listen_addresses=''", "start"], **quiet)
        try:
            yield f"postgresql+psycopg2://jt@/postgres?host={name}"
        finally:
            subprocess.run([*control, "-m", "immediate", "stop"], **quiet)


@contextmanager
def redis() -> Iterator[str]:
    """A server on a port of loopback."""
    pytest.importorskip("redis", reason="no redis, which Optuna talks to Redis with")
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("this machine has no Redis server")
    port = free_port()
    command = [program, "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no"]
    with tempfile.TemporaryDirectory() as folder, listening(command, port, cwd=folder, stdout=subprocess.DEVNULL):
        yield f"redis://127.0.0.1:{port}"


@pytest.mark.parametrize("server", [postgresql, redis])
def test_a_study_is_the_same_on_a_server_and_back(server: object, tmp_path: Path) -> None:
    source, back = tmp_path / "rich.journal", tmp_path / "back.journal"
    write_rich_study(source)
    original = facts(journaltune.storage(source))
    with server() as url:  # type: ignore[operator]
        assert copy_study(str(source), None, url).n_trials == len(original["trials"])
        assert facts(storage_at(url)) == original
        with pytest.raises(ConflictError):
            copy_study(str(source), None, url)
        study = optuna.load_study(study_name="rich", storage=storage_at(url))
        study.add_trial(optuna.trial.create_trial(value=3.0))  # the numbers go on behind the copied ones
        command = [sys.executable, "-m", "journaltune", "copy", "-f", url, "--study", "rich", str(back)]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (0, '{"study": "rich", "trials": 18}\n'), done.stderr
    copied = facts(journaltune.storage(back))
    assert copied["trials"].pop()["values"] == [3.0]
    assert copied == original
    assert journaltune.load_study(back)._study.config == journaltune.load_study(source)._study.config
