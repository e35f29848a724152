"""`journaltune run` with trainers as they are: what reaches them, what is taken of them, and what the journal holds then."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from running import SHORT_GRACE, Runs, X, runner_of, until

from journaltune import load_study


def test_one_line_is_a_whole_search(runs: Runs) -> None:
    train = runs.trainer("print(float(sys.argv[1]) ** 2 + (sys.argv[2] == 'sgd'))")
    done = runs.call("run", "-n", "12", "-j", "3", "--seed", "1", "--", *train, X, "{opt: adam | sgd}")
    assert done.returncode == 0, done.stderr
    best = json.loads(done.stdout)
    trials = runs.trials()
    assert [trial.number for trial in trials] == list(range(12))
    assert [trial.value for trial in trials] == [t.params["x"] ** 2 + (t.params["opt"] == "sgd") for t in trials]
    assert best["value"] == min(trial.value for trial in trials if trial.value is not None)
    assert [line.split()[0] for line in done.stderr.splitlines()[:12]] == [f"[{n}/12]" for n in range(1, 13)]
    assert done.stderr.splitlines()[-1] == "again    journaltune exec best"
    assert runs.call("verify").returncode == 0
    assert runs.none_is_left()


def test_what_is_given_once_is_kept(runs: Runs) -> None:
    train = runs.trainer("print('loss:', 1 / (1 + number)); print('bye')")
    runs.ran("-n", "2", "-j", "2", "--result", r"regex:loss: (\S+)", "--retries", "1", "--", *train, "{{}}", X)
    runs.ran("-n", "4")
    assert runs.outcomes() == [1.0, 0.5, 1 / 3, 0.25]
    runs.ran("-n", "5", "--result", "none")
    assert runs.outcomes()[4] == "result"
    config = load_study(runs.journal)._study.config
    assert (config["command"], config["trials"], config["run"]) == ([*train, "{{}}", "{x}"], 5, {"jobs": 2, "retries": 1})


def test_the_total_is_reached_already(runs: Runs) -> None:
    train = runs.trainer("print(0.5)")
    runs.ran("-n", "3", "--", *train, X)
    size = runs.journal.stat().st_size
    assert runs.ran("-n", "3").startswith("trials   3: 3 complete\n")
    assert runs.journal.stat().st_size == size


def test_a_trainer_finds_its_trial_in_the_environment(runs: Runs) -> None:
    train = runs.trainer(
        "json.dump({**env}, open('env.json', 'w')); assert sys.stdin.read() == ''\n"
        "print(open(env['JT_PARAMS_FILE']).read() == env['JT_PARAMS'] + '\\n'); print(sys.argv[1:], file=sys.stderr); print(1)"
    )
    own = {
        "trial": "{trial}",
        "seed": "{seed}",
        "attempt": "{attempt}",
        "slot": "{slot}",
        "dir": "{dir}",
        "file": "{params_file}",
    }
    outer = {"JT_TRIAL": "77", "JT_lr": "0.7", "JT_old": "1", "JT_opt": "outer", "KEPT": "yes"}
    runs.ran("-n", "1", "--", *train, *own.values(), "{opt: = 'a b'}", X, env=outer)
    (trial,) = runs.trials()
    env: dict[str, str] = json.loads((runs.folder / "env.json").read_text())
    folder = runs.folder_of(0)
    assert {name: value for name, value in env.items() if name.startswith("JT_")} == {
        "JT_TRIAL": "0",
        "JT_SEED": env["JT_SEED"],
        "JT_ATTEMPT": "1",
        "JT_SLOT": "0",
        "JT_DIR": str(folder),
        "JT_PARAMS": json.dumps(trial.params),
        "JT_PARAMS_FILE": str(folder / "params.json"),
        "JT_RESULT": str(folder / "result"),
        "JT_opt": "a b",
        "JT_x": repr(trial.params["x"]),
    }
    assert (env["KEPT"], env["PYTHONUNBUFFERED"]) == ("yes", "1")
    assert 0 <= int(env["JT_SEED"]) < 2**31
    assert runs.printed(0) == "True\n1\n"
    said = ["0", env["JT_SEED"], "1", "0", str(folder), str(folder / "params.json"), "a b", env["JT_x"]]
    assert (folder / "stderr.log").read_text() == f"{said}\n"


def test_a_trainer_that_asks_for_no_buffer_keeps_its_own(runs: Runs) -> None:
    runs.ran("-n", "1", "--", *runs.trainer("print(env['PYTHONUNBUFFERED'])"), X, env={"PYTHONUNBUFFERED": "7"})
    assert runs.outcomes() == [7.0]


def test_no_loop_around_a_run_loses_its_input(runs: Runs) -> None:
    train = runs.trainer("sys.stdin.read(); print(1)")
    command = " ".join(f"'{word}'" for word in runs.command("run", "-n", "2", "--", *train, X))
    loop = f"printf 'a\\nb\\n' | while read -r line; do {command} >/dev/null 2>&1; echo $line; done"
    assert subprocess.run(["sh", "-c", loop], cwd=runs.folder, capture_output=True, text=True).stdout == "a\nb\n"


ODD = {
    "exit 0 without a result": ("pass", "result"),
    "text": ("print('saved')", "result"),
    "nan": ("print(float('nan'))", "nan"),
    "half of a result": ("open(env['JT_RESULT'], 'w').write('{\"value\": 0.')", "result"),
    "a result by rename": ("open('r', 'w').write('0.5'); os.rename('r', env['JT_RESULT'])", 0.5),
    "half a line": ("print('loss'); sys.stdout.write('0.5')", 0.5),
    "megabytes": ("[print('x' * 79) for _ in range(40_000)]; print(0.5)", 0.5),
    "one line of megabytes": ("print('x' * 3_000_000); print(0.5)", 0.5),
    "not text": ("os.write(1, bytes(range(256)) * 100); print('\\n0.5')", 0.5),
    "another folder": ("os.chdir('/'); print(0.5)", 0.5),
    "exit status": ("print(0.5); sys.exit(3)", "exit"),
    "sys.exit with text": ("print(0.5); sys.exit('no')", "exit"),
    "signal": ("os.kill(os.getpid(), signal.SIGSEGV)", "signal"),
    "kills itself": ("os.kill(os.getpid(), signal.SIGKILL)", "signal"),
    "kills its group": ("os.killpg(0, signal.SIGKILL)", "signal"),
    "reads stdin": ("print(len(sys.stdin.read()))", 0.0),
    "truncates its output": ("print('a' * 100); os.ftruncate(1, 0); print(0.5)", 0.5),
    "closes everything": ("open(env['JT_RESULT'], 'w').write('0.5'); os.closerange(0, 100)", 0.5),
    "says failed": ('print(\'[journaltune] {"state": "fail", "reason": "diverged"}\')', "diverged"),
    "says pruned": ('print(\'[journaltune] {"state": "pruned"}\')', "pruned"),
    "leaves a child": ("fork(forever); print(0.5)", 0.5),
    "leaves a daemon": ("daemon(forever); print(0.5)", 0.5),
    "leaves a child that ignores signals": ("fork(lambda: (ignore(), forever())); print(0.5)", 0.5),
    "its child prints later": ("fork(lambda: (time.sleep(0.2), print(9))); print(0.5)", 0.5),
}


def test_odd_trainers_end_as_what_they_are(runs: Runs) -> None:
    """In one run, four at a time: what one of them does must not become another's."""
    bodies = [code for code, _ in ODD.values()]
    runs.ran("-n", str(len(ODD)), "-j", "4", "--", *runs.trainer(f"exec({bodies!r}[number])"), X)
    assert dict(zip(ODD, runs.outcomes(), strict=True)) == {name: outcome for name, (_, outcome) in ODD.items()}
    assert runs.none_is_left()


def test_trials_that_fail_do_not_end_a_run(runs: Runs) -> None:
    runs.ran("-n", "8", "--", *runs.trainer("sys.exit(number < 5); "), X, env={})
    assert runs.outcomes() == ["exit"] * 5 + ["result"] * 3


def test_a_failure_shows_what_the_trainer_wrote_last(runs: Runs) -> None:
    said = runs.ran(
        "-n", "5", "--", *runs.trainer("print('\\x1b[31mValueError\\x1b[0m: \\x07bad', file=sys.stderr); sys.exit(3)"), X
    )
    lines = said.splitlines()
    assert lines[0].startswith("[1/5] trial 0 failed (exit): exit status 3, after ")
    assert lines[1] == "  | ValueError: \\x07bad"
    assert lines[2].endswith("all that it printed: journaltune logs 0")
    assert sum("ValueError" in line for line in lines) == 3
    assert "best     no trial is complete" in lines


def test_the_message_of_a_missing_result_stands_in_the_journal(runs: Runs) -> None:
    said = runs.ran("-n", "1", "--", *runs.trainer("print('val loss: 0.5 (best)')"), X)
    assert r"--result 'regex:val loss: (\S+)'" in said
    assert r"--result 'regex:val loss: (\S+)'" in runs.trials()[0].user_attrs["fail_message"]


def test_values_constraints_and_attributes_reach_the_journal(runs: Runs) -> None:
    told = {"values": [1, 2.5], "constraints": {"size": 1.5}, "attrs": {"epochs": [1, 2]}}
    runs.ran(
        "-n",
        "1",
        "--minimize",
        "a",
        "--maximize",
        "b",
        "--",
        *runs.trainer(f"json.dump({told!r}, open(env['JT_RESULT'], 'w'))"),
        X,
    )
    (trial,) = runs.trials()
    assert (trial.values, trial.constraints, trial.user_attrs) == ([1.0, 2.5], {"size": 1.5}, {"epochs": [1, 2]})


def test_usage_is_shown_while_a_trial_runs_and_stands_with_it(runs: Runs) -> None:
    body = "x = bytearray(120_000_000); sum(range(3_000_000)); until('go'); print(1)"
    started = runs.start("-n", "1", "--", *runs.trainer(body), X)

    def running() -> dict[str, Any]:
        return dict(json.loads(runs.call("status", "--format", "json").stdout)["running"][0])

    until(lambda: runs.seen() == 1)
    until(lambda: (running()["peak_bytes"] or 0) > 120_000_000)
    seen = running()
    assert (seen["number"], seen["attempt"], seen["owner"], seen["standing"]) == (0, 1, runner_of(started), "alive")
    assert 0 < seen["age_s"] < 60
    assert re.search(r"trial 0 runs for .*s, up to 1\d\d MiB \(process \d+, alive\)", runs.call("status").stdout)
    (runs.folder / "go").touch()
    started.communicate()
    usage = json.loads(runs.call("best").stdout)["usage"]
    assert 0.01 < usage["cpu_s"] < usage["wall_s"] + 1 < 60
    assert 120_000_000 < usage["peak_bytes"] < 200_000_000
    assert runs.trials()[0].usage == usage == json.loads(runs.call("trials", "--format", "jsonl").stdout)["usage"]
    assert f",{usage['wall_s']},{usage['cpu_s']},{usage['peak_bytes']}" in runs.call("trials", "--format", "csv").stdout
    assert re.search(r"duration +cpu +memory\n.*s +1\d\d MiB$", runs.call("trials").stdout.rstrip())


def test_a_trainer_inherits_its_streams_only(runs: Runs) -> None:
    """And no signal is ignored that Python ignores."""
    read_fd, write_fd = os.pipe()
    script = f"grep SigIgn /proc/self/status; [ -e /proc/self/fd/{write_fd} ]; echo $?"
    runs.ran("-n", "1", "--", "sh", "-c", script, X, pass_fds=[write_fd])
    assert runs.outcomes() == [1.0]
    ignored = int(runs.printed(0).split()[1], 16)
    assert not [number for number in (signal.SIGPIPE, signal.SIGXFSZ) if ignored >> (number - 1) & 1]
    for fd in (read_fd, write_fd):
        os.close(fd)


def test_streams_that_are_closed_are_not_a_trainers_logs(runs: Runs) -> None:
    call = " ".join(f"'{word}'" for word in runs.command("run", "-n", "2", "-j", "2", "--", *runs.trainer("print(number)"), X))
    subprocess.run(["sh", "-c", f"{call} <&- >&- 2>&-"], cwd=runs.folder, check=True)
    assert [runs.outcomes(), runs.printed(0), runs.printed(1)] == [[0.0, 1.0], "0\n", "1\n"]


def test_gpus_of_a_list_that_is_set_are_dealt_out_as_they_are_named(runs: Runs) -> None:
    shows = "print(env['JT_SLOT'], env['CUDA_VISIBLE_DEVICES']); print(1)"
    train = runs.trainer(f"open(f'up{{number}}', 'w').close(); until('up0'); until('up1'); {shows}")
    runs.ran("-n", "4", "-j", "2", "--", *train, X, env={"CUDA_VISIBLE_DEVICES": "GPU-8a56, 7"})
    seen = {tuple(runs.printed(number).split()[:2]) for number in range(4)}
    assert seen == {("0", "GPU-8a56"), ("1", "7")}


def test_reports_are_intermediate_values(runs: Runs) -> None:
    body = 'for step in range(5): print(f\'[journaltune] {{"step": {step}, "value": {step / 2}}}\')\nprint(9)'
    runs.ran("-n", "2", "--", *runs.trainer(body), X)
    assert [trial.intermediate_values for trial in runs.trials()] == [{step: step / 2 for step in range(5)}] * 2
    assert runs.outcomes() == [9.0, 9.0]


@pytest.mark.parametrize("stubborn", [False, True])
def test_a_trial_that_is_to_be_pruned_is_ended(runs: Runs, stubborn: bool) -> None:
    body = "ignore()\n" * stubborn + "daemon(forever)\n"
    body += 'for step in range(1000):\n    print(f\'[journaltune] {{"step": {step}, "value": {step}}}\'); time.sleep(0.02)\n'
    runs.code = SHORT_GRACE
    runs.ran("-n", "1", "--pruner", "threshold", "--pruner-option", "upper=2.5", "--", *runs.trainer(body), X)
    (trial,) = runs.trials()
    assert trial.state.name == "PRUNED"
    assert (trial.value, trial.intermediate_values) == (3.0, {step: float(step) for step in range(4)})
    assert runs.none_is_left()


STEPS = 'for step, value in enumerate((1, 9, 1)): print(f\'[journaltune] {{"step": {step}, "value": {value}}}\')\n'


def test_what_a_pruner_says_does_not_depend_on_how_many_steps_come_at_once(runs: Runs) -> None:
    """Each step counts, though a later one was seen together with it, and looks good again."""
    trainer = runs.trainer(STEPS + "sys.stdout.flush()\nforever()")
    runs.ran("-n", "2", "--pruner", "threshold", "--pruner-option", "upper=2.5", "--", *trainer, X)
    assert [(trial.value, trial.intermediate_values) for trial in runs.trials()] == [(9.0, {0: 1.0, 1: 9.0})] * 2


class TestRetries:
    BODY = "print(env['JT_DIR'], attempt, *sys.argv[1:])\nassert attempt > int(env.get('FAILS', 2))\nprint(attempt)"

    def test_a_failed_trial_is_made_again_as_the_same_trial(self, runs: Runs) -> None:
        said = runs.ran("-n", "2", "-j", "2", "--retries", "2", "--", *runs.trainer(self.BODY), X, "{seed}")
        assert runs.outcomes() == [3.0, 3.0]
        for trial in runs.trials():
            lines = runs.printed(trial.number).splitlines()
            assert [line.split()[1] for line in lines[:3]] == ["1", "2", "3"]
            assert len({(*line.split()[:1], *line.split()[2:]) for line in lines[:3]}) == 1
            assert trial.system_attrs["journaltune:failures"] == [{"attempt": n, "reason": "exit"} for n in (1, 2)]
            assert trial.system_attrs["journaltune:owner"]["attempt"] == 3
        assert said.count("; attempt 2 follows") == said.count("; attempt 3 follows") == 2

    def test_it_fails_once_they_are_used_up(self, runs: Runs) -> None:
        runs.ran("-n", "3", "--retries", "1", "--", *runs.trainer(self.BODY), X)
        assert runs.outcomes() == ["exit"] * 3
        assert [trial.system_attrs["journaltune:owner"]["attempt"] for trial in runs.trials()] == [2] * 3

    def test_a_result_is_not_asked_for_twice(self, runs: Runs) -> None:
        runs.ran("-n", "1", "--retries", "5", "--", *runs.trainer("print('nan')"), X)
        assert runs.seen() == 1
        assert runs.outcomes() == ["nan"]

    def test_what_an_attempt_left_as_result_is_not_the_next_ones(self, runs: Runs) -> None:
        runs.ran(
            "-n",
            "1",
            "--retries",
            "1",
            "--",
            *runs.trainer("open(env['JT_RESULT'], 'a').write('7' * (attempt == 1)); sys.exit(attempt == 1)"),
            X,
        )
        assert runs.outcomes() == ["result"]


class TestHalting:
    def test_more_failures_than_allowed_end_it(self, runs: Runs) -> None:
        done = runs.call("run", "-n", "50", "--max-failures", "2", "--", *runs.trainer("sys.exit(number % 2)"), X, env={})
        assert done.returncode == 1
        assert "3 trials failed, and --max-failures allows 2: nothing new starts" in done.stderr
        assert len(runs.trials()) == 3

    def test_none_is_allowed(self, runs: Runs) -> None:
        assert runs.call("run", "-n", "50", "--max-failures", "0", "--", *runs.trainer("sys.exit(1)"), X).returncode == 1
        assert runs.outcomes() == ["exit"]

    def test_a_share_of_failures_ends_it_and_the_running_ones_finish(self, runs: Runs) -> None:
        body = "print(1)\nif number == 3: time.sleep(1)\nelse: sys.exit(number > 1)"
        done = runs.call("run", "-n", "50", "-j", "2", "--halt", "fail=50%", "--", *runs.trainer(body), X)
        assert done.returncode == 1
        assert runs.outcomes() == [1.0, 1.0, "exit", 1.0, "exit", "exit"][: len(runs.trials())]
        assert runs.outcomes()[3] == 1.0

    def test_a_share_of_too_few_says_nothing(self, runs: Runs) -> None:
        runs.ran("-n", "6", "--halt", "fail=60%", "--", *runs.trainer("print(1); sys.exit(number < 2)"), X)
        assert runs.outcomes() == ["exit"] * 2 + [1.0] * 4


# The program, on a disk that is full as soon as trial 2 has ended: for some tries, or for ever.
FULL = """
from journaltune.base.errors import MachineError
from journaltune.engine import own_trials
from journaltune.run import recorder
recorder._AGAIN_S, recorder._LONGEST_S = 0.1, 1.0
settle, left = own_trials.settle, [{tries}]
def settle_or_fail(study, result, owner):
    left[0] -= result.number == 2
    if result.number == 2 and left[0] >= 0:
        raise MachineError("cannot write: the disk is full")
    return settle(study, result, owner)
own_trials.settle = settle_or_fail
"""


@pytest.fixture
def full(runs: Runs) -> Callable[[int, str], subprocess.CompletedProcess[str]]:
    def run_full(tries: int, body: str) -> subprocess.CompletedProcess[str]:
        runs.code = FULL.format(tries=tries)
        done = runs.call("run", "-n", "9", "-j", "2", "--", *runs.trainer(body), X)
        runs.code = ""
        return done

    return run_full


Full = Callable[[int, str], subprocess.CompletedProcess[str]]


def test_a_result_that_can_not_be_recorded_now_is_recorded_later(runs: Runs, full: Full) -> None:
    done = full(4, "print(number)")
    assert done.returncode == 0, done.stderr
    said = [line.removeprefix("journaltune: ") for line in done.stderr.splitlines() if line.startswith("journaltune: ")]
    assert said == [
        "cannot write: the disk is full; this is tried again for a minute, and nothing new starts meanwhile",
        "the journal can be written again",
    ]
    assert runs.outcomes() == [float(number) for number in range(9)]


# The program, on a disk on which nothing can be asked for after trial 2.
UNASKABLE = """
import sys
from journaltune.base.errors import MachineError
from journaltune.run import ledger, recorder
recorder._AGAIN_S, recorder._LONGEST_S = 0.1, 0.5
ask = ledger.ask
def ask_or_fail(study, **options):
    if study.state().n_trials > 2:
        raise MachineError("cannot write: the disk is full")
    return ask(study, **options)
ledger.ask = ask_or_fail
from journaltune.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_a_journal_that_takes_no_more_asks_ends_the_run_after_a_while(runs: Runs) -> None:
    command = runs.command
    runs.command = lambda *arguments: [sys.executable, "-c", UNASKABLE, *arguments]  # type: ignore[method-assign]
    done = runs.call("run", "-n", "9", "-j", "2", "--", *runs.trainer("print(number)"), X)
    assert done.returncode == 7
    assert 1 <= done.stderr.count("this is tried again for a minute") <= 2  # the other trial may have ended in between
    assert runs.outcomes() == [0.0, 1.0, 2.0]
    runs.command = command  # type: ignore[method-assign]
    runs.ran("-n", "9")
    assert runs.outcomes() == [float(number) for number in range(9)]


def test_one_that_never_can_is_shown_with_the_command_that_records_it(runs: Runs, full: Full) -> None:
    # The third trial goes on until the runner has seen the end of the second one, however slow this machine is.
    ends = "if number == 2: open('pid.new', 'w').write(str(os.getpid())); os.rename('pid.new', 'pid')\n"
    waits = "if number == 3 and attempt == 1:\n    until('pid')\n    pid = open('pid').read()\n"
    waits += "    while os.path.exists(f'/proc/{pid}'): time.sleep(0.01)\n"
    done = full(10**6, f"{ends}{waits}print(0.625)")
    assert done.returncode == 7
    assert done.stderr.endswith("journaltune: cannot write: the disk is full\n")
    lines = [line for line in done.stderr.splitlines() if "which is not recorded" in line]
    assert "trial 2 came to 0.625" in lines[0]
    assert len(runs.trials()) <= 4
    for line in lines:
        assert runs.call(*line.split("`")[1].split()[1:]).returncode == 0
    runs.ran("-n", "9")
    assert runs.outcomes() == [0.625] * 9
