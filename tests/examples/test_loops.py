"""The loops of the examples, started as a user starts them; and how every loop that the project shows ends."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from journaltune.cli import help as texts
from journaltune.cli.commands import NAMES, load

TRIALS = 8
ROOT = Path(__file__).resolve().parents[2]
# A journaltune whose ask exits with a code of the test's choice; it does nothing.
STUB = """#!/bin/sh
case $1 in ask) exit "$ASK_EXITS" ;; esac
"""
# One that is removed once it has handed out a trial, as by an install that removes the old program first.
VANISHES = """#!/bin/sh
case $1 in ask)
    for name in lr l2 momentum batch epochs hidden activation x y opt width tour; do echo "JT_$name=1"; done
    echo JT_TRIAL=0 JT_SEED=1 JT_ATTEMPT=1
    rm -f "$0"
esac
"""
NOT_FOUND = 127  # of a shell that doesn't find a program


@pytest.fixture(params=["bash", "c"])
def loop(request: pytest.FixtureRequest, examples: Path, data: dict[str, Path]) -> list[str]:
    if request.param == "c":
        request.getfixturevalue("c_trainer")  # for its reason to skip
    csv = data["breast_cancer" if request.param == "bash" else "digits"]
    return [str(examples / request.param / "loop.sh"), str(csv)]


def finish(*processes: subprocess.Popen[str]) -> str:
    """What the processes said on stderr, once all of them ended well."""
    said = [process.communicate()[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes), said
    return "".join(said)


def start(loop: list[str], trials: int, folder: Path, env: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen([*loop, str(trials)], cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def trials(folder: Path, env: dict[str, str]) -> list[dict[str, Any]]:
    listed = subprocess.run(
        ["journaltune", "trials", "--format", "jsonl"], cwd=folder, env=env, capture_output=True, text=True, check=True
    )
    return [json.loads(line) for line in listed.stdout.splitlines()]


def test_two_loops_at_once_share_exactly_the_trials(loop: list[str], tmp_path: Path, warm_env: dict[str, str]) -> None:
    said = finish(*(start(loop, TRIALS, tmp_path, warm_env) for _ in range(2)))
    found = trials(tmp_path, warm_env)
    assert [trial["number"] for trial in found] == list(range(TRIALS))
    assert {trial["state"] for trial in found} <= {"complete", "fail"}  # a trial that diverged has failed
    assert sum(line.startswith("trial ") for line in said.splitlines()) == TRIALS
    assert min(trial["values"][0] for trial in found if trial["state"] == "complete") < 0.15


def test_a_loop_started_again_goes_on_to_its_total(loop: list[str], tmp_path: Path, warm_env: dict[str, str]) -> None:
    for total in (2, 2, 3):
        finish(start(loop, total, tmp_path, warm_env))
        assert len(trials(tmp_path, warm_env)) == total


def test_a_trainer_that_fails_fails_its_trial_only(loop: list[str], tmp_path: Path, warm_env: dict[str, str]) -> None:
    finish(start([loop[0], "no-such.csv"], 2, tmp_path, warm_env))
    assert [trial["state"] for trial in trials(tmp_path, warm_env)] == ["fail", "fail"]


def shown_loops() -> dict[str, str]:
    """Every shell loop of the README, the help texts and the examples, as a script."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = {f"README {number}": text for number, text in enumerate(re.findall(r"^```sh\n(.*?)^```$", readme, re.M | re.S))}
    shown["help"] = texts.LOOP
    shown |= {f"help {name}": load(name).COMMAND.examples for name in NAMES}
    shown |= {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in (ROOT / "examples").rglob("*.sh")}
    return {where: text for where, text in shown.items() if "suggestion=" in text and re.search(r"^\s*while\b", text, re.M)}


LOOPS = shown_loops()


def script_of(where: str) -> str:
    """The loop's script: an example of a help text stands among others, between blank lines."""
    text = LOOPS[where]
    return next(part for part in text.split("\n\n") if "while" in part) if where.startswith("help ") else dedent(text)


@pytest.mark.parametrize("where", LOOPS)
@pytest.mark.parametrize("code", [3, 7, NOT_FOUND])
def test_a_loop_that_is_shown_ends_with_an_error_when_ask_has_one(
    where: str, code: int, tmp_path: Path, shell_env: dict[str, str]
) -> None:
    assert ended(where, code, tmp_path, shell_env) != 0


@pytest.mark.parametrize("where", LOOPS)
def test_a_loop_that_is_shown_says_that_its_program_is_gone(where: str, tmp_path: Path, shell_env: dict[str, str]) -> None:
    path = shell_env["PATH"].split(os.pathsep)
    without = os.pathsep.join(folder for folder in path if not (Path(folder) / "journaltune").exists())
    code = ended(where, 0, tmp_path, {**shell_env, "PATH": without}, VANISHES)
    # In the FAQ some loops have several workers, of which one may see the program while it goes, and one is a script of its own.
    assert code == NOT_FOUND or (code != 0 and where.startswith("examples/faq/"))


@pytest.mark.parametrize("where", [where for where in LOOPS if not where.startswith("examples/faq/")])
def test_a_loop_that_is_shown_ends_well_when_nothing_is_left_to_ask(
    where: str, tmp_path: Path, shell_env: dict[str, str]
) -> None:
    assert ended(where, 11, tmp_path, shell_env) == 0


def ended(where: str, code: int, folder: Path, env: dict[str, str], program: str = STUB) -> int:
    """The exit code of the script at ``where`` with this program, whose first ask exits with ``code``."""
    stub = folder / "bin" / "journaltune"
    stub.parent.mkdir()
    stub.write_text(program, encoding="utf-8")
    stub.chmod(0o755)
    (folder / "train").touch()  # the C example builds its trainer unless there is a new one
    script = ROOT / where
    if not script.is_file():
        script = folder / "script.sh"
        script.write_text(script_of(where), encoding="utf-8")
    env = {**env, "PATH": f"{stub.parent}:{env['PATH']}", "ASK_EXITS": str(code)}
    shell = "bash" if "BASH_SOURCE" in script.read_text(encoding="utf-8") else "sh"
    return subprocess.run([shell, script, "data.csv"], cwd=folder, env=env, capture_output=True, timeout=60).returncode


def test_nothing_that_is_shown_evaluates_what_a_failed_call_printed() -> None:
    pages = [texts.overview(), *(texts.command_help(load(name).COMMAND) for name in NAMES)]
    files = [ROOT / "README.md", *(path for path in (ROOT / "examples").rglob("*") if path.suffix in (".sh", ".py"))]
    shown = [*pages, *(path.read_text(encoding="utf-8") for path in files)]
    assert not [text for text in shown if re.search(r"eval .*\$\(", text)]
    assert not [text for text in shown if re.search(r"while suggestion=\$\([^)]*\); do", text)]
