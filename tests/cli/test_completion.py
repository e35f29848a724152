"""Completion, by the shells' own machinery: bash and zsh at a terminal's Tab, fish by its ``complete -C``."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from screen import Terminal

from journaltune.cli.commands import NAMES, load
from journaltune.cli.options import COMMON

START = {
    "bash": (["bash", "--noprofile", "--norc", "-i"], "PS1='> '; bind 'set show-all-if-ambiguous on'; . ./script"),
    "zsh": (["zsh", "-f", "-i"], "PS1='> '; autoload -Uz compinit; compinit -u -D; . ./script"),
}


@pytest.fixture
def searching(program: Any) -> Any:
    """Two studies in one journal; of one the trials 0 and 2 are running, 1 failed."""
    for name in ("first", "second study"):
        program.out("create", "--study", name, "--param", "x: float(0, 1)", "--sampler", "random")
    program.out("ask", "--study", "first", "-n", "3")
    program.out("tell", "--study", "first", "1", "--state", "fail")
    (program.folder / "space.toml").write_text('[params]\nx = "float(0, 1)"\n', encoding="utf-8")
    return program


@pytest.fixture
def environment(program: Any) -> dict[str, str]:
    """One in which `journaltune` is a command; called at a terminal, it says with what, and does nothing."""
    folder = program.folder / "bin"
    folder.mkdir()
    script = f"""#!/bin/sh
if [ -t 0 ]; then echo "<$*>"; else exec {sys.executable} -m journaltune "$@"; fi
"""
    (folder / "journaltune").write_text(script, encoding="utf-8")
    (folder / "journaltune").chmod(0o755)
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "HOME": str(program.folder)}


class Tab:
    """A shell at a terminal."""

    def __init__(self, shell: str, folder: Path, environment: dict[str, str]) -> None:
        command, start = START[shell]
        self.terminal = Terminal(command, folder, environment, 200)
        self.terminal.type(f"{start}; echo ready''\n")
        self.terminal.until("\nready\n>")

    def completes(self, line: str, into: str) -> None:
        """Whether Tab turns the arguments of a call into these."""
        self.terminal.type(f"journaltune {line}\t\n")
        self.terminal.until(f"<{into}>")


@pytest.fixture(params=START)
def tab(request: pytest.FixtureRequest, searching: Any, environment: dict[str, str]) -> Iterator[Tab]:
    if shutil.which(request.param) is None:
        pytest.skip(f"there is no {request.param}")
    (searching.folder / "script").write_text(searching.out("completion", request.param), encoding="utf-8")
    shell = Tab(request.param, searching.folder, environment)
    yield shell
    shell.terminal.close()


def test_tab_completes_commands_options_words_files_studies_and_numbers(tab: Tab) -> None:
    tab.completes("stat", "status")
    tab.completes("ask --tem", "ask --template")
    tab.completes("create --sampler qm", "create --sampler qmc")
    tab.completes("trials --format cs", "trials --format csv")
    tab.completes("trials --format=cs", "trials --format=csv")
    tab.completes("space spa", "space space.toml")
    tab.completes("best --study fi", "best --study first")
    tab.completes("retry --study first ", "retry --study first 1")
    tab.completes("plot imp", "plot importance")


def _by_function(folder: Path, environment: dict[str, str], line: str) -> list[str]:
    """What bash would offer behind the line's last blank."""
    words = line.split(" ")
    quoted = " ".join(f"'{word}'" for word in words)
    script = f"""compopt() {{ :; }}; . ./script
COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _journaltune; printf '%s\\n' "${{COMPREPLY[@]}}" """
    done = subprocess.run(["bash", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, check=True)
    assert not done.stderr
    return done.stdout.split()


@pytest.fixture
def bash(searching: Any, environment: dict[str, str]) -> Any:
    (searching.folder / "script").write_text(searching.out("completion", "bash"), encoding="utf-8")
    return lambda line: _by_function(searching.folder, environment, line)


def test_bash_offers_every_command_and_every_option(bash: Any) -> None:
    assert bash("journaltune ") == list(NAMES)
    for name in NAMES:
        known = [each for option in (*load(name).COMMAND.options, *COMMON) for each in option.names]
        assert bash(f"journaltune {name} -") == known


def test_numbers_are_those_of_trials_in_the_right_state_and_only_where_a_number_goes(bash: Any) -> None:
    assert bash("journaltune tell --study first ") == ["0", "2"]
    assert bash("journaltune release --study first 0 ") == ["0", "2"]
    assert bash("journaltune report --study first 0 ") == []
    assert bash("journaltune tell --study nothing ") == []
    assert bash("journaltune tell -f ssh://nowhere/study ") == []
    assert bash("journaltune run -- ") == bash("journaltune exec best ")


def _fish(folder: Path, environment: dict[str, str], line: str) -> list[str]:
    command = ["fish", "--no-config", "-c", f"source script; complete -C '{line}'"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return [found.partition("\t")[0] for found in done.stdout.splitlines()]


@pytest.mark.skipif(shutil.which("fish") is None, reason="there is no fish")
def test_fish_completes_the_same(searching: Any, environment: dict[str, str]) -> None:
    (searching.folder / "script").write_text(searching.out("completion", "fish"), encoding="utf-8")

    def offered(line: str) -> list[str]:
        return _fish(searching.folder, environment, line)

    assert set(offered("journaltune ")) == set(NAMES)
    assert {"--format", "--template"} <= set(offered("journaltune ask --"))
    assert offered("journaltune trials --format ") == ["csv", "json", "jsonl", "table"]
    assert offered("journaltune tell --study first ") == ["0", "2"]
    assert offered("journaltune retry --study first ") == ["1"]
    assert offered("journaltune best --study f") == ["first"]
    assert "space.toml" in offered("journaltune space sp")
    assert "importance" in offered("journaltune plot ")
    assert not offered("journaltune ask ")


def test_another_shell_is_refused(program: Any) -> None:
    assert re.search("bash, zsh or fish|bash, zsh, fish", program.refused(2, "completion", "tcsh"))
