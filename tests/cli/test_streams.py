"""stdout, stderr and signals: what arrives, what doesn't, and how the program ends then."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from asked_again import assert_asked_again

BREAK = """
import sys
import journaltune.study.best
def broken(*_):
    raise RuntimeError("first line\\nsecond line")
journaltune.study.best.best_trials = broken
from journaltune.cli import main
sys.exit(main(["best"]))
"""
has_dev_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")


def closed_pipe() -> int:
    """The writing end of a pipe that nobody reads."""
    reading, writing = os.pipe()
    os.close(reading)
    return writing


def states(program: Any) -> list[tuple[str, str | None]]:
    return [(trial["state"], trial["user_attrs"].get("fail_reason")) for trial in program.json("trials", "--format", "json")]


@pytest.mark.parametrize("call", [["--help"], ["best"], ["trials", "--format", "csv"], ["status"], ["studies"]], ids=" ".join)
def test_a_reader_that_is_gone_is_no_news(told: Any, call: list[str]) -> None:
    pipe = closed_pipe()
    done = told.call(*call, stdout=pipe)
    os.close(pipe)
    assert (done.returncode, done.stderr) == (141, b"")


@has_dev_full
@pytest.mark.parametrize("call", [["--help"], ["best"], ["trials", "--format", "csv"], ["status"], ["studies"]], ids=" ".join)
def test_a_full_disk_behind_stdout_is_reported(told: Any, call: list[str]) -> None:
    with open("/dev/full", "wb") as full:
        message = told.refused(7, *call, stdout=full)
    assert message.startswith("cannot write to standard output: No space left on device")


def test_a_suggestion_that_nobody_read_is_asked_again(study: Any) -> None:
    pipe = closed_pipe()
    done = study.call("ask", "-n", "3", stdout=pipe)
    os.close(pipe)
    assert (done.returncode, done.stderr) == (141, b"")
    assert_asked_again(study, 0)


@has_dev_full
def test_a_suggestion_that_could_not_be_written_is_asked_again(study: Any) -> None:
    with open("/dev/full", "wb") as full:
        study.refused(7, "ask", stdout=full)
    assert_asked_again(study, 0)


def test_with_stdout_closed_nothing_is_asked(study: Any) -> None:
    done = subprocess.run(["sh", "-c", '"$@" >&-', "sh", *study.command("ask")], cwd=study.folder, capture_output=True)
    assert done.returncode == 7
    assert b"standard output is closed" in done.stderr
    assert states(study) == []


@pytest.mark.parametrize("closing", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
def test_closed_streams_do_not_become_the_journal(told: Any, closing: str) -> None:
    script = f'"$@" {closing}'
    done = subprocess.run(["sh", "-c", script, "sh", *told.command("tell", "4", "nan")], cwd=told.folder)
    assert done.returncode == 0
    assert states(told)[4] == ("fail", "nan")


@has_dev_full
def test_a_full_disk_behind_stderr_changes_nothing(told: Any) -> None:
    with open("/dev/full", "wb") as full:
        assert told.call("tell", "4", "nan", stderr=full).returncode == 0
        assert told.call("tell", "99", "1", stderr=full).returncode == 3


def test_ctrl_c_ends_without_a_word(study: Any) -> None:
    watching = study.start("status", "--watch")
    assert watching.stdout.readline().startswith(b"study")
    watching.send_signal(signal.SIGINT)
    _, errors = watching.communicate()
    assert (watching.returncode, errors) == (-signal.SIGINT, b"")


def test_stdout_is_data_and_stderr_is_prose(told: Any) -> None:
    done = told.call("tell", "4", "nan")
    assert (done.stdout, done.stderr) == (b"", b"journaltune: trial 4 is recorded as failed: a value is not a number\n")


def run_broken(folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", BREAK]
    return subprocess.run(command, cwd=folder, env={**os.environ, **env}, capture_output=True, text=True)


def test_a_bug_is_one_line_that_calls_itself_a_bug(told: Any) -> None:
    done = run_broken(told.folder)
    assert (done.returncode, done.stdout) == (70, "")
    assert done.stderr == (
        "journaltune: this is a bug in journaltune: RuntimeError: first line second line; "
        "please report it with what JOURNALTUNE_DEBUG=1 shows\n"
    )


def test_debugging_shows_the_traceback_and_keeps_the_exit_code(told: Any) -> None:
    done = run_broken(told.folder, JOURNALTUNE_DEBUG="1")
    assert done.returncode == 70
    assert done.stderr.startswith("Traceback (most recent call last)")
    assert "journaltune: this is a bug" in done.stderr.splitlines()[-1]
    assert "Traceback" in told.call("tell", "99", "1", env={"JOURNALTUNE_DEBUG": "1"}).stderr.decode()


@pytest.mark.parametrize("value", ["", "0"])
def test_debugging_can_be_off(told: Any, value: str) -> None:
    told.refused(3, "tell", "99", "1", env={"JOURNALTUNE_DEBUG": value})
