"""Help that teaches, and commands that load only what they need."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import journaltune
from journaltune.cli import commands
from journaltune.cli.commands import NAMES, load
from journaltune.cli.help import WIDTH
from journaltune.cli.options import COMMON, parse

UNLOADED = {"optuna", "numpy", "yaml", "filelock", "logging", "asyncio", "argparse", "dataclasses", "inspect"}
PROBE = """
import json, os, sys
from journaltune.cli import main
code = main(sys.argv[2:])
os.write(int(sys.argv[1]), json.dumps(sorted(sys.modules)).encode())
sys.exit(code)
"""


def modules_after(program: Any, *call: str) -> set[str]:
    """The modules that one call leaves loaded, in an interpreter that loads nothing of its own (no site)."""
    reading, writing = os.pipe()
    path = os.pathsep.join(path for path in sys.path if path)
    command = [sys.executable, "-S", "-c", PROBE, str(writing), *call]
    done = subprocess.run(
        command, cwd=program.folder, env={**os.environ, "PYTHONPATH": path}, pass_fds=[writing], capture_output=True
    )
    os.close(writing)
    with open(reading, "rb") as pipe:
        loaded = pipe.read()
    assert done.returncode == 0, done.stderr
    return set(json.loads(loaded))


def test_the_overview_names_every_command_and_every_common_option(program: Any) -> None:
    page = program.out("--help")
    assert program.out() == program.out("-h") == program.out("help") == page
    assert all(f"  {name} " in page for name in NAMES)
    assert all(name in page for option in COMMON for name in option.names)


@pytest.mark.parametrize("name", NAMES)
def test_the_help_of_a_command_shows_its_options_and_an_example(program: Any, name: str) -> None:
    page = program.out(name, "--help")
    command = load(name).COMMAND
    assert page.startswith(f"usage: journaltune {name}")
    assert all(each in page for option in command.options + COMMON for each in option.names)
    assert f"\n  journaltune {name}" in page.partition("examples:")[2]
    assert max(map(len, page.splitlines())) <= WIDTH


def test_every_command_is_a_file_and_a_row() -> None:
    files = {
        path.stem.rstrip("_")  # import_: no module can have a keyword's name
        for path in Path(commands.__file__).parent.glob("*.py")
        if "\nCOMMAND = " in path.read_text(encoding="utf-8")
    }
    assert sorted(NAMES) == sorted(files)


def test_help_is_found_wherever_one_looks_for_it(program: Any) -> None:
    page = program.out("ask", "--help")
    assert program.out("ask", "-n", "3", "-h") == program.out("help", "ask") == program.out("--help", "ask") == page


@pytest.mark.parametrize("name", NAMES)
def test_the_examples_of_the_help_are_calls_that_parse(name: str) -> None:
    lines = [line for line in load(name).COMMAND.examples.splitlines() if line.startswith("journaltune ")]
    for line in lines:
        words = shlex.split(line, comments=True)
        end = next((place for place, word in enumerate(words) if word in ("|", ">", "<")), len(words))
        parse(load(words[1]).COMMAND, words[2:end])
    assert lines


def test_the_version_is_the_packages(program: Any) -> None:
    assert program.out("--version") == f"journaltune {journaltune.__version__}\n"


@pytest.mark.parametrize(
    "call", [["ask"], ["ask", "--format", "sh"], ["tell", "4", "1"], ["best"], ["--help"], ["ask", "--help"]], ids=" ".join
)
def test_a_call_of_a_loop_loads_nothing_heavy(told: Any, call: list[str]) -> None:
    assert modules_after(told, *call) & UNLOADED == set()


def test_only_the_command_that_is_called_is_loaded(told: Any) -> None:
    of_commands = {f"journaltune.cli.{name}" for name in NAMES}
    assert modules_after(told, "tell", "4", "1") & of_commands == {"journaltune.cli.tell"}
