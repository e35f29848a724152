"""Ctrl-C: how a command ends, and that no trial is left behind that nobody saw."""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
from typing import Any

import pytest
from asked_again import assert_asked_again

# Runs a command in which Ctrl-C comes after the ``after``-th trial is in the journal, before anybody heard of it.
CAUGHT = """
import os, signal, sys
from journaltune.engine import ask, claim
from journaltune.cli import command
left = [int(sys.argv.pop(1))]
def interrupting(function):
    def interrupted(*arguments, **options):
        found = function(*arguments, **options)
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGINT)
        return found
    return interrupted
ask._ask_new = interrupting(ask._ask_new)
claim.claim = interrupting(claim.claim)
command()
"""
# Ctrl-C reaches a tell and the shell that called it, as they are one foreground process group.
LOOP = """
for number in 0 1 2 3 4; do
    {python} -c '{caught}' tell $number 0.5
    echo "went on after $?"
done
"""
TELLING = """
import os, signal, sys
from journaltune.engine import tell
from journaltune.cli import command
def interrupted(*_, **__):
    os.killpg(0, signal.SIGINT)
tell.tell = interrupted
command()
"""


def caught(program: Any, after: int, *call: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", CAUGHT, str(after), *call]
    return subprocess.run(command, cwd=program.folder, capture_output=True, text=True)


def states(program: Any) -> list[tuple[str, str | None]]:
    return [(trial["state"], trial["user_attrs"].get("fail_reason")) for trial in program.json("trials", "--format", "json")]


@pytest.mark.parametrize("enqueued", [False, True])
def test_a_suggestion_that_nobody_saw_is_asked_again(study: Any, enqueued: bool) -> None:
    if enqueued:
        study.out("enqueue", "--params", '{"lr": 0.01}')
    done = caught(study, 1, "ask")
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")
    assert_asked_again(study, 0)


def test_suggestions_that_were_printed_stay(study: Any) -> None:
    study.out("ask")
    done = caught(study, 3, "ask", "-n", "4")
    assert done.returncode == -signal.SIGINT
    assert len(done.stdout.splitlines()) == 2
    assert_asked_again(study, 3)


def test_a_shell_loop_ends_with_the_command_that_is_interrupted(study: Any) -> None:
    script = LOOP.format(python=shlex.quote(sys.executable), caught=TELLING)
    done = subprocess.run(["bash", "-c", script], cwd=study.folder, capture_output=True, text=True, start_new_session=True)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")
