"""Three machines and one head: network namespaces, each of which reaches the head's sshd over a cable of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import machines
import pytest
from machines import Machine, environment, none_serves
from running import Runs, X, until

N_TRIALS = 12
SPACES = [f"jt{os.getpid()}-{place}" for place in range(3)]
ADDRESSES = [(f"10.213.{os.getpid() % 200}.{4 * place + 1}", f"10.213.{os.getpid() % 200}.{4 * place + 2}") for place in range(3)]


def ip(*words: str) -> bool:
    return subprocess.run(["ip", *words], capture_output=True).returncode == 0


def cable(place: int) -> list[tuple[str, ...]]:
    """The calls of ``ip`` that make a namespace, with a cable to this one."""
    space, (ours, theirs) = SPACES[place], ADDRESSES[place]
    near, far = f"{space[:10]}n{place}", f"{space[:10]}f{place}"
    inside = ("netns", "exec", space, "ip")
    return [
        ("netns", "add", space),
        ("link", "add", near, "type", "veth", "peer", "name", far),
        ("link", "set", far, "netns", space),
        ("addr", "add", f"{ours}/30", "dev", near),
        ("link", "set", near, "up"),
        (*inside, "addr", "add", f"{theirs}/30", "dev", far),
        (*inside, "link", "set", far, "up"),
        (*inside, "link", "set", "lo", "up"),
    ]


@pytest.fixture
def spaces() -> Iterator[list[str]]:
    if shutil.which("ip") is None or os.geteuid() != 0 or machines.SSHD is None:
        pytest.skip("network namespaces need root, iproute2 and sshd")
    try:
        if not all(ip(*words) for place in range(3) for words in cable(place)):
            pytest.skip("this machine lets nobody make network namespaces")
        yield SPACES
    finally:
        for space in SPACES:
            ip("netns", "del", space)


def run_in(space: str, env: dict[str, str], runs: Runs, *arguments: str) -> subprocess.Popen[str]:
    """A run in a namespace, as it would be on another machine: also its processes are not seen by the others."""
    call = ["ip", "netns", "exec", space, "unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
    call += [sys.executable, "-m", "journaltune", "run", *arguments]
    runs.started.append(
        subprocess.Popen(call, cwd=runs.folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    )
    return runs.started[-1]


def test_three_machines_make_one_study_and_one_of_them_is_cut_off(spaces: list[str], runs: Runs, tmp_path: Path) -> None:
    server = tmp_path / "sshd"
    server.mkdir()
    with machines.sshd_in(server, *(ours for ours, _ in ADDRESSES)) as sshd:
        config = (sshd / "config").read_text(encoding="utf-8")
        for place, (ours, _) in enumerate(ADDRESSES):  # each machine knows the head by its own cable
            folder = tmp_path / f"bin{place}"
            folder.mkdir()
            (folder / "config").write_text(config.replace(ADDRESSES[0][0], ours), encoding="utf-8")
            machines.executable(folder / "ssh", f'#!/bin/sh\nexec "{shutil.which("ssh")}" -F "{folder}/config" "$@"\n')
        head = Machine(tmp_path, environment(sshd, tmp_path / "state"), "ssh://there")
        body = f'until("{tmp_path}/go"); print(env["JT_x"])'
        arguments = ["-f", head.journal, "-n", str(N_TRIALS), "-j", "2", "--sampler", "random", "--seed", "1", "--"]
        arguments += [*runs.trainer(body), X]
        started = []
        for place, space in enumerate(spaces):
            env = environment(tmp_path / f"bin{place}", tmp_path / f"state{place}")
            started.append(run_in(space, env, runs, *arguments))
        until(lambda: runs.seen() == 6, "not all machines have trials")
        assert ip("netns", "exec", spaces[0], "ip", "link", "set", f"{spaces[0][:10]}f0", "down")
        started[0].send_signal(signal.SIGKILL)  # its power fails: nothing of it is heard again
        cut_off = {trial["number"] for trial in head.trials()}
        (tmp_path / "go").touch()
        # The head does not know yet. Its sshd would find out by itself (ClientAliveInterval); here its connection is ended.
        for pid in sshd_sessions_of(ADDRESSES[0][1]):
            os.kill(pid, signal.SIGKILL)
        for run in started[1:]:
            _, said = run.communicate(timeout=120)
            assert run.returncode == 0, said
        none_serves(runs.journal)
    trials = runs.trials()
    assert len(trials) == N_TRIALS
    assert len(cut_off) == 6
    assert [trial.value for trial in trials] == [trial.params["x"] for trial in trials]
    assert sorted(trial.attempt for trial in trials) == [1] * (N_TRIALS - 2) + [2, 2]


def sshd_sessions_of(address: str) -> list[int]:
    """The processes of this machine that have a connection from an address."""
    said = subprocess.run(["ss", "-Htnp", "dst", address], capture_output=True, text=True, check=True).stdout
    return sorted({int(part.split(",")[0]) for line in said.splitlines() for part in line.split("pid=")[1:]})
