"""Other machines: a real sshd with its own port and keys, and an ``ssh`` that reaches it as ``there``."""

from __future__ import annotations

import getpass
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from listening import free_port, listening
from running import gone, until

SSHD = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin")
REASON = "this machine has no sshd"
# As ``ssh``, but the connection of a coprocess breaks once, at a call of the method that CUT names: before the call is sent, or,
# with CUT_AFTER, when its answer has come back, which is dropped.
CUTTER = """
import os, signal, subprocess, sys, threading
command = ["{ssh}", "-F", "{folder}/config", *sys.argv[1:]]
method, done = os.environ["CUT"], os.environ["CUT_DONE"]
if "serve --stdio" not in sys.argv[-1]:
    os.execv(command[0], command)
ssh = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
is_cut = threading.Event()
def cut():
    open(done, "w").close()
    ssh.kill()
    os._exit(255)
def answers():
    for line in ssh.stdout:
        if is_cut.is_set():
            cut()
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()
    os._exit(ssh.wait())
threading.Thread(target=answers, daemon=True).start()
for line in sys.stdin.buffer:
    if method.encode() in line and not os.path.exists(done):
        if "CUT_AFTER" not in os.environ:
            cut()
        is_cut.set()
    ssh.stdin.write(line)
    ssh.stdin.flush()
ssh.stdin.close()
threading.Event().wait()
"""


class Machine:
    """The other machine: a folder with a journaltune, reached by ``ssh://there/``."""

    def __init__(self, folder: Path, env: dict[str, str], url: str) -> None:
        self.folder, self.env, self.url = folder, env, url

    @property
    def journal(self) -> str:
        return f"{self.url}{self.folder}/study.journal"

    def run(self, *call: str, journal: str | None = None, **options: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "journaltune", *call]
        env = {**self.env, "JOURNALTUNE_JOURNAL": journal or self.journal}
        return subprocess.run(command, env=env, cwd="/", capture_output=True, text=True, timeout=60, **options)  # type: ignore[call-overload,no-any-return]

    def out(self, *call: str) -> str:
        done = self.run(*call)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def trials(self) -> list[dict[str, Any]]:
        """What the journal itself says, by the machine that has it."""
        return [json.loads(line) for line in self.out("trials", "--format", "jsonl").splitlines()]


def key(path: Path) -> str:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path.with_suffix(".pub").read_text(encoding="ascii")


def options_text(options: dict[str, object]) -> str:
    return "".join(f"{name} {value}\n" for name, value in options.items())


def executable(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)


@contextmanager
def sshd_in(folder: Path, address: str = "127.0.0.1", *more: str) -> Iterator[Path]:
    """A running server; ``folder`` holds ``ssh``, which knows how to reach it as ``there``, and ``cutting/ssh``."""
    host, user = key(folder / "host"), key(folder / "user")
    (folder / "authorized").write_text(user, encoding="ascii")
    port = free_port(address)
    names = [address, *more]
    (folder / "known").write_text("".join(f"[{name}]:{port} {host}" for name in names), encoding="ascii")
    for name in ("there", "cutting"):
        (folder / name).mkdir()
    path = os.environ.get("PYTHONPATH", "")
    executable(
        folder / "there" / "journaltune", f"#!/bin/sh\nPYTHONPATH='{path}' exec '{sys.executable}' -m journaltune \"$@\"\n"
    )
    server: dict[str, object] = {
        "Port": port, "HostKey": folder / "host", "AuthorizedKeysFile": folder / "authorized", "PidFile": "none",
        "StrictModes": "no", "UsePAM": "no", "PasswordAuthentication": "no", "MaxStartups": 100,
        "SetEnv": f"PATH={folder}/there:{folder}:{os.environ.get('PATH', os.defpath)} XDG_STATE_HOME={folder}/state "
        f"HOME={folder}/there",  # else bash reads the start file of whoever runs the tests, for each connection
    }  # fmt: skip
    listens = "".join(f"ListenAddress {name}\n" for name in names)
    (folder / "sshd_config").write_text(options_text(server) + listens)
    client: dict[str, object] = {
        "Port": port, "User": getpass.getuser(), "IdentityFile": folder / "user", "UserKnownHostsFile": folder / "known",
        "GlobalKnownHostsFile": "/dev/null", "StrictHostKeyChecking": "yes",
        "KexAlgorithms": "curve25519-sha256",  # the post-quantum ones take longer than most calls
    }  # fmt: skip
    (folder / "config").write_text(f"Match originalhost there\nHostName {address}\nMatch all\n{options_text(client)}")
    ssh = shutil.which("ssh")
    executable(folder / "ssh", f'#!/bin/sh\nexec "{ssh}" -F "{folder}/config" "$@"\n')
    executable(folder / "cutting" / "ssh", f"#!{sys.executable} -S\n{CUTTER.format(ssh=ssh, folder=folder)}")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    with listening([str(SSHD), "-D", "-e", "-f", folder / "sshd_config"], port, address, stderr=subprocess.DEVNULL):
        yield folder


def loopbacks() -> list[str]:
    """The addresses by which this machine reaches itself."""
    found = ["127.0.0.1"]
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
        found.append("::1")
    except OSError:  # a machine without IPv6
        pass
    return found


def environment(sshd: Path, state: Path, **more: str) -> dict[str, str]:
    """The environment of a program on this machine, which keeps its trials' folders below ``state``."""
    env = {**os.environ, "PATH": f"{sshd}:{os.environ.get('PATH', os.defpath)}", "XDG_STATE_HOME": str(state)}
    return {**env, **more}


def servers(journal: Path) -> list[int]:
    """The processes that serve this journal to connections."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"--stdio" in words and os.fsencode(journal) in words:
            found.append(int(pid))
    return found


def none_serves(journal: Path) -> None:
    """Return once every connection's server has ended."""
    seen = set[int]()

    def none() -> bool:
        now = servers(journal)
        seen.update(now)
        return not now and all(map(gone, seen))

    until(none, "a server goes on")
