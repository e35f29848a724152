"""The coordinator: it alone asks and tells, whoever runs the objective."""

from __future__ import annotations

from journaltune.base.errors import (
    JournalDamagedError,
    JournaltuneError,
    LockTimeoutError,
    MachineError,
)
from journaltune.engine.tell import tell
from journaltune.run.outcome import Outcome, failure
from journaltune.study.trials import finished, is_running, running_with

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    from journaltune.run.limits import Limits, Search
    from journaltune.run.progress import Progress
    from journaltune.run.trial import AskedTrial

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


class Loop:
    """One search, from the first ask to the last tell."""

    __slots__ = ("_callbacks", "_error", "_limits", "_progress", "_runner", "_running", "_search", "_wants_progress")

    def __init__(
        self,
        search: Search,
        runner: Runner,
        limits: Limits,
        callbacks: list[Callable[[Any, Any], object]],
        *,
        progress: bool = False,
    ) -> None:
        self._search, self._runner, self._limits, self._callbacks = search, runner, limits, callbacks
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
            from journaltune.run.progress import Progress

            self._progress = Progress(self._search.study, self._limits)

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
        return not self._search.stop_asked and self._error is None and self._limits.may_start()

    def _fill(self) -> None:
        while self._has_room():
            trial = self._limits.ask(self._search, busy=bool(self._running))
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
        study = self._search.study
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
        tell(
            self._search.study,
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
                callback(self._search.face, finished(self._search.study, number))
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
            for number in {*self._running, *running_with(self._search.study, self._limits.mark)}:
                self._tell_interrupted(number, "the search was ended")

    def _tell_interrupted(self, number: int, why: str) -> None:
        self._running.pop(number, None)
        outcome = failure("interrupted", why)
        try:
            if is_running(self._search.study, number):
                tell(self._search.study, number, state=outcome.state, reason=outcome.reason, attrs=outcome.attrs)
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
