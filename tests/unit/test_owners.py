"""What is stored of an owner: enough to tell it from every other process, also from one that gets its pid later."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from journaltune.base.errors import UsageError
from journaltune.engine.owners import describe


def start_time(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


def in_child(body: Callable[[], bool]) -> bool:
    """Whether ``body`` returned True in a forked child."""
    pid = os.fork()
    if pid == 0:
        passed = False
        try:
            passed = body()
        finally:
            os._exit(0 if passed else 1)
    return os.waitpid(pid, 0)[1] == 0


def test_an_owner_is_boot_namespaces_pid_start_time_and_pidfd() -> None:
    owner = describe(os.getpid())
    if "pidfd" in owner:  # Linux 6.9 and later
        assert owner.pop("pidfd") == os.fstat(os.pidfd_open(os.getpid())).st_ino
    assert owner == {
        "pid": os.getpid(),
        "boot": Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
        "ns": os.stat("/proc/self/ns/pid").st_ino,
        "time_ns": os.stat("/proc/self/ns/time").st_ino,
        "start": start_time(os.getpid()),
    }


def test_two_processes_differ_and_one_stays_the_same() -> None:
    assert describe(os.getppid()) != describe(os.getpid())
    assert describe(os.getppid()) == describe(os.getppid())


def test_a_command_name_with_spaces_and_parentheses_confuses_nothing(tmp_path: Path) -> None:
    name = "a) 1 (b c"  # at most 15 characters are kept
    code = f"import sys; open('/proc/self/comm', 'w').write({name!r}); print('ready', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        assert f"({name})" in Path(f"/proc/{other.pid}/stat").read_text()
        found = describe(other.pid)["start"]
        before_us = start_time(os.getpid()) <= found
        other.communicate(b"")
    assert before_us
    assert found < 2**63


def test_a_process_that_is_gone_is_no_owner() -> None:
    other = subprocess.Popen([sys.executable, "-c", ""])
    other.wait()
    with pytest.raises(UsageError, match=f"no process {other.pid}"):
        describe(other.pid)


def test_a_process_that_is_not_waited_for_is_still_described() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    try:
        assert describe(pid)["start"] == start_time(pid)
    finally:
        os.waitpid(pid, 0)


@pytest.mark.parametrize("pid", [0, -1, pytest.param(-os.getpid(), id="negative"), 2**22 + 1, 2**40, 10**30, "1", 1.0, None])
def test_what_names_no_single_process_is_refused(pid: Any) -> None:
    with pytest.raises(UsageError):
        describe(pid)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_of_another_users_process_the_start_time_is_known_too() -> None:
    parent = os.getpid()
    expected = start_time(parent)

    def stranger() -> bool:
        os.setgid(65534)
        os.setuid(65534)
        found = describe(parent)
        return (found["pid"], found["start"]) == (parent, expected)

    assert in_child(stranger)


def test_without_proc_the_pid_is_all_that_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> Any:
        raise FileNotFoundError

    monkeypatch.setattr("os.open", missing)
    monkeypatch.setattr("os.pidfd_open", missing)
    monkeypatch.setattr("os.stat", missing)
    assert describe(os.getpid()) == {"pid": os.getpid()}
