"""Kills and full disks within a write: what was acknowledged is there once, what was not is there whole or not at all."""

from __future__ import annotations

import math
import os
import resource
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from torture.agreement import disagreements
from torture.checker.evidence import Evidence
from torture.children import Child, say

from journaltune import create_study, load_study
from journaltune.api.study import Study
from journaltune.base.errors import MachineError
from journaltune.base.model import Trial
from journaltune.journal import file as files

X = {"x": "float(0, 1)"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "study.journal"


def make(path: Path, **options: Any) -> Study:
    return create_study(path, **{"study_name": "study", "params": X, "seed": 1, "lock_timeout_s": 30, **options})


def survived(path: Path) -> list[Trial]:
    """The full check: all readers agree, no number is missing, no record is where it can't be, no trial is finished twice."""
    assert disagreements(path) == []
    evidence = Evidence(path.read_bytes())
    assert evidence.faults == []
    assert all(len(trial.finishes) <= 1 for trial in evidence.named("study")[-1].trials)
    trials = load_study(path).trials
    assert [trial.number for trial in trials] == list(range(len(trials)))
    return trials


WRITES = {
    "ask": lambda study: study.ask(),
    "tell": lambda study: study.tell(0, 0.5, attrs={"a": 1, "b": "x" * 50}, constraints={"c": 1.0}),
    "enqueue": lambda study: study.enqueue({"x": 0.5}, attrs={"a": 1}),
    "claim": lambda study: study.ask(),
    "create --exist-ok": lambda study: make(Path(study._study.path), params={"x": "float(0, 1)", "y": "a | b"}, exist_ok=True),
}


def prepared(path: Path, name: str) -> Study:
    study = make(path)
    study.ask()
    if name == "claim":
        study.enqueue({})
    return study


SHARES = {
    "before the write": 0.0,
    "after a byte": 0.001,
    "after half": 0.5,
    "after all but the newline": 0.9999,
    "after the write": 1.0,
}


def killed_after(share: float, patch: pytest.MonkeyPatch) -> None:
    """Let the next append of this process write only that share of its bytes, and then kill it."""

    def append(fd: int, data: bytes, _: str) -> None:
        os.write(fd, data[: math.ceil(share * (len(data) - 1)) + (share == 1)])
        os.kill(os.getpid(), signal.SIGKILL)

    patch.setattr(files, "append", append)


def told(trials: list[Trial]) -> list[tuple[Any, ...]]:
    return [(trial.number, trial.state, trial.values) for trial in trials]


@pytest.mark.parametrize("name", WRITES)
@pytest.mark.parametrize("step", SHARES)
def test_a_kill_at_every_step_of_a_write(path: Path, monkeypatch: pytest.MonkeyPatch, name: str, step: str) -> None:
    """Only old or new is accepted, and the same call again succeeds."""
    prepared(path, name).close()
    before = survived(path)

    def body() -> None:
        study = load_study(path)
        killed_after(SHARES[step], monkeypatch)
        WRITES[name](study)

    assert Child(body).end().status == -signal.SIGKILL
    study = load_study(path)
    n_params = len(study._study.config["space"]["params"])
    if step == "after the write":
        assert n_params == 2 if name == "create --exist-ok" else told(study.trials) != told(before)
    else:
        assert n_params == 1
        # A tell's attributes and a claim's parameters are records of their own, before the one that counts.
        assert told(study.trials) == told(before) if name in ("tell", "claim") else study.trials == before
    WRITES[name](study)
    after = survived(path)
    if name == "tell":
        assert (after[0].values, after[0].user_attrs["a"], after[0].constraints) == ([0.5], 1, {"c": 1.0})
    if name == "claim":
        assert list(after[1].params) == ["x"]


def test_what_was_cut_off_is_kept_aside(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(path).close()
    size = path.stat().st_size

    def body() -> None:
        study = load_study(path)
        killed_after(0.5, monkeypatch)
        study.ask()

    assert Child(body).end().status == -signal.SIGKILL
    torn = path.read_bytes()[size:]
    assert torn
    load_study(path).ask()
    (kept,) = Path(f"{path}.d/quarantine").iterdir()
    assert kept.read_bytes() == torn
    assert path.read_bytes()[size : size + len(torn)] == b" " * len(torn)
    assert len(survived(path)) == 1


def test_a_kill_while_the_snapshot_is_written(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = make(path)
    for number in range(5):
        study.tell(study.ask(), float(number))
    study._study.journal.save_snapshot()
    for broken in ("journaltune.journal.system.fsync", "journaltune.journal.system.rename"):

        def body(broken: str = broken) -> None:
            opened = load_study(path)
            opened.ask()
            monkeypatch.setattr(broken, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
            opened._study.journal.save_snapshot()

        assert Child(body).end().status == -signal.SIGKILL
        survived(path)
    assert len(load_study(path).trials) == 7


class TestFileSizeLimit:
    """RLIMIT_FSIZE stands in for a full disk: a write stops at any byte, and the next one is refused."""

    @pytest.mark.parametrize("name", WRITES)
    def test_at_every_third_byte_of_a_write_and_around_line_ends(self, path: Path, tmp_path: Path, name: str) -> None:
        whole = tmp_path / "whole.journal"
        prepared(whole, name).close()
        size = whole.stat().st_size
        shutil.copyfile(whole, path)
        WRITES[name](load_study(path))
        written = path.read_bytes()[size:]
        ends = [place + 1 for place, byte in enumerate(written) if byte == ord("\n")]
        around = {count for end in (0, *ends) for count in range(end - 4, end + 4) if 0 <= count < len(written)}
        counts = sorted({*range(0, len(written), 3), *around})

        before, pristine = load_study(whole).trials, whole.read_bytes()

        def body() -> None:
            for count in counts:
                study = limited(whole, path, size + count)
                try:
                    WRITES[name](study)
                except MachineError as error:
                    say(count, error.exit_code, str(error))
                limit(resource.RLIM_INFINITY)
                left, journal = study.trials, path.read_bytes()
                clean = journal[:size] == pristine and not journal[size:].strip(b" ")
                WRITES[name](study)
                say(clean, left == before, len(load_study(path).trials))

        worker = Child(body)
        assert worker.end().status == 0
        n_trials = len(load_study(path).trials)
        for count, refused, after in zip(counts, worker.heard[::2], worker.heard[1::2], strict=True):
            assert refused[:2] == [count, 7]
            assert "ulimit" in refused[2] or "full" in refused[2]
            assert after == [True, True, n_trials]
        survived(path)

    def test_of_a_file_that_create_makes(self, path: Path) -> None:
        make(path).close()
        length = path.stat().st_size
        path.unlink()

        def body() -> None:
            for count in (0, 1, length // 2, length - 1):
                limit(count)
                try:
                    make(path)
                except MachineError as error:
                    say(error.exit_code, path.exists() and bool(path.read_bytes().strip()))
                limit(resource.RLIM_INFINITY)
                say(make(path).ask().number)
                path.unlink()

        worker = Child(body)
        assert worker.end().status == 0
        assert worker.heard == [[7, False], [0]] * 4

    def test_of_the_snapshot_is_no_error(
        self,
        path: Path,
    ) -> None:
        study = make(path)
        for number in range(3):
            study.tell(study.ask(), float(number), attrs={"filler": "x" * 40_000})

        def body() -> None:
            opened = load_study(path)
            limit(1000)
            opened.close()
            limit(resource.RLIM_INFINITY)
            say(opened.best_value, sorted(os.listdir(f"{path}.d")) if os.path.exists(f"{path}.d") else [])

        worker = Child(body)
        assert worker.end().status == 0
        assert worker.heard == [[0.0, []]]
        survived(path)


def limit(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def limited(whole: Path, path: Path, size: int) -> Study:
    shutil.copyfile(whole, path)
    study = load_study(path)
    limit(size)
    return study
