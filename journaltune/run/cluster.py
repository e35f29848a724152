"""Objectives on a Dask cluster. Their reports go through its scheduler to this process, which alone has the journal.

The desk is here, and has one queue for what all trials report. A line is the other end, in a worker, and has one for the answers.
"""

from __future__ import annotations

import os
from threading import Lock, Thread

from journaltune.base import checks
from journaltune.base.errors import MachineError, UsageError
from journaltune.engine.prune import should_prune
from journaltune.engine.report import report
from journaltune.engine.resume import started_again
from journaltune.run import outcome
from journaltune.run.runners import Submitted
from journaltune.run.trial import AskedTrial
from journaltune.study import open_study

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

    from distributed import Client, Queue

    from journaltune.run.call import Call
    from journaltune.run.limits import Search
    from journaltune.run.outcome import Outcome

_LOOK_S = 5.0  # for an answer, until a worker looks whether anybody will give it
_END_S = 5.0


class OnDask(Submitted):
    """Calls in the workers of a Dask cluster. A trial whose worker dies runs again in another one, as the scheduler's
    ``allowed-failures`` say; its outcome counts once, and its attempts are in the journal."""

    __slots__ = ("_desk",)

    _executor: Any

    def __init__(self, executor: Any, call: Call, size: int, search: Search) -> None:
        super().__init__(executor, call, size)
        if executor._client.asynchronous:
            raise UsageError("optimize waits for its trials, so it can't use an asynchronous client of Dask's; make a plain one")
        self._desk = Desk(executor._client, search)

    def _submit(self, trial: AskedTrial) -> Any:
        key = f"trial-{trial.number}-{os.urandom(8).hex()}"  # or equal calls would be one, and their results shared
        return self._executor.submit(_called, self._call, DistantTrial(trial, self._desk.line()), key=key)

    def _outcome(self, future: Any) -> Outcome:
        from distributed import KilledWorker

        try:
            found: Outcome = future.result()
        except KilledWorker as error:
            return outcome.failure("crash-loop", f"each worker that ran it died: {error}")
        except Exception:
            return super()._outcome(future)
        return found

    def close(self) -> None:
        super().close()
        self._desk.close()


def n_threads(executor: Any) -> int:
    """How many calls the cluster runs at once, as it is now."""
    return sum(executor._client.nthreads().values())


def _called(call: Call, trial: DistantTrial) -> Outcome:
    """A call in a worker."""
    with trial._line as line:
        trial.attempt = line.begin(trial)
        return call(trial)


class DistantTrial(AskedTrial):
    """A trial in a process that can't reach the journal."""

    __slots__ = ("_enqueued", "_line")

    def __init__(self, trial: AskedTrial, line: Line) -> None:
        for name in AskedTrial.slots():
            setattr(self, name, getattr(trial, name))
        self._face = self._reopen = None
        self._enqueued, self._line = trial.user_attrs, line

    @property
    def study(self) -> Any:
        """Raises MachineError."""
        raise MachineError(
            "trial.study, its artifacts' storage and the like need the journal, which stays with the process that called "
            "optimize; in a Dask worker take trial.params, report(), should_prune() and set_user_attr()"
        )

    @property
    def user_attrs(self) -> dict[str, Any]:
        return {**self._enqueued, **self._user_attrs}

    def report(self, value: float, step: int) -> bool:
        """Record an intermediate value in the journal; see ``engine.report``. MachineError where the search has ended."""
        step, value = checks.whole(step, "a step"), checks.number(value, f"the value at step {step}")
        return bool(self._line.ask("report", self.number, step, value))

    def should_prune(self) -> bool:
        return bool(self._line.ask("should_prune", self.number))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        """The error goes on to the call, which fails or prunes the trial for it."""


class Line:
    """A worker's end, inside of a ``with`` block: one question at a time, from any of its threads.

    ``ticket`` stands for one submission of a trial, which several workers may begin one after the other.
    """

    def __init__(self, desk: str, desks_client: str) -> None:
        self._desk, self._desks_client, self._ticket = desk, desks_client, os.urandom(8).hex()

    def __enter__(self) -> Line:
        from distributed import Queue, get_client

        self._client = client = get_client()
        self._name = f"{self._desk}-{os.urandom(8).hex()}"
        self._questions, self._answers = Queue(self._desk, client), Queue(self._name, client)
        self._lock, self._has_ended = Lock(), False
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            if not self._has_ended:
                self._questions.put([self._name, "end"])
            self._has_ended = True
            self._questions.close()
            self._answers.close()

    def begin(self, trial: AskedTrial) -> int:
        """The attempt that this one is."""
        return int(self.ask("begin", self._ticket, trial.number, trial.attempt))

    def ask(self, verb: str, *arguments: object) -> Any:
        """The desk's answer. Raises the desk's error; MachineError where the search has ended."""
        with self._lock:
            answer, error = [None, None] if self._has_ended else self._asked([self._name, verb, *arguments])
            self._has_ended = answer is error is None
        if error is not None:
            raise outcome.unpack(tuple(error))
        if answer is None:
            raise MachineError("the search that asked for this trial has ended, so nothing more of it is recorded")
        return answer

    def _asked(self, question: list[object]) -> Any:
        self._questions.put(question)
        while True:
            try:
                return self._answers.get(timeout=_LOOK_S)
            except TimeoutError:
                if not self._is_desk_there():
                    return [None, None]

    def _is_desk_there(self) -> bool:
        """Whether the scheduler still has the client of the process that searches. One that is killed can't say that it goes."""
        client_id = self._desks_client

        def is_known(dask_scheduler: Any) -> bool:  # in here, so that it is sent by value: the scheduler may lack this package
            return client_id in dask_scheduler.clients

        return bool(self._client.run_on_scheduler(is_known))


class Desk:
    """The journal's end. Its thread has a handle of its own: a report must not wait for a slow suggestion."""

    def __init__(self, client: Client, search: Search) -> None:
        from distributed import Queue

        self._study = open_study(search.study.path, search.study.name, **search.study.access)
        self._owner = {} if search.worker is None else search.worker.owner
        self._client, self._name = client, f"journaltune-{os.urandom(8).hex()}"
        self._questions = Queue(self._name, client)
        self._answers: dict[str, Queue] = {}  # by the line's name
        self._begun: dict[str, str] = {}  # the line that began last, by its ticket
        self._thread = Thread(target=self._work, daemon=True)
        self._thread.start()

    def line(self) -> Line:
        return Line(self._name, self._client.id)

    def close(self) -> None:
        try:
            self._questions.put(None, callback_timeout=_END_S)
            self._thread.join(_END_S)
        except Exception:  # the scheduler is gone, and so the thread ends by itself
            pass

    def _work(self) -> None:
        with self._study:
            try:
                while (question := self._questions.get()) is not None:
                    self._serve(*question)
                for name in list(self._answers):
                    self._put(name, None, None)
                    self._hang_up(name)
                self._questions.close()
            except Exception as error:  # whatever Dask raises where its scheduler is gone
                _warn(f"Dask's workers can't report any more: {error}")

    def _serve(self, name: str, verb: str, *arguments: Any) -> None:
        if verb == "end":
            self._hang_up(name)
            return
        try:
            answer, error = self._answer(name, verb, *arguments), None
        except Exception as raised:
            answer, error = None, outcome.pack(raised)
        self._put(name, answer, error)

    def _answer(self, name: str, verb: str, *arguments: Any) -> Any:
        if verb == "begin":
            return self._begin(name, *arguments)
        return report(self._study, *arguments) if verb == "report" else should_prune(self._study, *arguments)

    def _begin(self, name: str, ticket: str, number: int, attempt: int) -> int:
        from distributed import Queue

        self._answers[name] = Queue(name, self._client)
        before, self._begun[ticket] = self._begun.get(ticket), name
        if before is None:
            return attempt
        for queue in (self._answers.get(before), self._questions):
            if queue is not None:
                queue.close()  # for the worker, which died with its handles: the scheduler counts them
        self._hang_up(before)
        return started_again(self._study, number, self._owner, "its Dask worker died")

    def _put(self, name: str, answer: object, error: object) -> None:
        self._answers[name].put([answer, error])

    def _hang_up(self, name: str) -> None:
        if name in self._answers:
            self._answers.pop(name).close()


def _warn(message: str) -> None:
    from logging import getLogger

    getLogger("journaltune").warning("%s", message)
