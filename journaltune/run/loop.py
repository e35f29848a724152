"""The coordinator of a search. It alone asks and tells; a runner calls the objective."""

from __future__ import annotations

from journaltune.base.errors import JournalDamagedError, JournaltuneError, LockTimeoutError, MachineError
from journaltune.engine.reap import release
from journaltune.engine.tell import tell
from journaltune.run.outcome import Outcome
from journaltune.run.progress import log_finished
from journaltune.study.trials import finished, is_running, running_with

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    from journaltune.run.limits import Limits, Search
    from journaltune.run.progress import Progress
    from journaltune.run.trial import AskedTrial

    class Runner(Protocol):
        """Calls the objective for ``size`` trials at once."""

        size: int

        def start(self, trial: AskedTrial) -> None: ...

        def wait(self, timeout_s: float | None) -> list[tuple[int, Outcome]]:
            """Numbers and outcomes of trials that finished: at least one, unless the time is up."""
            ...

        def kill(self) -> None:
            """End the running calls, without waiting for their outcomes."""
            ...

        def close(self) -> None: ...


# In a study with a lag the next trial may wait for a trial of another process, whose tell does not wake this one.
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
        search.on_failed = self._call_back
        self._error: BaseException | None = None

    def run(self) -> None:
        """Run trials until no more may start. An error ends the search and is raised once the running trials have finished;
        Ctrl-C ends these too."""
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
            del error  # its traceback holds this frame, which is a cycle

    def _open_progress(self) -> None:
        if self._wants_progress:
            from journaltune.run.progress import Progress

            self._progress = Progress(self._search.study, self._limits)

    def _rounds(self) -> None:
        while True:
            try:
                self._fill()
            except Exception as error:  # from the journal or the machine: the running trials may still finish
                self._end_with(error)
            if not self._running:
                return
            self._settle_all(self._runner.wait(_LOOK_AGAIN_S if self._has_room() else None))

    def _settle_all(self, outcomes: list[tuple[int, Outcome]]) -> None:
        """A frame of its own: an objective's exception holds its callers' frames, and variables there would make cycles."""
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
            except Exception:
                self._give_back(trial.number)
                raise

    def _settle(self, number: int, outcome: Outcome) -> None:
        if outcome.error is not None and (outcome.state == "waiting" or isinstance(outcome.error, KeyboardInterrupt)):
            self._give_back(number)  # no result of the trial: it is asked again
            self._end_with(outcome.error)
            return
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
        """A tell's error with the result in its text: the result stands nowhere else now."""
        if not isinstance(error, MachineError | LockTimeoutError | JournalDamagedError):
            return error
        study = self._search.study
        text = unrecorded(study.path, study.name, number, outcome)
        if self._error is not None:  # only the first one is raised
            _warn(f"{text}: {error}")
        if isinstance(error, JournalDamagedError):
            error.add_note(text)
            return error
        extended = type(error)(f"{text}: {error}", *error.args[1:])
        extended.__cause__ = error
        return extended

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
        log_finished(self._search.study, number)
        try:
            for callback in self._callbacks:
                callback(self._search.face, finished(self._search.study, number))
        except Exception as error:
            self._end_with(error)

    def _end_with(self, error: BaseException) -> None:
        """Remember the first error. Ctrl-C and its like also end the running trials."""
        if self._error is None or not isinstance(error, Exception):
            self._error = error
        if not isinstance(error, Exception):
            self._abandon()

    def _abandon(self) -> None:
        try:
            self._runner.kill()
        finally:
            for number in {*self._running, *running_with(self._search.study, self._limits.mark)}:
                self._give_back(number)

    def _give_back(self, number: int) -> None:
        """The next ask hands it out again. Where this can't be written, the end of this process says the same."""
        self._running.pop(number, None)
        try:
            if is_running(self._search.study, number):
                release(self._search.study, number)
        except JournaltuneError as error:
            _warn(f"trial {number} could not be given back: {error}")


def unrecorded(path: str, name: str, number: int, outcome: Outcome) -> str:
    """The outcome of a trial that could not be told, and the command that tells it."""
    from shlex import join

    values = list(map(repr, outcome.values or ()))
    words = values or ["--state", outcome.state, *(["--reason", outcome.reason] if outcome.reason else [])]
    result = ", ".join(values) or " ".join(filter(None, (outcome.state, outcome.reason)))
    command = join(["journaltune", "tell", "-f", path, "--study", name, str(number), *words])
    return f"trial {number} came to {result}, which is not recorded; `{command}` records it"


def _warn(message: str) -> None:
    from logging import getLogger

    getLogger("journaltune").warning("%s", message)
