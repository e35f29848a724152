"""The exit-code table: every failure is one line that says what, which and the next step, and leaves nothing behind."""

from __future__ import annotations

import ctypes
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PARAM = ("--param", "x: float(0, 1)")
READERS = (
    ["ask"],
    ["tell", "0", "1"],
    ["enqueue", "--params", "{}"],
    ["best"],
    ["trials"],
    ["status"],
    ["studies"],
    ["delete", "study"],
)

HOLDER = """
import fcntl, sys
journal = open(sys.argv[1], "rb")
fcntl.flock(journal, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE = 24, 1
CAP_DAC_READ_SEARCH = 2


def obey_permissions() -> None:
    """Make root a user like any other in the program about to be started: file modes bind it."""
    for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH) if os.geteuid() == 0 else ():
        if ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
            os._exit(99)


def modes_bind() -> bool:
    """Whether `obey_permissions` works here: root in some sandboxes may neither drop a capability nor lack it."""
    return subprocess.run(["true"], preexec_fn=obey_permissions).returncode == 0


needs_modes = pytest.mark.skipif(not modes_bind(), reason="root's capabilities can't be dropped here, so file modes don't bind")


def limit_files_to(size_bytes: int) -> Any:
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, size_bytes))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (["asc"], "there is no command 'asc'; did you mean ask?; `journaltune --help` lists them"),
        (["--stduy", "x"], "--stduy stands before the command; write `journaltune COMMAND --stduy ...`"),
        (["ask", "--formt", "sh"], "ask: no option '--formt'; did you mean --format?; `journaltune ask --help` lists them"),
        (["ask", "now"], "ask: unexpected argument 'now'; usage: journaltune ask "),
        (["ask", "-n", "2", "--format", "sh"], "ask: --format sh with -n would let eval keep the last trial only"),
        (["ask", "--template", "nowhere.in"], "there is no template 'nowhere.in'; --template names an existing file"),
        (["ask", "--template", "."], "the template '.' is a folder; --template names a file"),
        (["ask", "--lock-timeout", "soon"], "ask: --lock-timeout must be a duration such as 90, 90s, 5m, 2h, 1d or 250ms"),
        (["tell"], "tell: NUMBER is missing; usage: journaltune tell NUMBER VALUE..."),
        (["tell", "0"], "tell: VALUE is missing for trial 0; give its value, or --state fail when there is none"),
        (["tell", "0", ""], "tell: VALUE must be a number, not ''; a trial without a result is told with --state fail"),
        (["tell", "0", "low"], "tell: VALUE must be a number, not 'low'; a trial without a result is told with --state fail"),
        (["tell", "first", "1"], "tell: NUMBER must be a whole number of at least 0, not 'first'"),
        (["tell", "0", "1", "--state", "fail"], "tell: trial 0 has either values or --state fail; leave one out"),
        (["tell", "0", "1", "--attr", "host=gpu1"], "tell: --attr must be JSON, not 'gpu1'; a string needs double quotes"),
        (["tell", "0", "1", "--attr", "a=1", "--attr", "a=2"], "--attr is given twice for 'a'; keep one"),
        (["enqueue"], "enqueue: --params is missing; for example --params '{\"lr\": 0.01}'"),
        (["enqueue", "--params", "[]"], "enqueue: --params must be a JSON object such as"),
        (["trials", "--states", "done"], "trials: --states must be one of running, waiting, complete, pruned, fail, not 'done'"),
        (["best", "--format", "yaml"], "best: --format must be one of json, sh, args, not 'yaml'"),
        (["delete"], "delete: NAME is missing: which study? `journaltune studies` lists them"),
        (["create"], "create: give the search space by either --space FILE or --param, such as --param 'lr: log(1e-5, 1e-1)'"),
        (["create", *PARAM, "--seed", "-1"], "create: --seed must be a whole number of at least 0, not '-1'"),
        (["create", *PARAM, "--require", "y < 1"], "require: y < 1: y is not a parameter"),
        (["create", *PARAM, "--replicates", "0"], "create: --replicates must be a whole number of at least 1, not '0'"),
    ],
)
def test_a_wrong_call_is_refused_before_any_file_is_touched(program: Any, call: list[str], message: str) -> None:
    assert program.refused(2, *call).startswith(message)
    assert list(program.folder.iterdir()) == []


@pytest.mark.parametrize(
    "call",
    [
        ["tell", "4", "1", "2"],
        ["tell", "4", "1", "--reason", "oom"],
        ["enqueue", "--params", '{"lr": "fast"}'],
        ["enqueue", "--params", '{"rl": 0.1}'],
        ["ask", "--owner", "4194305"],
    ],
)
def test_what_does_not_suit_the_study_is_refused(told: Any, call: list[str]) -> None:
    before = told.journal.read_bytes()
    told.refused(2, *call)
    assert told.journal.read_bytes() == before


@pytest.mark.parametrize(
    "wrong",
    [
        ["--sampler", "simulated-annealing", *PARAM],
        ["--sampler", "optuna.NoSuchSampler", *PARAM],
        ["--sampler-option", "no_such_option=1", *PARAM],
        ["--param", "x: float(1, 0)"],
        ["--param", "x: float(0, 1)", "--param", "x: int(1, 2)"],
        ["--param", "a.b: float(0, 1)", "--param", "a-b: float(0, 1)"],
        ["--space", "nowhere.toml"],
    ],
)
def test_a_study_that_could_not_work_is_not_made(program: Any, wrong: list[str]) -> None:
    program.refused(2, "create", *wrong)
    assert list(program.folder.iterdir()) == []


def test_an_unknown_sampler_is_named(program: Any) -> None:
    assert "simulated-annealing" in program.refused(2, "create", *PARAM, "--sampler", "simulated-annealing")


def test_of_several_studies_one_has_to_be_named(told: Any) -> None:
    told.out("create", *PARAM, "--study", "other")
    message = told.refused(2, "ask")
    assert all(part in message for part in ("study", "other", "--study"))


@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_bytes_that_are_no_text_are_refused(told: Any, place: int) -> None:
    call: list[str | bytes] = ["tell", "4", "--study", "study"]
    call[place] = b"caf\xe9"
    assert f"argument {place + 1} is not valid text" in told.refused(2, *call)


@pytest.mark.parametrize("variable", ["JOURNALTUNE_STUDY", "JOURNALTUNE_JOURNAL"])
def test_variables_that_are_no_text_are_refused(told: Any, variable: str) -> None:
    assert f"${variable} is not valid text" in told.refused(2, "best", env={variable: "caf\udce9"})


@pytest.mark.parametrize("call", READERS, ids=lambda call: call[0])
def test_a_missing_journal_is_not_made(program: Any, call: list[str]) -> None:
    assert "nowhere.journal" in program.refused(3, *call, "-f", "nowhere.journal")
    assert list(program.folder.iterdir()) == []


@pytest.mark.parametrize("call", READERS[:-1], ids=lambda call: call[0])
def test_a_missing_study_is_named(told: Any, call: list[str]) -> None:
    assert "'stduy'" in told.refused(3, *call, "--study", "stduy")


def test_a_missing_study_cannot_be_deleted(told: Any) -> None:
    assert "'stduy'" in told.refused(3, "delete", "stduy")


@pytest.mark.parametrize("number", ["6", "99999999999999999999999"])
def test_a_trial_that_was_never_asked_is_not_there(told: Any, number: str) -> None:
    assert f"no trial {number}" in told.refused(3, "tell", number, "1")


def test_there_is_no_best_without_a_result(study: Any) -> None:
    assert "no complete trial" in study.refused(3, "best")


def test_the_same_tell_again_changes_nothing(told: Any) -> None:
    told.out("tell", "0", "0.5")
    told.out("tell", "3", "--state", "fail", "--reason", "oom")
    before = told.journal.read_bytes()
    assert told.out("tell", "0", "0.5") == ""
    assert told.journal.read_bytes() == before


@pytest.mark.parametrize(
    "call",
    [
        ["tell", "0", "0.6"],
        ["tell", "0", "--state", "fail"],
        ["tell", "3", "1"],
        ["tell", "3", "--state", "fail", "--reason", "x"],
    ],
)
def test_another_result_is_a_conflict(told: Any, call: list[str]) -> None:
    assert f"trial {call[1]} of study 'study' is already" in told.refused(4, *call)


def test_a_study_that_exists_is_a_conflict(told: Any) -> None:
    assert "--exist-ok" in told.refused(4, "create", *PARAM, "--study", "study")


@pytest.mark.parametrize("call", [["tell", "4", "1"], ["ask"], ["enqueue", "--params", "{}"], ["delete", "study"]], ids=" ".join)
def test_a_held_lock_is_not_waited_for_longer_than_said(told: Any, call: list[str]) -> None:
    command = [sys.executable, "-c", HOLDER, str(told.journal)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        message = told.refused(5, *call, "--lock-timeout", "0.2")
        holder.stdin.close()
    assert f"process {holder.pid}" in message
    assert told.call(*call, "--lock-timeout", "60s").returncode == 0


@pytest.mark.parametrize("call", [["tell", "4", "1"], ["ask"], ["best"], ["status"]], ids=" ".join)
def test_damage_in_the_middle_is_named_by_its_offset(told: Any, call: list[str]) -> None:
    lines = told.journal.read_bytes().splitlines(keepends=True)
    offset = len(lines[0])
    lines[1] = b"#" * (len(lines[1]) - 1) + b"\n"
    told.journal.write_bytes(b"".join(lines))
    message = told.refused(6, *call)
    assert f"at byte {offset}" in message
    assert "journaltune repair" in message
    assert told.journal.read_bytes() == b"".join(lines)


@pytest.mark.parametrize("call", [["tell", "4", "1"], ["ask"], ["enqueue", "--params", "{}"]], ids=" ".join)
@pytest.mark.parametrize("room", [0, 1, 50])
def test_a_full_disk_leaves_the_journal_as_it_was(told: Any, call: list[str], room: int) -> None:
    trials = told.json("trials", "--format", "json")
    size = told.journal.stat().st_size
    assert "study.journal" in told.refused(7, *call, preexec_fn=limit_files_to(size + room))
    assert told.json("trials", "--format", "json") == trials
    assert told.call(*call).returncode == 0


def test_a_journal_that_does_not_fit_on_the_disk_is_not_left_behind(program: Any) -> None:
    program.refused(7, "create", *PARAM, preexec_fn=limit_files_to(0))
    program.out("create", *PARAM)


@needs_modes
def test_a_read_only_folder_refuses_a_new_journal(program: Any) -> None:
    program.folder.chmod(0o500)
    try:
        assert "study.journal" in program.refused(7, "create", *PARAM, preexec_fn=obey_permissions)
    finally:
        program.folder.chmod(0o700)


@needs_modes
def test_a_read_only_journal_cannot_be_told(told: Any) -> None:
    told.journal.chmod(0o400)
    assert "study.journal" in told.refused(7, "tell", "4", "1", preexec_fn=obey_permissions)


@needs_modes
def test_an_unreadable_journal_is_refused(told: Any) -> None:
    told.journal.chmod(0)
    assert "study.journal" in told.refused(7, "best", preexec_fn=obey_permissions)


@pytest.mark.skipif(not Path("/sys").is_dir(), reason="/sys, where nobody can make a file, is Linux's")
def test_a_folder_that_takes_no_files_is_refused(program: Any) -> None:
    assert "/sys/study.journal" in program.refused(7, "create", *PARAM, "-f", "/sys/study.journal")


def test_a_folder_is_no_journal(program: Any) -> None:
    program.refused(7, "ask", "-f", ".")


def test_a_budget_that_is_used_up(told: Any) -> None:
    before = told.journal.read_bytes()
    assert "--trials" in told.refused(11, "ask", "--trials", "5")
    assert told.journal.read_bytes() == before
