"""`journaltune run` with trainers as they are: what reaches them, what is taken of them, and what the journal holds then."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from running import Runs, X

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
    runs.ran("-n", "1", "--", *train, *own.values(), "{opt: 'a b' | \"a b\"}".replace("'a b' | ", ""), X, env=outer)
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


@pytest.mark.parametrize("body", ODD)
def test_an_odd_trainer_ends_as_what_it_is(runs: Runs, body: str) -> None:
    code, outcome = ODD[body]
    runs.ran("-n", "1", "--", *runs.trainer(code), X)
    assert runs.outcomes() == [outcome]
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


def test_usage_stands_with_the_trial(runs: Runs) -> None:
    runs.ran("-n", "1", "--", *runs.trainer("x = bytearray(120_000_000); time.sleep(1.5); sum(range(3_000_000)); print(1)"), X)
    usage = runs.trials()[0].system_attrs["journaltune:usage"]
    assert 1.5 <= usage["wall_s"] < 60
    assert 0.01 < usage["cpu_s"] < 60
    assert 120_000_000 < usage["peak_bytes"] < 200_000_000


def test_reports_are_intermediate_values(runs: Runs) -> None:
    body = 'for step in range(5): print(f\'[journaltune] {{"step": {step}, "value": {step / 2}}}\')\nprint(9)'
    runs.ran("-n", "2", "--", *runs.trainer(body), X)
    assert [trial.intermediate_values for trial in runs.trials()] == [{step: step / 2 for step in range(5)}] * 2
    assert runs.outcomes() == [9.0, 9.0]


# The program, with a pruner that stops each trial after its third step.
PRUNING = """
import sys
from journaltune.run import ledger
ledger.should_prune = lambda study, number: len(study.state().live[number].intermediate) >= 3
from journaltune.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("stubborn", [False, True])
def test_a_trial_that_is_to_be_pruned_is_ended(runs: Runs, stubborn: bool) -> None:
    body = "ignore()\n" * stubborn + "daemon(forever)\n"
    body += 'for step in range(1000):\n    print(f\'[journaltune] {{"step": {step}, "value": {step}}}\'); time.sleep(0.02)\n'
    runs.command = lambda *arguments: [sys.executable, "-c", PRUNING, *arguments]  # type: ignore[method-assign]
    runs.ran("-n", "1", "--", *runs.trainer(body), X)
    (trial,) = runs.trials()
    assert trial.state.name == "PRUNED"
    assert trial.value == max(trial.intermediate_values)
    assert runs.none_is_left()


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


class TestFolders:
    def test_studies_of_one_journal_keep_apart(self, runs: Runs) -> None:
        for name in ("one", "two"):
            runs.ran("-n", "1", "--study", name, "--", *runs.trainer(f"print('{name}', env['JT_DIR']); print(1)"), X)
        assert runs.printed(0).startswith("one ")
        assert runs.call("logs", "0", "--study", "two").stdout.startswith("two ")

    def test_a_deleted_journals_checkpoints_are_nobodys(self, runs: Runs) -> None:
        body = "path = env['JT_DIR'] + '/checkpoint'; print(int(os.path.exists(path))); open(path, 'w').close()"
        for _ in range(2):
            runs.ran("-n", "1", "--seed", "1", "--", *runs.trainer(body), X)
            assert runs.outcomes() == [0.0]
            runs.journal.unlink()
        assert (runs.folder_of(0).parent / "000000.old-1" / "checkpoint").exists()

    def test_it_can_be_deleted_without_losing_a_result(self, runs: Runs) -> None:
        import shutil

        runs.ran("-n", "2", "--", *runs.trainer("print(number)"), X)
        shutil.rmtree(runs.folder / "study.journal.d")
        runs.ran("-n", "3")
        assert runs.outcomes() == [0.0, 1.0, 2.0]

    def test_logs_find_what_a_trial_printed(self, runs: Runs) -> None:
        runs.ran("-n", "2", "--", *runs.trainer("os.write(2, b'\\xff%d' % number); print(number)"), X)
        done = subprocess.run(runs.command("logs", "1"), cwd=runs.folder, capture_output=True)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"1\n", b"\xff1")
        assert runs.call("logs", "1", "--folder").stdout == f"{runs.folder_of(1)}\n"
        assert runs.call("logs", "2").returncode == runs.call("logs", "9").returncode == 3
        runs.call("ask")
        missing = runs.call("logs", "2")
        assert (missing.returncode, "has no logs" in missing.stderr) == (3, True)


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class TestRefusals:
    """Bad calls: exit 2, one line, and nothing was written."""

    @pytest.mark.parametrize(
        ("call", "says"),
        [
            (["-n", "5"], "the command is missing"),
            (["-n", "5", "--", "./nothing", X], "there is no program ./nothing"),
            (["-n", "5", "--", "no-such-program", X], "there is no program no-such-program"),
            (["-n", "5", "--", "train.sh", X], "write ./train.sh"),
            (["-n", "5", "--", "true"], "declares no parameter"),
            (["-n", "5", "--", "true", X, "{y}"], "{y} is not a parameter"),
            (["-n", "5", "--", "true", X, X], "declared twice"),
            (["-n", "5", "--", "true", "{x: flat(0, 1)}"], "x: flat(0, 1)"),
            (["-n", "5", "--", "true", "{x: float(0, 1)"], "the closing } is missing"),
            (["-n", "5", "--", "true", "{a b: float(0, 1)}", "{a_b: float(0, 1)}"], "a shell would see it as JT_a_b"),
            (["-n", "5", "--", "true", "{TRIAL: float(0, 1)}"], "JT_TRIAL"),
            (["-n", "5", "./train", "--lr", "{lr: float(0, 1)}"], "write -- before the command"),
            (["-j", "0", "--", "true", X], "-j must be a whole number of at least 1"),
            (["-n", "-5", "--", "true", X], "-n"),
            (["--result", r"regex:loss=\S+", "--", "true", X], "has no group"),
            (["--result", "regex:(a)(b)", "--", "true", X], "has 2 groups for 1 objective"),
            (["-j", "2", "--result", "json:m.json#loss", "--", "true", X], "would write the same file"),
            (["--trial-timeout", "soon", "--", "true", X], "a time limit is"),
            (["--trial-timeout", "0", "--", "true", X], "a time limit is"),
            (["--memory", "much", "--", "true", X], "a size is"),
            (["--halt", "30%", "--", "true", X], "must be fail=P%"),
            (["--gpus", "0", "-j", "2", "--", "true", X], "raise --per-gpu"),
            (["--space", "space.toml", "--", "true", "{y: float(0, 1)}"], "y is declared twice"),
        ],
    )
    def test_nothing_is_written(self, runs: Runs, call: list[str], says: str) -> None:
        (runs.folder / "space.toml").write_text('[params]\ny = "float(0, 1)"\n')
        (runs.folder / "train.sh").write_text("#!/bin/sh\n")
        os.chmod(runs.folder / "train.sh", 0o755)
        before = snapshot(runs.folder)
        done = runs.call("run", *call)
        assert (done.returncode, done.stdout) == (2, "")
        assert says in done.stderr
        assert len(done.stderr.splitlines()) == 1
        assert snapshot(runs.folder) == before

    @pytest.mark.parametrize(
        ("call", "says"),
        [
            (
                ["--", "true", "{x: float(0, 2)}", "{opt}"],
                "x is float(0.0, 1.0) in study 'study', and float(0.0, 2.0) in the command",
            ),
            (["--", "true", X, "{opt}", "{z: a | b}"], "declares z, which study 'study' does not have"),
            (["--", "true", X], "study 'study' has opt, which the command does not name"),
            (["--seed", "9", "--", "true", "{args}"], "has 1 as its seed, not 9"),
            (["--maximize", "--", "true", "{args}"], "as its directions"),
            (["--", "true", "{lr}"], "{lr} is not a parameter of the study; there are {x}, {opt}"),
            ([], "has no command yet"),
        ],
    )
    def test_a_study_that_is_there_has_to_fit(self, runs: Runs, call: list[str], says: str) -> None:
        runs.call("create", "--param", "x: float(0, 1)", "--param", "opt: a | b", "--seed", "1")
        before = snapshot(runs.folder)
        done = runs.call("run", "-n", "1", *call)
        assert (done.returncode, done.stdout) == (2, "")
        assert says in done.stderr
        assert snapshot(runs.folder) == before

    def test_a_space_that_is_the_same_goes_on(self, runs: Runs) -> None:
        runs.call("create", "--param", "x: float(0, 1)", "--param", "opt: a | b", "--seed", "1")
        train = runs.trainer("print(1)")
        runs.ran("-n", "1", "--", *train, "{x: float(0.0, 1.0)}", "{opt: choice(a, b)}")
        runs.ran("-n", "2", "--", *train, "{x}")
        assert runs.outcomes() == [1.0, 1.0]

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to somebody else")
    def test_a_command_in_another_users_journal_does_not_run(self, runs: Runs) -> None:
        train = runs.trainer("print(1)")
        runs.ran("-n", "1", "--", *train, X)
        os.chown(runs.journal, 65534, 65534)
        done = runs.call("run", "-n", "2")
        assert (done.returncode, "is another user's" in done.stderr) == (2, True)
        runs.ran("-n", "2", "--", *train, X)

    def test_a_command_that_vanishes_stops_the_run_and_loses_no_trial(self, runs: Runs) -> None:
        program = runs.folder / "train"
        program.write_text("#!/bin/sh\nrm train\necho 1\n")
        program.chmod(0o755)
        done = runs.call("run", "-n", "5", "--", "./train", X)
        assert done.returncode == 7
        assert "cannot start ./train: No such file" in done.stderr
        assert runs.outcomes() == [1.0, "running"]

    def test_a_program_that_the_trial_names_fails_its_trial_only(self, runs: Runs) -> None:
        runs.ran("-n", "3", "--seed", "1", "--", "./no-such-{x: float(0, 1)}")
        assert runs.outcomes() == ["exit"] * 3

    def test_a_script_without_a_first_line_says_so(self, runs: Runs) -> None:
        (runs.folder / "train").write_text("echo 1\n")
        (runs.folder / "train").chmod(0o755)
        done = runs.call("run", "-n", "1", "--", "./train", X)
        assert (done.returncode, "a script needs a first line" in done.stderr) == (7, True)


class TestDryRun:
    def test_it_prints_what_would_run_and_records_nothing(self, runs: Runs) -> None:
        before = snapshot(runs.folder)
        done = runs.call("run", "--dry-run", "-n", "3", "--seed", "4", "--", "echo", "a b", X, "{opt: 'x y' | z}", "{dir}/$HOME")
        assert done.returncode == 0
        lines = done.stdout.splitlines()
        assert len(lines) == 3
        assert all(line.startswith("echo 'a b' 0.") and f"{runs.folder_of(n)}/$HOME'" in line for n, line in enumerate(lines))
        assert snapshot(runs.folder) == before

    def test_the_first_are_what_a_run_then_does(self, runs: Runs) -> None:
        train = runs.trainer("print(1)")
        call = ["-n", "4", "-j", "4", "--seed", "4", "--", *train, X]
        lines = runs.call("run", "--dry-run", *call).stdout.splitlines()
        runs.ran(*call)
        assert [line.split()[-1] for line in lines] == [repr(trial.params["x"]) for trial in runs.trials()]
        assert runs.call("run", "--dry-run").stdout == ""

    def test_it_shows_the_gpus(self, runs: Runs) -> None:
        done = runs.call("run", "--dry-run", "-n", "3", "--gpus", "0,1", "--", "echo", X)
        assert [line.split()[0] for line in done.stdout.splitlines()] == [f"CUDA_VISIBLE_DEVICES={n}" for n in "010"]


class TestExec:
    def test_it_runs_a_command_as_the_trial_ran(self, runs: Runs) -> None:
        body = "print(env['JT_SEED'], env['JT_x'], env['JT_DIR'], env['JT_TRIAL'], *sys.argv[1:]); print(number and -1)"
        runs.ran("-n", "2", "--", *runs.trainer(body), "--x", X)
        size = runs.journal.stat().st_size
        assert runs.call("exec", "0").stdout == runs.printed(0)
        assert runs.call("exec", "best").stdout == runs.printed(1)
        given = runs.call("exec", "1", "--", "sh", "-c", "echo $JT_x {x} $JT_ATTEMPT; exit 5")
        x = runs.trials()[1].params["x"]
        assert (given.returncode, given.stdout) == (5, f"{x} {x} 1\n")
        assert runs.journal.stat().st_size == size

    def test_a_result_that_it_writes_is_not_the_trials(self, runs: Runs) -> None:
        runs.ran("-n", "1", "--", *runs.trainer("open(env['JT_RESULT'], 'w').write('0.5')"), X)
        (runs.folder_of(0) / "result").write_text("kept")
        runs.call("exec", "0")
        assert (runs.folder_of(0) / "result").read_text() == "kept"

    @pytest.mark.parametrize(
        ("call", "code", "says"),
        [
            (["7"], 3, "has no trial 7"),
            (["worst"], 2, "a trial's number, or best"),
            (["0", "--", "no-such-program"], 2, "there is no program"),
            (["0", "--", "echo", "{y}"], 2, "{y} is not a parameter"),
            ([], 2, "NUMBER|best is missing"),
        ],
    )
    def test_what_can_not_be_is_refused(self, runs: Runs, call: list[str], code: int, says: str) -> None:
        runs.ran("-n", "1", "--", *runs.trainer("print(1)"), X)
        done = runs.call("exec", *call)
        assert (done.returncode, says in done.stderr) == (code, True), done.stderr


class TestParse:
    def parse(self, runs: Runs, text: str, *options: str) -> tuple[int, Any, str]:
        done = runs.call("parse", *options, input=text)
        return done.returncode, json.loads(done.stdout), done.stderr

    def test_it_says_what_run_would_make_of_an_output(self, runs: Runs) -> None:
        code, facts, said = self.parse(runs, '[journaltune] {"step": 1, "value": 2}\n0.5\n')
        assert (code, facts["state"], facts["values"], facts["found_in"], facts["reports"], said) == (
            (0, "complete", [0.5], "the last line of stdout", 1, "")
        )
        code, facts, said = self.parse(runs, "loss=0.5\nbye\n")
        assert (code, facts["reason"], r"regex:loss=(\S+)" in said) == (1, "result", True)
        assert self.parse(runs, "loss=0.5\nbye\n", "--result", r"regex:loss=(\S+)")[1]["values"] == [0.5]
        assert self.parse(runs, "1 2", "--objectives", "2")[1]["values"] == [1.0, 2.0]
        assert self.parse(runs, "nan")[:2][0] == 0

    def test_a_studys_own_source_and_objectives_count(self, runs: Runs) -> None:
        runs.ran("-n", "1", "--result", r"regex:loss=(\S+)", "--", *runs.trainer("print('loss=1')"), X)
        assert self.parse(runs, "loss=0.5\nbye\n")[1]["values"] == [0.5]


# The program, on a disk that is full as soon as trial 2 has ended: for some tries, or for ever.
FULL = """
import sys
from journaltune.base.errors import MachineError
from journaltune.engine import own_trials
from journaltune.run import recorder
recorder._AGAIN_S, recorder._LONGEST_S = 0.1, 1.0
settle, left = own_trials.settle, [int(sys.argv.pop(1))]
def settle_or_fail(study, result, owner):
    left[0] -= result.number == 2
    if result.number == 2 and left[0] >= 0:
        raise MachineError("cannot write: the disk is full")
    return settle(study, result, owner)
own_trials.settle = settle_or_fail
from journaltune.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def full(runs: Runs) -> Callable[[int, str], subprocess.CompletedProcess[str]]:
    def run_full(tries: int, body: str) -> subprocess.CompletedProcess[str]:
        command = runs.command
        runs.command = lambda *arguments: [sys.executable, "-c", FULL, str(tries), *arguments]  # type: ignore[method-assign]
        done = runs.call("run", "-n", "9", "-j", "2", "--", *runs.trainer(body), X)
        runs.command = command  # type: ignore[method-assign]
        return done

    return run_full


Full = Callable[[int, str], subprocess.CompletedProcess[str]]


def test_a_result_that_can_not_be_recorded_now_is_recorded_later(runs: Runs, full: Full) -> None:
    done = full(4, "print(number)")
    assert done.returncode == 0, done.stderr
    said = [line.removeprefix("journaltune: ") for line in done.stderr.splitlines() if line.startswith("journaltune: ")]
    assert said == [
        "cannot write: the disk is full; this is tried again for a minute, and nothing new starts meanwhile",
        "results are recorded again",
    ]
    assert runs.outcomes() == [float(number) for number in range(9)]


def test_one_that_never_can_is_shown_with_the_command_that_records_it(runs: Runs, full: Full) -> None:
    done = full(10**6, "print(0.625)")
    assert done.returncode == 7
    assert done.stderr.endswith("journaltune: cannot write: the disk is full\n")
    lines = [line for line in done.stderr.splitlines() if "which is not recorded" in line]
    assert "trial 2 came to 0.625" in lines[0]
    assert len(runs.trials()) <= 4
    for line in lines:
        assert runs.call(*line.split("`")[1].split()[1:]).returncode == 0
    runs.ran("-n", "9")
    assert runs.outcomes() == [0.625] * 9
