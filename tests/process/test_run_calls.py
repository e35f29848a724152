"""What `journaltune run` refuses, what it would do, and the commands beside it: exec, parse, logs."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from running import Runs, X

from journaltune.cli import main
from journaltune.run import pair
from journaltune.suggest import samplers

Refused = Callable[..., str]


@pytest.fixture
def refused(runs: Runs, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Refused:
    """The message of a call of `run` that exits 2 before anything starts, and changes no file; in this process."""
    monkeypatch.chdir(runs.folder)
    monkeypatch.setattr(pair, "in_pair", lambda work, say: work(None))  # nothing that is refused needs the other one
    monkeypatch.setattr(samplers, "rust_without_its_package", lambda: None)

    def call(*arguments: str) -> str:
        before = snapshot(runs.folder)
        capsys.readouterr()
        code = main(["run", *arguments])
        printed = capsys.readouterr()
        assert (code, printed.out) == (2, ""), printed.err
        assert len(printed.err.splitlines()) == 1
        assert snapshot(runs.folder) == before
        return printed.err

    return call


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
            (["--memory", "much", "--", "true", X], "--memory must be a number of bytes or a size"),
            (["--memory-free", "0", "--", "true", X], "--memory-free must be a number of bytes or a size"),
            (["--timeout", "0s", "--", "true", X], "--timeout must be more than 0"),
            (["--retries", "-1", "--", "true", X], "--retries must be a whole number of at least 0"),
            (["--result", "loss", "--", "true", X], "write regex:PATTERN with a group"),
            (["--result", "regex:(", "--", "true", X], "not a regular expression"),
            (["--halt", "fail=0%", "--", "true", X], "must be fail=P% with P above 0"),
            (["--sampler", "best", "--", "true", X], "best"),
            (["--seed", "-1", "--", "true", X], "--seed must be a whole number of at least 0"),
            (["--space", "none.toml", "--", "true", X], "none.toml: can't be read"),
            (["--halt", "30%", "--", "true", X], "must be fail=P%"),
            (["--gpus", "0", "-j", "2", "--", "true", X], "raise --per-gpu"),
            (["--space", "space.toml", "--", "true", "{y: float(0, 1)}"], "y is declared twice"),
        ],
    )
    def test_nothing_is_written(self, runs: Runs, refused: Refused, call: list[str], says: str) -> None:
        (runs.folder / "space.toml").write_text('[params]\ny = "float(0, 1)"\n')
        (runs.folder / "train.sh").write_text("#!/bin/sh\n")
        os.chmod(runs.folder / "train.sh", 0o755)
        assert says in refused(*call)

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
    def test_a_study_that_is_there_has_to_fit(self, refused: Refused, call: list[str], says: str) -> None:
        main(["create", "--param", "x: float(0, 1)", "--param", "opt: a | b", "--seed", "1"])
        assert says in refused("-n", "1", *call)

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
