"""What a command says when its work is done and its output does not arrive, or when there is nowhere to print from the start."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
PARAM = ("--param", "x: float(0, 1)")


def into_full(program: Any, *call: str) -> str:
    with open("/dev/full", "wb") as full:
        message: str = program.refused(7, *call, stdout=full)
    return message


def into_closed(program: Any, *call: str, closing: str = ">&-") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["sh", "-c", f'"$@" {closing}', "sh", *program.command(*call)], cwd=program.folder, capture_output=True)


def waiting(program: Any) -> int:
    return int(program.json("status", "--format", "json")["trials"]["waiting"])


def damage(journal: Path) -> None:
    data = journal.read_bytes()
    at = data.index(b"\n", data.index(b"\n") + 1) + 1
    journal.write_bytes(data[:at] + b"garbage\n" + data[at:])


def test_what_was_queued_and_not_printed_is_told(study: Any) -> None:
    message = into_full(study, "enqueue", "--params", '{"lr": 0.01}')
    assert message == "trial 0 was queued, but that could not be printed (No space left on device); don't repeat the call"
    reading, writing = os.pipe()
    os.close(reading)
    message = study.refused(7, "enqueue", "--params", '{"lr": 0.01}', stdout=writing)
    os.close(writing)
    assert message.startswith("trial 1 was queued, but that could not be printed (Broken pipe)")
    assert waiting(study) == 2
    assert "call again" in into_full(study, "enqueue", "--params", '{"lr": 0.01}', "--skip-if-exists"), "nothing was done"


def test_a_study_that_was_made_and_not_printed_is_told(program: Any) -> None:
    message = into_full(program, "create", *PARAM, "--study", "mine")
    assert message.startswith(f"study 'mine' is in {program.journal} now, but that could not be printed")
    assert program.json("studies", "--format", "json")[0]["study"] == "mine"


def test_a_copy_that_was_written_and_not_announced_is_told(told: Any) -> None:
    assert into_full(told, "compact", "small.journal").startswith("small.journal was written, but that could not be printed")
    told.out("status", "-f", "small.journal")


def test_what_was_mended_and_not_listed_is_told(told: Any) -> None:
    damage(told.journal)
    message = into_full(told, "repair")
    assert "1 mended" in message
    assert f"{told.journal.name}.d/quarantine" in message
    assert "call again" not in message
    told.out("check")


@pytest.mark.parametrize(
    "call",
    [
        ("create", "-f", "new.journal", *PARAM),
        ("compact", "new.journal"),
        ("enqueue", "--params", '{"lr": 0.01}'),
        ("repair",),
        ("report", "4", "1", "0.5"),
    ],
    ids=lambda call: call[0],
)
def test_with_stdout_closed_nothing_is_done(told: Any, call: tuple[str, ...]) -> None:
    if call[0] == "repair":
        damage(told.journal)
    before = told.journal.read_bytes()
    done = into_closed(told, *call)
    assert (done.returncode, len(done.stderr.splitlines())) == (7, 1)
    assert b"standard output is closed" in done.stderr
    assert told.journal.read_bytes() == before
    assert not (told.folder / "new.journal").exists()


@pytest.mark.parametrize("command", ["best", "check", "status", "studies", "trials", "verify"])
def test_with_stdout_closed_a_look_is_refused_in_one_line(told: Any, command: str) -> None:
    done = into_closed(told, command)
    assert (done.returncode, len(done.stderr.splitlines())) == (7, 1)
    assert b"standard output is closed" in done.stderr


@pytest.mark.parametrize("command", ["best", "check", "status", "studies", "trials", "verify"])
def test_with_stderr_closed_a_look_prints_what_it_found(told: Any, command: str) -> None:
    done = into_closed(told, command, closing="2>&-")
    assert (done.returncode, ageless(done.stdout)) == (0, ageless(told.out(command).encode()))


def ageless(page: bytes) -> bytes:
    """Without how long trials have been running."""
    return re.sub(rb"runs for \S+", b"", page)


def test_a_folder_that_was_deleted_is_named_as_the_trouble(told: Any) -> None:
    call = ["sh", "-c", 'mkdir gone && cd gone && rmdir ../gone && "$@"', "sh", *told.command("status", "-f", "../study.journal")]
    done = subprocess.run(call, cwd=told.folder, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (7, "")
    assert done.stderr == "journaltune: the current folder was deleted; change to one that exists, and call again\n"
