"""A runner that is killed: nothing of it stays, and the next one goes on as if nothing had happened."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import pytest
from running import Runs, X, kill_run, until

from journaltune import load_study
from journaltune.engine.owners import workers_folder

# Nine processes of six trials: plain; ignores signals; forks in its group; two with daemons, one without environment; one that
# has ended and leaves a daemon.
SURVIVORS = """
if number == 0: forever()
if number == 1: ignore(); forever()
if number == 2: fork(forever); forever()
if number == 3: daemon(forever); forever()
if number == 4: daemon(lambda: os.execve("/bin/sleep", ["sleep", "9999"], {})); forever()
if number == 5: daemon(forever); print(5)
"""
N_PROCESSES = 10


@pytest.fixture
def survivors(runs: Runs) -> subprocess.Popen[str]:
    started = runs.start("-n", "6", "-j", "6", "--", *runs.trainer(SURVIVORS), X)
    until(lambda: runs.seen() == N_PROCESSES and 5.0 in runs.outcomes(), "not all trainers began")
    return started


@pytest.mark.parametrize("whom", ["front", "runner", "group"])
def test_a_kill_leaves_no_process_behind(runs: Runs, survivors: subprocess.Popen[str], whom: str) -> None:
    kill_run(survivors, whom)
    until(runs.none_is_left)
    said = survivors.communicate()[1]
    assert survivors.returncode == (137 if whom == "runner" else -signal.SIGKILL)
    assert ("was ended by SIGKILL" in said) == (whom == "runner")
    assert runs.outcomes() == ["running"] * 5 + [5.0]


def test_timeouts_kill_of_the_group_leaves_none(runs: Runs) -> None:
    call = runs.command("run", "-n", "6", "-j", "6", "--", *runs.trainer(SURVIVORS), X)
    timeout = subprocess.Popen(["timeout", "-s", "KILL", "1h", *call], cwd=runs.folder, stderr=subprocess.DEVNULL, text=True)
    runs.started.append(timeout)
    until(lambda: runs.seen() == N_PROCESSES)
    timeout.send_signal(signal.SIGALRM)  # its time is over
    until(runs.none_is_left)
    assert timeout.wait() == -signal.SIGKILL


def test_what_both_left_is_ended_by_the_next_run(runs: Runs, survivors: subprocess.Popen[str]) -> None:
    kill_run(survivors, "both")
    survivors.communicate()
    left = runs.alive()
    assert len(left) >= 8
    said = runs.ran("--", *runs.trainer("print(number)"), X)
    assert "ended what a killed runner left: processes " in said
    assert len(runs.alive()) <= 1  # the daemon without an environment can't be told from others
    assert runs.outcomes() == [float(number) for number in range(6)]


def test_other_programs_are_not_swept(runs: Runs) -> None:
    """Trainers of a live runner, and a program with the group id or the environment of a dead one."""
    train = runs.trainer("until('go'); print(number)")
    first = runs.start("-n", "2", "-j", "2", "--", *train, X)
    until(lambda: runs.seen() == 2)
    other = subprocess.Popen(["sleep", "1000"], env={**os.environ, "JT_DIR": str(runs.folder_of(0))}, process_group=0)
    second = runs.start("-n", "3", "--", *train, X)
    until(lambda: runs.seen() == 3)
    (runs.folder / "go").touch()
    assert [process.wait() for process in (first, second)] == [0, 0]
    assert runs.outcomes() == [0.0, 1.0, 2.0]
    assert other.poll() is None
    other.kill()
    other.wait()


@pytest.mark.parametrize("whom", ["front", "runner", "group", "both"])
def test_its_trials_are_made_again_in_the_same_folder(runs: Runs, whom: str) -> None:
    body = "print(env['JT_DIR'], attempt, env['JT_x'], env['JT_SEED'])\nif attempt == 1: forever()\nprint(number)"
    call = ["-n", "3", "-j", "2", "--seed", "3", "--", *runs.trainer(body), X]
    first = runs.start(*call)
    until(lambda: all(runs.printed(number) for number in range(2)))
    params = [trial.params for trial in runs.trials()]
    kill_run(first, whom)
    first.communicate()
    second = runs.start(*call)
    until(lambda: runs.outcomes()[:2] == [0.0, 1.0])
    second.send_signal(signal.SIGTERM)  # its third trial waits for ever
    second.communicate()
    assert runs.none_is_left()
    assert [trial.params for trial in runs.trials()[:2]] == params
    for number in range(2):
        lines = [line.split() for line in runs.printed(number).splitlines()]
        assert [line[1] for line in lines[:2]] == ["1", "2"]
        assert lines[0][:1] + lines[0][2:] == lines[1][:1] + lines[1][2:]


def test_a_second_runner_takes_over_at_once(runs: Runs) -> None:
    train = runs.trainer("if attempt == 1: forever()\nprint(number)")
    first = runs.start("-n", "2", "-j", "2", "--", *train, X)
    until(lambda: runs.seen() == 2)
    second = runs.start("-n", "2", "-j", "2")
    until(lambda: len(os.listdir(workers_folder(str(runs.journal)))) == 2)
    kill_run(first, "runner")
    assert second.wait() == 0
    assert runs.outcomes() == [0.0, 1.0]
    assert runs.none_is_left()


def test_a_trainer_that_kills_its_parent_ends_as_crash_loop(runs: Runs) -> None:
    train = runs.trainer("if number == 1: os.kill(os.getppid(), signal.SIGKILL); forever()\nprint(number)")
    codes = [runs.call("run", "-n", "3", "--", *train, X).returncode for _ in range(4)]
    assert codes == [137, 137, 137, 0]
    assert runs.outcomes() == [0.0, "crash-loop", 2.0]
    assert runs.none_is_left()


def test_two_runners_that_are_killed_end_with_exactly_the_total(runs: Runs) -> None:
    """Kills of either process, of both, and none, at any moment; then one run to the end."""
    import random

    dice = random.Random(1)
    call = ["-n", "24", "-j", "3", "--seed", "5", "--", *runs.trainer("time.sleep(number % 4 / 20); print(env['JT_x'])"), X]
    running: list[subprocess.Popen[str]] = []
    for whom in ("front", "runner", "both", "group", "runner", "front"):
        running = [each for each in running if each.poll() is None]
        while len(running) < 2:
            running.append(runs.start(*call))
        time.sleep(dice.uniform(0.3, 0.9))
        victim = running[0]
        if victim.poll() is None:
            try:
                kill_run(victim, whom)
            except (AssertionError, ProcessLookupError):
                continue
        running.pop(0)
    for each in running:
        each.communicate()
    runs.ran("-n", "24")
    trials = runs.trials()
    assert [trial.value for trial in trials if trial.state.name == "COMPLETE"] == [t.params["x"] for t in trials if t.values]
    assert len(trials) == 24 + sum(trial.user_attrs.get("fail_reason") in ("interrupted", "owner-died") for trial in trials)
    assert all(trial.state.name == "COMPLETE" or "fail_reason" in trial.user_attrs for trial in trials)
    until(runs.none_is_left)
    assert runs.call("verify").returncode == 0


# The program after a reboot: no process of before lives, whatever its pid.
REBOOTED = """
from journaltune.engine import owners
owners.boot_id = lambda: "another boot"
from journaltune.engine import resume
resume.boot_id = owners.boot_id
"""


def test_after_a_power_cut_the_same_call_finishes_the_study(runs: Runs) -> None:
    """What was not stored is lost: the asks after the last result, and what is beside the journal."""
    import shutil

    train = runs.trainer("if attempt == 1 and number > 3: forever()\nprint(number)")
    first = runs.start("-n", "6", "-j", "2", "--", *train, X)
    until(lambda: runs.seen() == 6)
    kill_run(first, "both")
    first.communicate()
    lines = runs.journal.read_bytes().splitlines(keepends=True)
    last = max(place for place, line in enumerate(lines) if b'"op_code":6' in line)
    runs.journal.write_bytes(b"".join(lines[: last + 2]))  # with the ask of trial 4, which was written before the next flush
    shutil.rmtree(runs.folder / "study.journal.d" / "workers")
    for pid in runs.alive():
        os.kill(pid, signal.SIGKILL)
    runs.code = REBOOTED
    runs.call("run", "-n", "5")
    second = runs.start("-n", "6")
    try:
        second.wait(timeout=10)
    except subprocess.TimeoutExpired:  # trial 5 is new again, at its first attempt
        second.send_signal(signal.SIGTERM)
        second.communicate()
        runs.ran("-n", "6")
    assert runs.outcomes() == [float(number) for number in range(6)]


def _kill_after_some(runs: Runs, started: subprocess.Popen[str], whom: str) -> None:
    n = runs.seen()
    until(lambda: runs.seen() >= n + 5 or started.poll() is not None)
    if started.poll() is None:
        kill_run(started, whom)
    started.communicate()


def test_a_deterministic_run_is_the_same_whatever_the_timing(runs: Runs, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Once without a break, once more, and once with kills."""
    body = "import random\ntime.sleep(random.random() / 10); print((float(env['JT_x']) - 0.3) ** 2)"
    call = ["-n", "14", "-j", "4", "--seed", "7", "--deterministic", "--", *runs.trainer(body), X]
    others = [Runs(tmp_path_factory.mktemp("other")) for _ in range(2)]
    for started in [other.start(*call) for other in others]:
        said = started.communicate()[1]
        assert started.returncode == 0, said
    for whom in ("runner", "front", "both"):
        _kill_after_some(runs, runs.start(*call), whom)
    runs.ran(*call)
    one, two, killed = ([(trial.params, trial.value) for trial in each.trials()] for each in (*others, runs))
    assert one == two == killed
    assert load_study(runs.journal)._study.lag == 4
    assert runs.call("verify").returncode == 0
