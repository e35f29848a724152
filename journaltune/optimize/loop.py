"""The coordinator: it alone asks and tells, whoever runs the objective."""

from __future__ import annotations

import os
from time import monotonic

from journaltune import checks
from journaltune.engine import DAY_S, running_with
from journaltune.errors import (
    ExhaustedError,
    JournalDamagedError,
    JournaltuneError,
    LockTimeoutError,
    MachineError,
    WaitTimeoutError,
)
from journaltune.outcomes import Outcome, failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    from journaltune.optimize.progress import Progress
    from journaltune.study import Study
    from journaltune.trial import AskedTrial

    class Runner(Protocol):
        """Runs objectives; ``size`` at once."""

        size: int

        def start(self, trial: AskedTrial) -> None: ...

        def wait(self, timeout_s: float | None) -> list[tuple[int, Outcome]]:
            """What finished, by number: at least one, unless the time is up."""
            ...

        def kill(self) -> None:
            """End what runs, without waiting for its results."""
            ...

        def close(self) -> None: ...


# Where the next trial waits for the result of another process' one, nothing of ours wakes us.
_LOOK_AGAIN_S = 0.25


class Stop:
    """Whether a search was asked to stop. ``thread`` runs it; a search in a search is refused."""

    __slots__ = ("asked", "thread")

    def __init__(self, thread: int) -> None:
        self.asked, self.thread = False, thread


class Limits:
    """How far a search goes. ``n_trials``: so many more; ``total_trials``: until the study has so many; ``timeout_s``: no new
    ones after that."""

    __slots__ = ("_deadline", "exhausted", "mark", "n_trials", "started", "timeout_s", "total_trials")

    def __init__(self, n_trials: int | None, total_trials: int | None, timeout_s: float | None) -> None:
        self.n_trials = _count(n_trials, "n_trials")
        self.total_trials = _count(total_trials, "total_trials")
        self.timeout_s = None if timeout_s is None else checks.number(timeout_s, "timeout")
        self._deadline = None if self.timeout_s is None else monotonic() + self.timeout_s
        self.started, self.exhausted = 0, False
        self.mark = os.urandom(8).hex()  # of its trials: Ctrl-C may come when one is in the journal, and nobody has it yet

    def left_s(self) -> float | None:
        return None if self._deadline is None else self._deadline - monotonic()

    def may_start(self) -> bool:
        left_s = self.left_s()
        in_time = left_s is None or left_s > 0
        return in_time and not self.exhausted and (self.n_trials is None or self.started < self.n_trials)

    def ask(self, study: Study, *, busy: bool = False) -> AskedTrial | None:
        """The next trial; None when there is none: ever, or (with ``busy``) before a running one has finished."""
        left_s = self.left_s()
        wait_s = 0.0 if busy else DAY_S if left_s is None else max(left_s, 0.0)
        try:
            trial = study._ask(owner_pid=os.getpid(), max_trials=self.total_trials, wait_s=wait_s, mark=self.mark)
        except ExhaustedError:
            self.exhausted = True
            return None
        except WaitTimeoutError:
            if not busy and self.may_start():
                raise
            return None
        self.started += 1
        return trial


def _count(number: int | None, what: str) -> int | None:
    return None if number is None else checks.at_least(0, number, what, "None: no limit")


class Loop:
    """One search, from the first ask to the last tell."""

    __slots__ = ("_callbacks", "_error", "_limits", "_progress", "_runner", "_running", "_stop", "_study", "_wants_progress")

    def __init__(
        self,
        study: Study,
        runner: Runner,
        stop: Stop,
        limits: Limits,
        callbacks: list[Callable[[Any, Any], object]],
        *,
        progress: bool = False,
    ) -> None:
        self._study, self._runner, self._stop, self._limits, self._callbacks = study, runner, stop, limits, callbacks
        self._wants_progress = progress
        self._progress: Progress | None = None
        self._running: dict[int, AskedTrial] = {}
        self._error: BaseException | None = None

    def run(self) -> None:
        """Until nothing runs and nothing may start. What ended it early is raised after the running trials have finished;
        Ctrl-C ends them."""
        try:
            self._open_progress()
            self._rounds()
        except BaseException:
            self._abandon()
            raise
        finally:
            self._runner.close()
            if self._progress is not None:
                self._progress.close()
        error, self._error = self._error, None
        try:
            if error is not None:
                raise error
        finally:
            del error  # this frame is in its traceback, and would keep it alive

    def _open_progress(self) -> None:
        if self._wants_progress:
            from journaltune.optimize.progress import Progress

            self._progress = Progress(self._study, self._limits)

    def _rounds(self) -> None:
        while True:
            try:
                self._fill()
            except Exception as error:  # the journal's or the machine's: what runs may still finish
                self._end_with(error)
            if not self._running:
                return
            self._settle_all(self._runner.wait(_LOOK_AGAIN_S if self._has_room() else None))

    def _settle_all(self, outcomes: list[tuple[int, Outcome]]) -> None:
        """Apart: the callers of an objective are in its exception's traceback, and what they name would be kept by a cycle."""
        for number, outcome in outcomes:
            if number in self._running:
                self._settle(number, outcome)

    def _has_room(self) -> bool:
        return self._may_start() and len(self._running) < self._runner.size

    def _may_start(self) -> bool:
        return not self._stop.asked and self._error is None and self._limits.may_start()

    def _fill(self) -> None:
        while self._has_room():
            trial = self._limits.ask(self._study, busy=bool(self._running))
            if trial is None:
                return
            self._running[trial.number] = trial
            try:
                self._runner.start(trial)
            except Exception as error:
                self._tell_interrupted(trial.number, f"it could not be started: {error}")
                raise

    def _settle(self, number: int, outcome: Outcome) -> None:
        try:
            self._tell(number, outcome)
        except Exception as error:
            self._running.pop(number)
            if outcome.error is not None:
                outcome.error.add_note(f"trial {number} could not be recorded as failed: {error}")
            self._end_with(outcome.error or self._with_result(error, number, outcome))
            return
        self._running.pop(number)
        if outcome.error is not None:
            self._end_with(outcome.error)
        else:
            self._call_back(number)

    def _with_result(self, error: Exception, number: int, outcome: Outcome) -> Exception:
        """The same error of a tell, and in it the result: it stands nowhere else now."""
        if not isinstance(error, MachineError | LockTimeoutError | JournalDamagedError):
            return error
        study = self._study._study
        text = _untold(study.path, study.name, number, outcome)
        if self._error is not None:  # only the first one is raised
            _warn(f"{text}: {error}")
        if isinstance(error, JournalDamagedError):
            error.add_note(text)
            return error
        told = type(error)(f"{text}: {error}", *error.args[1:])
        told.__cause__ = error
        return told

    def _tell(self, number: int, outcome: Outcome) -> None:
        self._study.tell(
            number,
            outcome.values,
            state=outcome.state,
            reason=outcome.reason,
            constraints=outcome.constraints,
            attrs=outcome.attrs,
        )
        if outcome.state == "fail" and outcome.error is None:
            _warn(f"trial {number} failed ({outcome.reason}): {outcome.message}")

    def _call_back(self, number: int) -> None:
        if self._progress is not None:
            self._progress.update()
        try:
            for callback in self._callbacks:
                callback(self._study, self._study._finished(number))
        except Exception as error:
            self._end_with(error)

    def _end_with(self, error: BaseException) -> None:
        """The first error counts; Ctrl-C and its like don't wait for what runs."""
        if self._error is None or not isinstance(error, Exception):
            self._error = error
        if not isinstance(error, Exception):
            self._abandon()

    def _abandon(self) -> None:
        try:
            self._runner.kill()
        finally:
            for number in {*self._running, *running_with(self._study._study, self._limits.mark)}:
                self._tell_interrupted(number, "the search was ended")

    def _tell_interrupted(self, number: int, why: str) -> None:
        self._running.pop(number, None)
        outcome = failure("interrupted", why)
        try:
            if self._study._is_running(number):
                self._study.tell(number, state=outcome.state, reason=outcome.reason, attrs=outcome.attrs)
        except JournaltuneError as error:
            _warn(f"trial {number} could not be recorded as interrupted: {error}")


def _untold(path: str, name: str, number: int, outcome: Outcome) -> str:
    """What came of a trial that could not be told, and how to tell it."""
    from shlex import join

    values = list(map(repr, outcome.values or ()))
    words = values or ["--state", outcome.state, *(["--reason", outcome.reason] if outcome.reason else [])]
    came = ", ".join(values) or " ".join(filter(None, (outcome.state, outcome.reason)))
    command = join(["journaltune", "tell", "-f", path, "--study", name, str(number), *words])
    return f"trial {number} came to {came}, which is not recorded; `{command}` records it"


def _warn(message: str) -> None:
    from logging import getLogger

    getLogger("journaltune").warning("%s", message)
