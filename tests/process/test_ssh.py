"""Journals on another machine: a real sshd on loopback, with its own port and keys."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from machines import Machine, key
from running import until

import journaltune


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
    until(lambda: "alive" not in searched.out("status", "--format", "json"))
    again = json.loads(searched.out("ask"))
    assert again == {**first, "attempt": 2}


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (["run", "--dry-run", "--", "true"], "call it on the machine that has the journal"),
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
