"""Ctrl-C at any line of a call: no lock stays, nothing is half done, and the study object goes on as a new process would."""

from __future__ import annotations

import gc
import linecache
import os
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

import journaltune
from journaltune import create_study, load_study
from journaltune.api.study import Study
from journaltune.base.errors import UsageError
from journaltune.base.model import TrialState
from journaltune.journal import lock
from journaltune.journal.upkeep.check import check

PACKAGE = str(Path(str(journaltune.__file__)).parent)
# Functions of their arguments, which keep nothing.
PURE = tuple(f"{PACKAGE}/{room}/" for room in ("base", "space"))
Step = tuple[CodeType, int]

CALLS: dict[str, Callable[[Study], object]] = {
    "ask": lambda study: study.ask(),
    "claim": lambda study: study.ask(),
    "tell": lambda study: study.tell(3, 5.0, attrs={"a": 1}, constraints={"c": 1.0}),
    "enqueue": lambda study: study.enqueue({"x": 0.3}, skip_if_exists=True),
    "trials": lambda study: study.trials,
    "best": lambda study: study.best_trials,
    "close": lambda study: study.close(),
}


@pytest.fixture(autouse=True)
def no_line_that_depends_on_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is a look before each lock, however long ago the last one was, and each record is of another second."""
    monkeypatch.setattr("journaltune.journal.journal._FRESH_S", -1.0)
    monkeypatch.setattr("journaltune.journal.records.time_ns", count(1_767_225_600_000_000_000, 1_000_000_000).__next__)


def interrupt() -> None:
    raise KeyboardInterrupt


class Tracer:
    """Runs a call and notes every line of the package that it executes; at the nth one it does what a signal handler does."""

    def __init__(self, nth: int = -1, handler: Callable[[], None] = interrupt) -> None:
        self.steps: list[Step] = []
        self._nth, self._handler = nth, handler

    def __call__(self, frame: FrameType, event: str, argument: object) -> Any:
        name = frame.f_code.co_filename
        if not name.startswith(PACKAGE) or name.startswith(PURE) or frame.f_code.co_name == "__del__":
            return None
        above = frame.f_back
        while above is not None and above.f_code.co_name not in ("__del__", "run"):
            above = above.f_back
        return self._line if above is None or above.f_code.co_name == "run" else None

    def _line(self, frame: FrameType, event: str, argument: object) -> Any:
        if event == "line":
            if len(self.steps) == self._nth:
                sys.settrace(None)
                self._handler()
            self.steps.append((frame.f_code, frame.f_lineno))
        return self._line

    def run(self, call: Callable[[], object]) -> None:
        before = sys.gettrace()
        sys.settrace(self)
        try:
            call()
        finally:
            sys.settrace(before)


def prepared(path: Path, name: str) -> tuple[bytes, bytes]:
    """A journal: what a study object has read, and what another process told after that."""
    options = {"sampler": "tpe", "sampler_options": {"n_startup_trials": 2}}
    with create_study(path, study_name="study", params={"x": "float(0, 1)", "y": "a | b"}, seed=1, **options) as study:
        for _ in range(3):
            study.tell(study.ask(), 1.0)
        study.ask()
        head = path.read_bytes()
        study.tell(study.ask(), 2.0)
        study.tell(study.ask(), state="fail", reason="oom")
        if name == "claim":
            study.enqueue({"x": 0.5})
    return head, path.read_bytes()[len(head) :]


def opened(head: bytes, tail: bytes, path: Path) -> Study:
    """A study object that has work before it: another process wrote something since."""
    path.write_bytes(head)
    study = load_study(path, lock_timeout_s=0.2)
    with path.open("ab") as journal:
        journal.write(tail)
    return study


def worth_interrupting(steps: list[Step], seen: set[Step]) -> list[int]:
    """The last time that each line is executed. Signals are not handled where `with` and `try` lines are traced (bpo-29988)."""
    chosen = {step: index for index, step in enumerate(steps)}
    lines = {step: linecache.getline(step[0].co_filename, step[1]).strip() for step in chosen}
    return sorted(index for step, index in chosen.items() if step not in seen and not lines[step].startswith(("with ", "try:")))


def test_an_interrupt_at_every_line(tmp_path: Path) -> None:
    path, seen = tmp_path / "study.journal", set[Step]()
    for name, call in CALLS.items():
        parts = prepared(tmp_path / f"{name}.journal", name)
        for _ in range(2):  # the first time, modules are imported
            whole, study = Tracer(), opened(*parts, path)
            whole.run(lambda: call(study))  # noqa: B023
        for nth in worth_interrupting(whole.steps, seen):
            study = opened(*parts, path)
            with pytest.raises(KeyboardInterrupt):
                Tracer(nth).run(lambda: call(study))  # noqa: B023
            gc.enable()  # it may have been off for a moment
            code, line = whole.steps[nth]
            goes_on(path, study, f"{name} interrupted at {code.co_filename}:{line}")
        seen.update(whole.steps)
    assert len(seen) > 300


def test_a_signal_handler_that_uses_the_study_at_every_line(tmp_path: Path) -> None:
    """It is refused in the middle of a call, and between two calls it is one more; neither harms the call that it came into."""
    path, seen, answers = tmp_path / "study.journal", set[Step](), list[bool]()
    for name, call in CALLS.items():
        parts = prepared(tmp_path / f"{name}.journal", name)
        for _ in range(2):
            whole, study = Tracer(), opened(*parts, path)
            whole.run(lambda: call(study))  # noqa: B023
        for nth in worth_interrupting(whole.steps, seen):
            study = opened(*parts, path)

            def handler() -> None:
                try:
                    study.tell(3, 5.0, attrs={"a": 1}, constraints={"c": 1.0})  # noqa: B023
                    answers.append(True)
                except UsageError:
                    answers.append(False)

            Tracer(nth, handler).run(lambda: call(study))  # noqa: B023
            code, line = whole.steps[nth]
            where = f"{name} with a handler at {code.co_filename}:{line}"
            assert check(path).findings == [], where
            assert [trial.values for trial in study.trials if trial.number == 3] in ([[5.0]], [None]), where
            goes_on(path, study, where)
        seen.update(whole.steps)
    assert 0 < answers.count(True) < answers.count(False)


def goes_on(path: Path, study: Study, where: str) -> None:
    fd = os.open(path, os.O_RDWR)
    try:
        lock.try_exclusive(fd)
        assert lock.try_asks(fd, 0), where
    finally:
        os.close(fd)
    asked = study.ask()
    found, written = study.trials, load_study(path).trials
    assert found == written, where
    assert written[asked.number].params == asked.params, where
    assert all(trial.params for trial in written if trial.state is TrialState.RUNNING), where
    study.close()
