"""Two ways to run trials: in this process, and in the caller's executor."""

from __future__ import annotations

from queue import Empty, SimpleQueue

from journaltune.base.errors import MachineError
from journaltune.run import outcome
from journaltune.run.outcome import Outcome
from journaltune.run.slots import Slots

TYPE_CHECKING = False
if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

    from journaltune.run.call import Call
    from journaltune.run.trial import AskedTrial

_CANCELLED = (
    "the executor cancelled the call of a trial, as Dask's does where its scheduler is gone; the trial is asked again when the "
    "search goes on"
)


class InProcess:
    """One call at a time, made by ``start`` itself."""

    __slots__ = ("_call", "_done", "size")

    def __init__(self, call: Call) -> None:
        self._call, self.size = call, 1
        self._done: list[tuple[int, Outcome]] = []

    def start(self, trial: AskedTrial) -> None:
        self._done.append((trial.number, self._call(trial)))

    def wait(self, timeout_s: float | None) -> list[tuple[int, Outcome]]:
        done, self._done = self._done, []
        return done

    def kill(self) -> None:
        self._done.clear()

    def close(self) -> None:
        pass


class Submitted:
    """Calls in any ``concurrent.futures.Executor``; ``size`` of them are submitted at once. The executor stays open."""

    __slots__ = ("_call", "_done", "_executor", "_futures", "_slot_of", "_slots", "size")

    def __init__(self, executor: Executor, call: Call, size: int) -> None:
        self._executor, self._call, self.size = executor, call, size
        self._futures: dict[Future[Outcome], int] = {}
        self._done: SimpleQueue[Future[Outcome]] = SimpleQueue()  # ``concurrent.futures.wait`` misses some that are cancelled
        self._slots, self._slot_of = Slots([None] * size), dict[int, int]()

    def start(self, trial: AskedTrial) -> None:
        trial.slot = self._slot_of[trial.number] = self._slots.take()
        future = self._submit(trial)
        self._futures[future] = trial.number
        future.add_done_callback(self._done.put)

    def _submit(self, trial: AskedTrial) -> Future[Outcome]:
        return self._executor.submit(self._call, trial)

    def wait(self, timeout_s: float | None) -> list[tuple[int, Outcome]]:
        try:
            done = [self._done.get(timeout=timeout_s)]
        except Empty:
            return []
        while not self._done.empty():
            done.append(self._done.get())
        return [(self._ended(future), self._outcome(future)) for future in done]

    def _ended(self, future: Future[Outcome]) -> int:
        number = self._futures.pop(future)
        self._slots.give_back(self._slot_of.pop(number))
        return number

    def _outcome(self, future: Future[Outcome]) -> Outcome:
        """A future that raises means that the executor failed: its process died, or the call could not be pickled. Where the
        executor gave the call up, that is not the trial's fault."""
        from concurrent.futures import CancelledError

        try:
            return future.result()
        except CancelledError:
            return Outcome("waiting", error=MachineError(_CANCELLED))
        except Exception as error:
            return outcome.of_error(error, self._call.catch)

    def kill(self) -> None:
        """Cancel calls that have not started; an executor can't end running ones."""
        for future in self._futures:
            future.cancel()

    def close(self) -> None:
        self._futures.clear()
