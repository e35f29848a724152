"""`journaltune serve --grpc` with stock Optuna's own clients, each a process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
import pytest

import journaltune
from journaltune.base.jsontext import loads

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest.importorskip("grpc", reason="no grpcio")

SERVE = [sys.executable, "-m", "journaltune", "serve"]

# Prints what it has told, after each trial.
CLIENT = """
import json, sys
import optuna
from optuna.storages import GrpcStorageProxy

optuna.logging.set_verbosity(optuna.logging.ERROR)

def objective(trial):
    x = trial.suggest_float("x", -1, 1)
    trial.suggest_categorical("kind", ["a", "b"])
    trial.set_user_attr("client", int(sys.argv[2]))
    for step in range(3):
        trial.report(x + step, step)
    if trial.number % 7 == 3:
        raise optuna.TrialPruned
    if trial.number % 7 == 5:
        raise ArithmeticError
    return x * x

def say(study, trial):
    told = [trial.number, trial.state.name, trial.value, trial.params, {str(k): v for k, v in trial.intermediate_values.items()}]
    print(json.dumps([*told, trial.user_attrs["client"]]), flush=True)

host, _, port = sys.argv[1].rpartition(":")
storage = GrpcStorageProxy(host=host, port=int(port))
storage.wait_server_ready(60)
study = optuna.create_study(study_name="shared", storage=storage, load_if_exists=True)
study.optimize(objective, n_trials=int(sys.argv[3]), catch=ArithmeticError, callbacks=[say])
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "client.py").write_text(CLIENT, encoding="utf-8")
    return tmp_path


@contextmanager
def serving(folder: Path, address: str = "127.0.0.1:0") -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """A server that listens, its address, and what it says of who may reach it."""
    command = [*SERVE, "--grpc", address, "-f", "study.journal"]
    with subprocess.Popen(command, cwd=folder, text=True, stderr=subprocess.PIPE) as process:
        try:
            assert process.stderr is not None
            line = next(line for line in process.stderr if "loading" not in line)  # which it says where that takes a while
            where, _, who = line.partition("; there is no password: ")
            yield process, where.partition(" at ")[2].split()[0], who
        finally:
            process.kill()


@contextmanager
def clients(folder: Path, address: str, n_trials: int, env: dict[str, str]) -> Iterator[list[subprocess.Popen[str]]]:
    command = ["python", "client.py", address]
    options: Any = {"cwd": folder, "env": env, "text": True, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    started = [subprocess.Popen([*command, str(each), str(n_trials)], **options) for each in range(3)]
    try:
        yield started
    finally:
        for process in started:
            process.kill()
            process.communicate()


def told(text: str) -> list[Any]:
    return [loads(line) for line in text.splitlines()]


def recorded(folder: Path) -> list[Any]:
    """What the journal says of finished trials, as a client says it."""
    with journaltune.load_study(folder / "study.journal", "shared") as study:
        return [_as_said(trial) for trial in study.get_trials(["complete", "pruned", "fail"])]


def _as_said(trial: Any) -> list[Any]:
    reported = {str(step): value for step, value in trial.intermediate_values.items()}
    return [trial.number, trial.state.name, trial.value, trial.params, reported, trial.user_attrs["client"]]


def test_three_clients_at_once_leave_just_what_they_told(folder: Path, warm_env: dict[str, str]) -> None:
    with serving(folder) as (server, address, _):
        with clients(folder, address, 12, warm_env) as processes:
            done = [process.communicate(timeout=120) for process in processes]
            assert [process.returncode for process in processes] == [0] * 3, done
        server.terminate()
        assert server.communicate(timeout=60)[1] == ""
        assert server.returncode == 0
    said = sorted(line for out, _ in done for line in told(out))
    assert [line[0] for line in said] == list(range(36))
    assert {line[5] for line in said} == {0, 1, 2}
    assert recorded(folder) == said
    checked = subprocess.run([*SERVE[:-1], "check"], cwd=folder, capture_output=True, text=True, timeout=60)
    assert checked.returncode == 0, checked.stderr
    assert len(optuna.load_study(study_name="shared", storage=journaltune.storage(folder / "study.journal")).trials) == 36


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, -2), (signal.SIGKILL, -9)])
def test_what_was_acknowledged_outlives_a_server_that_ends_in_the_middle(
    folder: Path, warm_env: dict[str, str], number: int, code: int
) -> None:
    with serving(folder) as (server, address, _), clients(folder, address, 10_000, warm_env) as processes:
        first = [process.stdout.readline() for process in processes if process.stdout is not None]
        server.send_signal(number)
        assert server.wait(60) == code
        rest = [process.communicate(timeout=120)[0] for process in processes]
        assert all(process.returncode != 0 for process in processes)
    found = recorded(folder)
    for line in told("".join([*first, *rest])):
        assert line in found
    with serving(folder) as (_, address, _), clients(folder, address, 2, warm_env) as processes:
        assert [process.wait(120) for process in processes] == [0] * 3
    assert len(recorded(folder)) >= len(found) + 6


def refused(folder: Path, *options: str, env: dict[str, str] | None = None) -> tuple[int, str]:
    done = subprocess.run([*SERVE, *options], cwd=folder, capture_output=True, text=True, timeout=60, env=env)
    *loading, line = done.stderr.splitlines()
    assert loading in ([], ["journaltune: loading Optuna and gRPC ..."])
    return done.returncode, line


def test_an_address_that_can_not_be_had_is_refused(folder: Path) -> None:
    with serving(folder) as (_, address, _):
        assert refused(folder, "--grpc", address) == (
            7,
            f"journaltune: serve can't listen at {address}: it is in use, or not this machine's; take another one",
        )
    for wrong in ("13000", ":13000", "::1:13000", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:x"):
        code, said = refused(folder, f"--grpc={wrong}")
        assert (code, "HOST:PORT" in said) == (2, True)
    assert refused(folder, "--grpc", "127.0.0.1:0", "--stdio")[0] == 2
    code, said = refused(folder, "--grpc", "127.0.0.1:0", "-f", "ssh://there/study.journal")
    assert (code, "serve --grpc" in said) == (2, True)


@pytest.mark.parametrize("missing", ["grpc", "google"])
def test_a_library_that_is_missing_is_named_with_its_extra(folder: Path, missing: str) -> None:
    (folder / "without").mkdir()
    (folder / "without" / f"{missing}.py").write_text("raise ImportError('not here')\n", encoding="utf-8")
    path = os.pathsep.join(filter(None, [str(folder / "without"), os.environ.get("PYTHONPATH")]))
    code, said = refused(folder, "--grpc", "127.0.0.1:0", env={**os.environ, "PYTHONPATH": path})
    assert (code, "pip install 'journaltune[grpc]'" in said) == (2, True)
    assert not (folder / "study.journal").exists()


@pytest.mark.parametrize(("address", "who"), [("[::1]:0", "every user of this machine"), ("0.0.0.0:0", "whoever reaches it")])
def test_a_server_says_who_may_read_and_change_the_studies(folder: Path, address: str, who: str) -> None:
    with serving(folder, address) as (_, _, said):
        assert said.startswith(f"{who} may read and change")
