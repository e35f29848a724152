"""Journals on another machine: a real sshd on loopback, with its own port and keys."""

from __future__ import annotations

import getpass
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import journaltune

if TYPE_CHECKING:
    from collections.abc import Iterator

SSHD = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin")
pytestmark = pytest.mark.skipif(SSHD is None, reason="this machine has no sshd")


class Machine:
    """The other machine: a folder with a journaltune, reached by ``ssh://there/``."""

    def __init__(self, folder: Path, env: dict[str, str], url: str) -> None:
        self.folder, self.env, self.url = folder, env, url

    def run(self, *call: str, journal: str | None = None, **options: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "journaltune", *call]
        env = {**self.env, "JOURNALTUNE_JOURNAL": journal or f"{self.url}{self.folder}/study.journal"}
        return subprocess.run(command, env=env, cwd="/", capture_output=True, text=True, timeout=60, **options)  # type: ignore[call-overload,no-any-return]

    def out(self, *call: str) -> str:
        done = self.run(*call)
        assert done.returncode == 0, done.stderr
        return done.stdout


def key(path: Path) -> str:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path.with_suffix(".pub").read_text(encoding="ascii")


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A running server; the folder holds ``ssh``, which knows how to reach it as ``there``."""
    folder = tmp_path_factory.mktemp("sshd")
    host, user = key(folder / "host"), key(folder / "user")
    (folder / "authorized").write_text(user, encoding="ascii")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "known").write_text(f"[127.0.0.1]:{port} {host}", encoding="ascii")
    (folder / "there").mkdir()
    program = folder / "there" / "journaltune"
    program.write_text(
        f"#!/bin/sh\nPYTHONPATH='{os.environ.get('PYTHONPATH', '')}' exec '{sys.executable}' -m journaltune \"$@\"\n"
    )
    program.chmod(0o755)
    lines = {
        "Port": port, "ListenAddress": "127.0.0.1", "HostKey": folder / "host", "AuthorizedKeysFile": folder / "authorized",
        "PidFile": "none", "StrictModes": "no", "UsePAM": "no", "PasswordAuthentication": "no",
        "SetEnv": f"PATH={folder}/there:{os.environ.get('PATH', os.defpath)}",
    }  # fmt: skip
    (folder / "sshd_config").write_text("".join(f"{name} {value}\n" for name, value in lines.items()))
    client = {
        "HostName": "127.0.0.1", "Port": port, "User": getpass.getuser(), "IdentityFile": folder / "user",
        "UserKnownHostsFile": folder / "known", "GlobalKnownHostsFile": "/dev/null", "StrictHostKeyChecking": "yes",
    }  # fmt: skip
    (folder / "config").write_text("Host there\n" + "".join(f"  {name} {value}\n" for name, value in client.items()))
    (folder / "ssh").write_text(f'#!/bin/sh\nexec "{shutil.which("ssh")}" -F "{folder}/config" "$@"\n')
    (folder / "ssh").chmod(0o755)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    with subprocess.Popen([str(SSHD), "-D", "-e", "-f", folder / "sshd_config"], stderr=subprocess.PIPE) as server:
        deadline = time.monotonic() + 30
        while not _answers(port) and time.monotonic() < deadline:
            time.sleep(0.02)
        yield folder
        server.terminate()


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@pytest.fixture
def machine(sshd: Path, tmp_path: Path) -> Machine:
    env = {**os.environ, "PATH": f"{sshd}:{os.environ.get('PATH', os.defpath)}"}
    return Machine(tmp_path, env, "ssh://there")


@pytest.fixture
def searched(machine: Machine) -> Machine:
    machine.out("create", "--param", "x: float(0, 1)", "--param", "it's: 'a b' | \"$HOME\"", "--sampler", "random", "--seed", "1")
    return machine


def test_commands_work_on_a_journal_of_another_machine(searched: Machine) -> None:
    trial = json.loads(searched.out("ask", "--ttl", "1h"))
    assert trial["params"]["it's"] in ("a b", "$HOME")
    assert searched.out("report", "0", "1", "0.5") == "continue\n"
    searched.out("tell", "0", "-0.5", "--attr", 'note="it\'s; `x` $HOME"')
    assert json.loads(searched.out("best"))["value"] == -0.5
    study = journaltune.load_study(searched.folder / "study.journal")
    assert study.trials[0].params == trial["params"]
    assert study.trials[0].user_attrs == {"note": "it's; `x` $HOME"}


def test_options_name_the_journal_as_well_as_the_environment(searched: Machine) -> None:
    url = f"{searched.url}{searched.folder}/study.journal"
    for option in (["-f", url], [f"-f{url}"], ["--journal", url], [f"--journal={url}"]):
        done = searched.run("enqueue", *option, "--params", '{"x": 0.5}', journal="missing.journal")
        assert done.returncode == 0, done.stderr
    assert len(searched.out("trials", "--format", "jsonl").splitlines()) == 4


def test_exit_codes_and_lines_come_from_the_other_machine(searched: Machine) -> None:
    done = searched.run("tell", "7", "1")
    assert (done.returncode, done.stdout) == (3, "")
    assert "no trial 7" in done.stderr
    missing = searched.run("best", journal=f"{searched.url}/nowhere/x.journal")
    assert (missing.returncode, "/nowhere/x.journal" in missing.stderr) == (3, True)
    assert searched.run("ask", "--trials", "0").returncode == 11


def test_a_table_is_read_from_this_machines_stdin(searched: Machine) -> None:
    done = searched.run("enqueue", "--file", "-", input="x\n0.25\n0.5\n")
    assert done.stdout.splitlines() == ['{"number": 0}', '{"number": 1}'], done.stderr


def test_a_coprocess_serves_over_ssh_and_its_trials_are_free_when_the_connection_breaks(searched: Machine) -> None:
    command = [sys.executable, "-m", "journaltune", "serve", "--stdio", "-f", f"{searched.url}{searched.folder}/study.journal"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=searched.env, **pipes, start_new_session=True) as server:  # type: ignore[call-overload]
        server.stdin.write('{"jsonrpc": "2.0", "id": 1, "method": "ask"}\n')
        server.stdin.flush()
        first = json.loads(server.stdout.readline())["result"]
        os.killpg(server.pid, 9)  # ssh too: the connection is cut in the middle of a trial
    deadline = time.monotonic() + 60
    while "alive" in searched.out("status", "--format", "json") and time.monotonic() < deadline:
        time.sleep(0.05)
    again = json.loads(searched.out("ask"))
    assert again == {**first, "attempt": 2}


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (["run", "--", "true"], "does not take a journal on another machine"),
        (["serve", "--socket", "s"], "does not take a journal on another machine"),
        (["ask", "--owner", "1"], "--ttl"),
        (["create", "--space", "s.yaml"], "FILE would be looked for on the other machine"),
        (["ask", "--template", "t.in"], "FILE would be looked for on the other machine"),
        (["import", "t.csv"], "would be looked for on the other machine"),
    ],
)
def test_what_only_this_machine_could_do_is_refused(machine: Machine, call: list[str], said: str) -> None:
    done = machine.run(*call)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert said in done.stderr


@pytest.mark.parametrize("url", ["ssh://", "ssh://host", "ssh://host/", "ssh:///path", "ssh://-oProxyCommand=true/x"])
def test_a_url_without_a_host_or_a_path_is_refused(machine: Machine, url: str) -> None:
    done = machine.run("best", journal=url)
    assert (done.returncode, "ssh://[USER@]HOST[:PORT]/PATH" in done.stderr) == (2, True)


def test_commands_without_a_journal_stay_here(machine: Machine) -> None:
    assert machine.run("parse", input="0.5\n").returncode == 0


def test_another_version_is_refused_with_both_named(searched: Machine, sshd: Path) -> None:
    done = searched.run("--caller-is", "0.0.9", "best", journal="x.journal")
    assert done.returncode == 2
    assert journaltune.__version__ in done.stderr
    assert "0.0.9" in done.stderr


def test_a_connection_that_can_not_be_made_is_the_machines_refusal(machine: Machine, sshd: Path, tmp_path: Path) -> None:
    known, program = sshd / "known", sshd / "there" / "journaltune"
    before = known.read_text(encoding="ascii")
    try:
        known.write_text(before.split()[0] + " " + key(tmp_path / "other"), encoding="ascii")
        changed = machine.run("best")
        assert (changed.returncode, "can't be reached by ssh" in changed.stderr.splitlines()[-1]) == (7, True)
        assert "REMOTE HOST IDENTIFICATION HAS CHANGED" in changed.stderr
    finally:
        known.write_text(before, encoding="ascii")
    program.rename(tmp_path / "away")
    try:
        gone = machine.run("best")
        installed = shutil.which("journaltune") is not None
        assert installed or (gone.returncode, "install" in gone.stderr) == (7, True)
    finally:
        (tmp_path / "away").rename(program)
