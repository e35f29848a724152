"""`journaltune run` over a journal on another machine: trainers run here, the journal stays there."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from machines import Machine, executable, none_serves, servers
from running import Runs, X, kill_run, until

import journaltune

GIVES_X = 'print(env["JT_x"])'


@pytest.fixture
def there(runs: Runs, machine: Machine) -> Machine:
    """The other machine, with the journal in the folder of ``runs``, whose calls have its environment."""
    machine.env["JOURNALTUNE_JOURNAL"] = machine.journal
    return machine


def folder_of(machine: Machine, number: int) -> Path:
    return (
        Path(machine.env["XDG_STATE_HOME"])
        / "journaltune"
        / "there"
        / f"{machine.folder}/study.journal.d".lstrip("/")
        / (f"trials/{number:06}")
    )


def new_study(runs: Runs, n: int, body: str = GIVES_X, *options: str) -> list[str]:
    return ["-n", str(n), "--sampler", "random", "--seed", "1", *options, "--", *runs.trainer(body), X]


def test_a_run_makes_the_study_there_and_goes_on_without_its_command(runs: Runs, there: Machine) -> None:
    body = 'open(env["JT_DIR"] + "/checkpoint", "w").close(); print("loss", env["JT_x"])'
    said = runs.ran(*new_study(runs, 4, body, "-j", "2", "--result", r"regex:loss (\S+)"), env=there.env)
    assert "trials   4: 4 complete" in said
    assert f"exec best -f {there.journal}" in said
    runs.ran("-n", "6", env=there.env)
    study = journaltune.load_study(runs.journal)
    assert [(trial.state.name, trial.attempt) for trial in study.trials] == [("COMPLETE", 1)] * 6
    assert all(trial.value == trial.params["x"] for trial in study.trials)
    assert all(trial.usage for trial in study.trials)
    assert (folder_of(there, 5) / "checkpoint").exists()
    assert not (runs.folder / "study.journal.d" / "trials").exists()
    assert study.verify().difference is None
    assert runs.call("logs", "5", env=there.env).stdout == f"loss {study.trials[5].params['x']!r}\n"
    best = runs.call("exec", "best", "--", "printenv", "JT_x", env=there.env).stdout
    assert float(best) == study.best_params["x"]
    none_serves(runs.journal)


def test_a_run_of_a_study_that_is_there_says_what_does_not_fit(runs: Runs, there: Machine) -> None:
    there.out("create", "--param", "x: float(0, 2)")
    wrong = runs.call("run", "-n", "1", "--", *runs.trainer(GIVES_X), X, env=there.env)
    assert (wrong.returncode, wrong.stderr.count("\n")) == (2, 1)
    assert "x is float(0.0, 2.0) in study 'study'" in wrong.stderr
    runs.ran("-n", "1", "--", *runs.trainer(GIVES_X), "{x}", env=there.env)
    assert len(there.trials()) == 1


def test_reports_prune_over_the_connection(runs: Runs, there: Machine) -> None:
    body = 'print(\'[journaltune] {"step": 1, "value": 5}\'); sys.stdout.flush(); forever()'
    runs.ran(*new_study(runs, 2, body, "--pruner", "threshold", "--pruner-option", "upper=1"), env=there.env)
    assert [(trial["state"], trial["values"]) for trial in there.trials()] == [("pruned", [5.0])] * 2
    assert runs.none_is_left()


def test_failures_are_retried_and_told_apart(runs: Runs, there: Machine) -> None:
    body = "sys.exit(3) if attempt == 1 or number == 1 else print(0.5)"
    runs.ran(*new_study(runs, 2, body, "--retries", "1"), env=there.env)
    assert runs.outcomes() == [0.5, "exit"]
    assert [trial.attempt for trial in runs.trials()] == [2, 2]


def interrupt_twice(run: subprocess.Popen[str]) -> None:
    run.send_signal(signal.SIGINT)
    assert run.stderr is not None
    while "finishing" not in run.stderr.readline():
        continue
    run.send_signal(signal.SIGINT)


def test_ctrl_c_gives_trials_back_and_is_no_death_of_theirs(runs: Runs, there: Machine) -> None:
    run = runs.start(*new_study(runs, 2, "forever() if attempt == 1 else print(0.5)", "-j", "2"), env=there.env)
    until(lambda: runs.seen() == 2)
    interrupt_twice(run)
    assert run.wait(60) == -signal.SIGINT
    assert runs.none_is_left()
    state = journaltune.load_study(runs.journal)._study.state()
    assert [trial.holder["deaths"] for trial in state.live.values()] == [0, 0]
    runs.ran(env=there.env)
    assert runs.outcomes() == [0.5, 0.5]


@pytest.mark.parametrize("who", ["both", "runner", "front"])
def test_a_killed_run_leaves_no_trainer_and_its_trials_are_asked_again(runs: Runs, there: Machine, who: str) -> None:
    run = runs.start(*new_study(runs, 3, "forever() if attempt == 1 and number < 2 else print(0.5)", "-j", "2"), env=there.env)
    until(lambda: runs.seen() == 2)
    kill_run(run, who)
    run.wait(60)
    none_serves(runs.journal)
    again = runs.ran(env=there.env)
    assert ("ended what a killed runner left" in again) == (who == "both")
    assert runs.none_is_left()
    assert runs.outcomes() == [0.5] * 3
    assert [trial.attempt for trial in runs.trials()] == [2, 2, 1]


def test_a_killed_server_costs_a_run_nothing(runs: Runs, there: Machine, tmp_path: Path) -> None:
    body = f'until("{tmp_path}/go"); print(0.5)'
    run = runs.start(*new_study(runs, 4, body, "-j", "2"), env=there.env)
    until(lambda: runs.seen() == 2)
    for pid in servers(runs.journal):
        os.kill(pid, signal.SIGKILL)
    (tmp_path / "go").touch()
    assert run.wait(60) == 0, run.stderr
    assert runs.seen() == 4
    assert [trial.attempt for trial in runs.trials()] == [1] * 4


CALLS = [
    "ask.ask",
    "own_trials.settle",
    "own_trials.flush",
    "own_trials.rerun",
    "own_trials.report_all",
    '"journaltune.since"',
]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("method", CALLS)
def test_a_connection_cut_in_a_call_loses_nothing(
    runs: Runs, there: Machine, sshd: Path, tmp_path: Path, method: str, after: bool
) -> None:
    body = """
if attempt == 1 and number == 1:
    sys.exit(3)
print('[journaltune] {"step": 1, "value": 0.25}')
print(env["JT_x"])
"""
    done = tmp_path / "cut"
    cut = {"CUT": method, "CUT_DONE": str(done), **({"CUT_AFTER": "1"} if after else {})}
    env = {**there.env, **cut, "PATH": f"{sshd}/cutting:{there.env['PATH']}"}
    options = ["-j", "2", "--retries", "1", "--pruner", "threshold", "--pruner-option", "upper=1"]
    runs.ran(*new_study(runs, 6, body, *options), env=env)
    assert done.exists()
    trials = runs.trials()
    assert [trial.value for trial in trials] == [trial.params["x"] for trial in trials]
    assert [trial.attempt for trial in trials] == [1, 2, 1, 1, 1, 1]
    assert [trial.intermediate_values for trial in trials] == [{1: 0.25}] * 6
    assert runs.seen() == 7
    none_serves(runs.journal)


def with_switch(there: Machine, sshd: Path, folder: Path) -> dict[str, str]:
    """The environment in which ssh reaches the other machine until `go_down`, and again once ``folder`` has no file ``down``."""
    own = folder / "bin"
    own.mkdir()
    executable(own / "ssh", f'#!/bin/sh\n[ ! -e "{folder}/down" ] || exit 255\nexec "{sshd}/ssh" "$@"\n')
    return {**there.env, "PATH": f"{own}:{there.env['PATH']}"}


def go_down(runs: Runs, folder: Path) -> None:
    (folder / "down").touch()
    for pid in servers(runs.journal):
        os.kill(pid, signal.SIGKILL)


def test_a_connection_that_does_not_come_back_ends_the_run_and_names_what_is_not_recorded(
    runs: Runs, there: Machine, sshd: Path, tmp_path: Path
) -> None:
    runs.code = "from journaltune.run import recorder; recorder._LONGEST_ELSEWHERE_S = recorder._AGAIN_S = 0.2"
    env = with_switch(there, sshd, tmp_path)
    run = runs.start(*new_study(runs, 3, f'until("{tmp_path}/go"); print(0.5)'), env=env)
    until(lambda: runs.seen() == 1)
    go_down(runs, tmp_path)
    (tmp_path / "go").touch()
    _, said = run.communicate(timeout=60)
    assert run.returncode == 7, said
    assert f"`journaltune tell -f {there.journal} --study study 0 0.5` records it" in said
    assert "Traceback" not in said
    assert there.run("tell", "0", "0.5").returncode == 0
    runs.ran(env=there.env)
    assert runs.outcomes() == [0.5] * 3


def test_a_server_that_hangs_lets_ctrl_c_through(runs: Runs, there: Machine) -> None:
    """Whether a network hangs is for ssh to find out (ServerAliveInterval); a person must be able to end the run."""
    run = runs.start(*new_study(runs, 2, "forever()"), env=there.env)
    until(lambda: runs.seen() == 1)
    (server,) = servers(runs.journal)
    os.kill(server, signal.SIGSTOP)
    try:
        interrupt_twice(run)
        _, said = run.communicate(timeout=120)
    finally:
        os.kill(server, signal.SIGCONT)
    assert run.returncode in (7, -signal.SIGINT), said
    assert runs.none_is_left()
    none_serves(runs.journal)
    assert json.loads(there.out("ask"))["attempt"] == 2


@pytest.mark.parametrize("is_there", [True, False])
def test_a_shared_connection_is_used_and_outlives_the_run(
    runs: Runs, there: Machine, sshd: Path, tmp_path: Path, is_there: bool
) -> None:
    own = tmp_path / "bin"
    own.mkdir()
    shared = f"ControlMaster auto\nControlPersist 600\nControlPath {own}/c\n"
    (own / "config").write_text(f"{shared}Include {sshd}/config\n")
    executable(own / "ssh", f'#!/bin/sh\nexec "{shutil.which("ssh")}" -F "{own}/config" "$@"\n')
    env = {**there.env, "PATH": f"{own}:{there.env['PATH']}"}

    def control(word: str) -> str:
        return subprocess.run([own / "ssh", "-O", word, "there"], env=env, capture_output=True, text=True).stderr

    if is_there:
        subprocess.run([own / "ssh", "-MNf", "there"], check=True, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        runs.ran(*new_study(runs, 3), env=env)
        runs.ran("-n", "5", env=env)
        assert ("Master running" in control("check")) == is_there
        assert len(there.trials()) == 5
        none_serves(runs.journal)
    finally:
        control("exit")


def in_place_of_the_program(sshd: Path, text: str) -> str:
    """Another program there; what it was before."""
    program = sshd / "there" / "journaltune"
    before = program.read_text(encoding="utf-8")
    executable(program, text)
    return before


def test_another_version_there_is_refused_with_both_named(runs: Runs, there: Machine, sshd: Path) -> None:
    program = sshd / "there" / "journaltune"
    code = "import sys; from journaltune import base; base.VERSION = '0.0.9'; from journaltune.cli import main; sys.exit(main())"
    before = in_place_of_the_program(sshd, program.read_text().replace("-m journaltune", f'-c "{code}"'))
    try:
        done = runs.call("run", "-n", "1", "--", *runs.trainer(GIVES_X), X, env=there.env)
    finally:
        in_place_of_the_program(sshd, before)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert journaltune.__version__ in done.stderr
    assert "0.0.9" in done.stderr


def test_what_a_login_shell_prints_is_passed_over(runs: Runs, there: Machine, sshd: Path) -> None:
    program = sshd / "there" / "journaltune"
    before = in_place_of_the_program(sshd, program.read_text().replace("#!/bin/sh\n", "#!/bin/sh\necho Welcome; echo\n"))
    try:
        runs.ran(*new_study(runs, 1), env=there.env)
    finally:
        in_place_of_the_program(sshd, before)


def without_the_program(runs: Runs, sshd: Path, folder: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """A run whose other machine has no journaltune for once, and which says so."""
    program, away = sshd / "there" / "journaltune", folder / "away"
    program.rename(away)
    try:
        gone = runs.call("run", "-n", "1", env=env)
    finally:
        away.rename(program)
    assert "install" in gone.stderr or "there is no study" in gone.stderr  # where one is installed for all users
    return gone


def test_a_machine_that_can_not_be_reached_is_one_line_and_exit_code_7(
    runs: Runs, there: Machine, sshd: Path, tmp_path: Path
) -> None:
    known = sshd / "known"
    before = known.read_text(encoding="ascii")
    try:
        known.write_text(
            f"{before.split()[0]} ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHMYxCdTI0kbMVPMnWrJhrgvNDgHb0xFbjCdmZYnZ5xm\n"
        )
        changed = runs.call("run", "-n", "1", env=there.env)
    finally:
        known.write_text(before, encoding="ascii")
    assert (changed.returncode, changed.stderr.count("\n")) == (7, 1)
    assert "Host key verification failed" in changed.stderr
    gone = without_the_program(runs, sshd, tmp_path, there.env)
    assert (gone.returncode, gone.stderr.count("\n")) in ((7, 1), (2, 1))


def test_why_a_program_there_is_gone_is_known_from_an_ssh_that_is_slow_to_end(
    runs: Runs, there: Machine, sshd: Path, tmp_path: Path
) -> None:
    slow = tmp_path / "slow"
    slow.mkdir()
    executable(slow / "ssh", f'#!/bin/sh\n"{sshd}/ssh" "$@"\ncode=$?\nexec <&- >&- 2>&-\nsleep 1.5\nexit $code\n')
    without_the_program(runs, sshd, tmp_path, {**there.env, "PATH": f"{slow}:{there.env['PATH']}"})


def test_a_path_that_is_not_there_has_the_exit_code_that_it_has_here(runs: Runs, there: Machine) -> None:
    for call, code in ((["run", "-n", "1", "--", "true", X], 3), (["exec", "best"], 3), (["run", "-n", "1"], 2)):
        env = {**there.env, "JOURNALTUNE_JOURNAL": f"{there.url}/nowhere/x.journal"}
        done = runs.call(*call, env=env)
        assert (done.returncode, done.stderr.count("\n")) == (code, 1), done.stderr
        assert "/nowhere" in done.stderr


@pytest.mark.parametrize("name", ["a b", "it's", 'q"$HOME`x', "-dash", "é", "x;touch y", "100%"])
def test_any_name_of_a_file_goes_through_two_shells(runs: Runs, there: Machine, name: str) -> None:
    (runs.folder / name).mkdir()
    journal = f"{there.url}{runs.folder}/{name}/-s {name}.journal"
    runs.ran("-f", journal, *new_study(runs, 1), env=there.env)
    assert len(journaltune.load_study(runs.folder / name / f"-s {name}.journal").trials) == 1
    done = there.run("best", "-f", journal)
    assert done.returncode == 0, done.stderr


def test_users_ports_homes_and_ipv6_addresses_are_named_as_ssh_names_them(
    runs: Runs, there: Machine, sshd: Path, tmp_path: Path
) -> None:
    port = next(line.split()[1] for line in (sshd / "config").read_text().splitlines() if line.startswith("Port"))
    user = next(line.split()[1] for line in (sshd / "config").read_text().splitlines() if line.startswith("User "))
    program = sshd / "there" / "journaltune"
    before = in_place_of_the_program(sshd, program.read_text().replace("#!/bin/sh\n", f"#!/bin/sh\ncd '{tmp_path}'\n"))
    try:
        runs.ran("-f", f"ssh://{user}@127.0.0.1:{port}/~/home.journal", *new_study(runs, 1), env=there.env)
        assert (tmp_path / "home.journal").exists()
        if "::1" in (sshd / "sshd_config").read_text():
            runs.ran("-f", f"ssh://{user}@[::1]:{port}/~/home.journal", "-n", "2", env=there.env)
            assert len(journaltune.load_study(tmp_path / "home.journal").trials) == 2
    finally:
        in_place_of_the_program(sshd, before)


def test_a_trial_that_somebody_took_while_the_connection_was_down_is_ended_here(
    runs: Runs, there: Machine, sshd: Path, tmp_path: Path
) -> None:
    runs.code = "from journaltune.run import recorder; recorder._AGAIN_S = 0.2"
    env = with_switch(there, sshd, tmp_path)
    run = runs.start(*new_study(runs, 2, "forever() if number == 0 and attempt == 1 else print(0.5)"), env=env)
    until(lambda: runs.seen() == 1)
    go_down(runs, tmp_path)
    taken = json.loads(there.out("ask", "--ttl", "1h"))
    assert (taken["number"], taken["attempt"]) == (0, 2)
    (tmp_path / "down").unlink()
    until(runs.none_is_left)
    there.out("tell", "0", "0.25")
    assert run.wait(60) == 0
    assert runs.outcomes() == [0.25, 0.5]


def test_the_example_runs_one_search_on_two_machines(runs: Runs, there: Machine, sshd: Path) -> None:
    example = Path(__file__).parents[2] / "examples" / "run" / "machines.sh"
    env = {**there.env, "PATH": f"{sshd}/there:{there.env['PATH']}"}
    done = subprocess.run([example, there.journal, "8", "there", "there"], env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert len(runs.trials()) == 8
    assert json.loads(done.stdout.splitlines()[-1])["number"] == journaltune.load_study(runs.journal).best_trial.number
