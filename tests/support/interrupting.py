"""Ctrl-C, or a signal handler that uses the study, at a line of a call: whether the study object goes on as a new one would."""

from __future__ import annotations

import gc
import linecache
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any

import journaltune
from journaltune import create_study, load_study
from journaltune.base.errors import UsageError
from journaltune.base.model import TrialState
from journaltune.journal import lock
from journaltune.journal.upkeep.check import check

if TYPE_CHECKING:
    import pytest

    from journaltune.api.study import Study

PACKAGE = str(Path(str(journaltune.__file__)).parent)
# Functions of their arguments, which keep nothing.
PURE = tuple(f"{PACKAGE}/{room}/" for room in ("base", "space"))
Step = tuple[CodeType, int]

CALLS: dict[str, Callable[[Study], object]] = {
    "ask": lambda study: study.ask(),
    "claim": lambda study: study.ask(),
    "tell": lambda study: _tell(study),
    "enqueue": lambda study: study.enqueue({"x": 0.3}, skip_if_exists=True),
    "trials": lambda study: study.trials,
    "best": lambda study: study.best_trials,
    "close": lambda study: study.close(),
}


def _tell(study: Study) -> object:
    return study.tell(3, 5.0, attrs={"a": 1}, constraints={"c": 1.0})


def no_line_depends_on_the_time(patched: pytest.MonkeyPatch) -> None:
    """There is a look before each lock, however long ago the last one was, and each record is of another second."""
    patched.setattr("journaltune.journal.journal._FRESH_S", -1.0)
    patched.setattr("journaltune.journal.records.time_ns", count(1_767_225_600_000_000_000, 1_000_000_000).__next__)


@dataclass(frozen=True, slots=True)
class Moment:
    """A line of a call, at the last time that it is executed. The call begins with a journal's ``head`` read and ``tail`` not."""

    name: str
    head: bytes
    tail: bytes
    step: Step
    times: int

    def __str__(self) -> str:
        code, line = self.step
        return f"{self.name} at {Path(code.co_filename).relative_to(PACKAGE)}:{line}"

    def interrupted(self, path: Path) -> None:
        """AssertionError where Ctrl-C at this line leaves a study that does not go on."""
        study = _opened(self.head, self.tail, path)
        try:
            self._reach(_interrupt, study)
            raise AssertionError(f"{self}: not interrupted")
        except KeyboardInterrupt:
            gc.enable()  # it may have been off for a moment
        self._goes_on(study, path)

    def handled(self, path: Path) -> bool:
        """Whether a signal handler at this line may tell. AssertionError where it harms the call that it came into."""
        study, answers = _opened(self.head, self.tail, path), list[bool]()

        def handler() -> None:
            try:
                _tell(study)
                answers.append(True)
            except UsageError:
                answers.append(False)

        self._reach(handler, study)
        assert len(answers) == 1, f"{self}: {answers}"
        assert check(path).findings == [], self
        assert [trial.values for trial in study.trials if trial.number == 3] in ([[5.0]], [None]), self
        self._goes_on(study, path)
        return answers[0]

    def _reach(self, handler: Callable[[], None], study: Study) -> None:
        Handler(self.step, self.times, handler).run(lambda: CALLS[self.name](study))

    def _goes_on(self, study: Study, path: Path) -> None:
        fd = os.open(path, os.O_RDWR)
        try:
            lock.try_exclusive(fd)
            assert lock.try_asks(fd, 0), self
        finally:
            os.close(fd)
        asked = study.ask()
        found, written = study.trials, load_study(path).trials
        assert found == written, self
        assert written[asked.number].params == asked.params, self
        assert all(trial.params for trial in written if trial.state is TrialState.RUNNING), self
        study.close()


def moments(folder: Path) -> Iterator[Moment]:
    """Every line of the package that the calls execute, once; those of functions that keep nothing are left out."""
    seen = set[Step]()
    for name, call in CALLS.items():
        head, tail = _prepared(folder / f"{name}.journal", name)
        for _ in range(2):  # the first time, modules are imported
            whole, study = _Tracer(), _opened(head, tail, folder / "whole.journal")
            whole.run(lambda: call(study))  # noqa: B023
        for step in _worth_interrupting(whole.steps, seen):
            yield Moment(name, head, tail, step, whole.steps.count(step))
        seen.update(whole.steps)


def _worth_interrupting(steps: list[Step], seen: set[Step]) -> list[Step]:
    """Each line in the order of its last time. Signals are not handled where `with` and `try` lines are traced (bpo-29988)."""
    lines = {step: linecache.getline(step[0].co_filename, step[1]).strip() for step in steps}
    last = {step: index for index, step in enumerate(steps)}
    return [
        step for step in sorted(last, key=last.__getitem__) if step not in seen and not lines[step].startswith(("with ", "try:"))
    ]


def _prepared(path: Path, name: str) -> tuple[bytes, bytes]:
    """A journal: what a study object has read, and what another process told after that."""
    options: dict[str, Any] = {"sampler": "tpe", "sampler_options": {"n_startup_trials": 2}}
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


def _opened(head: bytes, tail: bytes, path: Path) -> Study:
    """A study object that has work before it: another process wrote something since."""
    path.write_bytes(head)
    study = load_study(path, lock_timeout_s=0.2)
    with path.open("ab") as journal:
        journal.write(tail)
    return study


def _interrupt() -> None:
    raise KeyboardInterrupt


class _Tracer:
    """Runs a call and notes every line of the package that it executes."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def __call__(self, frame: FrameType, event: str, argument: object) -> Any:
        name = frame.f_code.co_filename
        if not name.startswith(PACKAGE) or name.startswith(PURE):
            return None
        above: FrameType | None = frame
        while above is not None and above.f_code.co_name not in ("__del__", "run"):
            above = above.f_back
        return self._line if above is None or above.f_code.co_name == "run" else None

    def _line(self, frame: FrameType, event: str, argument: object) -> Any:
        if event == "line":
            self.steps.append((frame.f_code, frame.f_lineno))
        return self._line

    def run(self, call: Callable[[], object]) -> None:
        before = sys.gettrace()
        sys.settrace(self)
        try:
            call()
        finally:
            sys.settrace(before)


class Handler(_Tracer):
    """Runs a call, and something else when it is at a line for the nth time. It traces no other function: that takes long."""

    def __init__(self, step: Step, times: int, handler: Callable[[], None]) -> None:
        super().__init__()
        self._code, self._line_number = step
        self._left, self._handler = times, handler

    def __call__(self, frame: FrameType, event: str, argument: object) -> Any:
        return super().__call__(frame, event, argument) if frame.f_code is self._code else None

    def _line(self, frame: FrameType, event: str, argument: object) -> Any:
        if event == "line" and frame.f_lineno == self._line_number:
            self._left -= 1
            if self._left == 0:
                sys.settrace(None)
                self._handler()
        return self._line
