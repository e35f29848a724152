"""Calls in forked children of this process: closures and lambdas work, and a child that dies fails its own trial only."""

from __future__ import annotations

import os
import random
import sys
from ctypes import CDLL
from multiprocessing import get_context
from multiprocessing.connection import wait
from signal import SIG_BLOCK, SIG_IGN, SIG_SETMASK, SIG_UNBLOCK, SIGINT, SIGKILL, Signals, pthread_sigmask, signal
from time import monotonic

from journaltune.base.errors import UsageError
from journaltune.run.memory import forget_frames, oom_kills
from journaltune.run.outcome import Outcome, failure
from journaltune.run.slots import Slots
from journaltune.run.trial import AskedTrial
from journaltune.suggest.choose import Suggestion

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess
    from typing import Any

    from journaltune.run.call import Call
    from journaltune.run.limits import Search
    from journaltune.run.memory import GarbageCollector

_GRACE_S = 5.0  # between the request to end and the kill
_PR_SET_PDEATHSIG = 1


class Forked:
    """Up to ``size`` children at once. Each serves many calls, or with ``isolate`` one call, whose memory ends with the child.

    A fork copies one thread only: CUDA and OpenMP's threads, if the caller started them before, do not work in the children;
    start them in the objective. Every child would copy the same state of the global generators of NumPy and PyTorch, so these
    are seeded from the trial's seed before each call, and Python's too.
    """

    def __init__(self, search: Search, call: Call, size: int, isolate: bool, collectors: Sequence[GarbageCollector] = ()) -> None:
        if not hasattr(os, "fork"):
            raise UsageError("processes are forked, which this system can't; use n_jobs=1 without isolate, or executor=")
        self.size, self._isolate = size, isolate
        self._search, self._call, self._collectors = search, call.catching_exit(), () if isolate else collectors
        self._idle: list[_Child] = []
        self._busy: dict[int, _Child] = {}
        self._slots, self._slot_of = Slots([None] * size), dict[int, int]()

    def start(self, trial: AskedTrial) -> None:
        child = self._busy[trial.number] = self._idle_child() or _Child(self._serve)
        slot = self._slot_of[trial.number] = self._slots.take()
        child.start()
        child.send(Suggestion(trial.number, trial.params, trial.seed, trial.attempt), slot)

    def _idle_child(self) -> _Child | None:
        while self._idle:
            if self._idle[-1].process.is_alive():
                return self._idle.pop()
            self._idle[-1].end()
            self._idle.pop()
        return None

    def wait(self, timeout_s: float | None) -> list[tuple[int, Outcome]]:
        signs = {sign: number for number, child in self._busy.items() for sign in (child.connection, child.death)}
        ready = wait(list(signs), timeout_s)
        return [(number, self._result(number)) for number in sorted({signs[sign] for sign in ready})]  # type: ignore[index]

    def _result(self, number: int) -> Outcome:
        child = self._busy[number]
        answer = child.answer()
        if answer is None:
            outcome = child.cause_of_death()
        else:
            outcome, stopped = answer
            self._search.stop_asked |= stopped
            if self._isolate:
                child.end()  # before the next one starts, so that the device's memory is free
            else:
                self._idle.append(child)
        self._slots.give_back(self._slot_of.pop(number))
        del self._busy[number]  # last: Ctrl-C may come in between, and `close` must find every child
        return outcome

    def _serve(self, connection: Connection) -> None:
        """The loop of a child, until the coordinator closes the pipe."""
        for child in [*self._idle, *self._busy.values()]:
            child.hang_up()  # the fork copied the coordinator's ends; while one is open, its child sees no end of file
        try:
            while True:
                suggestion, slot = connection.recv()
                self._answer(connection, suggestion, slot)
                if self._isolate:
                    return
        except (EOFError, BrokenPipeError, ConnectionResetError, KeyboardInterrupt):
            return

    def _answer(self, connection: Connection, suggestion: Suggestion, slot: int) -> None:
        _seed_generators(suggestion.seed)
        trial = self._search.trial_of(suggestion)
        trial.slot = slot
        outcome = self._call(trial)
        connection.send((outcome, self._search.stop_asked))
        forget_frames(outcome.error)
        del outcome
        for collect in self._collectors:
            collect()

    def kill(self) -> None:
        """End the busy children: SIGINT, which lets an objective clean up, then SIGKILL for those that still live."""
        children = list(self._busy.values())
        for child in children:
            child.interrupt()
            child.hang_up()
        try:
            until = monotonic() + _GRACE_S
            for child in children:
                child.is_dead_within(until - monotonic())
        finally:
            for child in children:
                child.kill()
            self._busy.clear()

    def close(self) -> None:
        try:
            self.kill()
            for child in self._idle:
                child.hang_up()
            for child in self._idle:
                child.end()
        finally:
            for child in [*self._busy.values(), *self._idle]:
                child.kill()
            self._busy.clear()
            self._idle.clear()


class _Child:
    """A forked process, the pipe to it, and a descriptor that becomes readable when it is dead."""

    def __init__(self, serve: Callable[[Connection], None]) -> None:
        context = get_context("fork")
        self.connection, self._theirs = context.Pipe()
        self._oom_kills: int | None = None
        self.process: BaseProcess = context.Process(target=_main, args=(serve, self._theirs, os.getpid()))
        self.death = -1

    def start(self) -> None:
        if self.process.pid is None:
            _start_without_interrupts(self.process)
            self._theirs.close()
            self.death = _death_of(self.process)

    def send(self, suggestion: Suggestion, slot: int) -> None:
        self._oom_kills = oom_kills()
        try:
            self.connection.send((suggestion, slot))
        except OSError:  # the child is dead, and `answer` returns None
            pass

    def answer(self) -> Any:
        """A pair of the outcome and whether to stop; None when the child died before it sent one."""
        try:
            return self.connection.recv() if self.connection.poll() else None
        except (EOFError, OSError):
            return None

    def cause_of_death(self) -> Outcome:
        """The failure of a call whose child died. The kernel reports the signal, not its sender: a SIGKILL counts as out of
        memory when the kernel has killed some process of this control group for memory meanwhile."""
        self.end()
        status = self.process.exitcode or 0
        if status >= 0:
            return failure("exit", f"the objective's process exited with status {status} before it had returned a value")
        before, now = self._oom_kills, oom_kills()
        if status == -SIGKILL and before is not None and now is not None and now > before:
            return failure("oom", "the objective's process was killed by SIGKILL while the kernel was out of memory")
        return failure("signal", f"the objective's process was killed by {_signal_name(-status)}")

    def is_dead_within(self, timeout_s: float) -> bool:
        """``Process.join`` would wait for the sentinel, which the objective's own children may hold open."""
        if self.death < 0:
            return not self.process.is_alive()
        return bool(wait([self.death], max(timeout_s, 0.0)))

    def interrupt(self) -> None:
        if self.process.is_alive() and self.process.pid is not None:
            os.kill(self.process.pid, SIGINT)

    def kill(self) -> None:
        if not self.is_dead_within(0.0):
            self.process.kill()
        if self.process.pid is not None:
            self.process.join()
        self.hang_up()
        self._theirs.close()
        death, self.death = self.death, -1
        if death >= 0:
            os.close(death)

    def end(self) -> None:
        """Wait until an idle child is gone."""
        self.hang_up()
        self.is_dead_within(_GRACE_S)
        self.kill()

    def hang_up(self) -> None:
        self.connection.close()


def _death_of(process: BaseProcess) -> int:
    """A descriptor that becomes readable when the process dies. The sentinel stays open in the objective's own forked children;
    a pidfd belongs to this process alone."""
    if hasattr(os, "pidfd_open") and process.pid is not None:
        try:
            return os.pidfd_open(process.pid)
        except OSError:
            pass
    return os.dup(process.sentinel)


def _start_without_interrupts(process: BaseProcess) -> None:
    """A child that gets Ctrl-C before it runs its own code would go on as a second coordinator."""
    before = pthread_sigmask(SIG_BLOCK, ())
    try:
        pthread_sigmask(SIG_BLOCK, (SIGINT,))
        process.start()
    finally:
        pthread_sigmask(SIG_SETMASK, before)


def _main(serve: Callable[[Connection], None], connection: Connection, parent_pid: int) -> None:
    _die_with(parent_pid)
    try:
        pthread_sigmask(SIG_UNBLOCK, (SIGINT,))
        serve(connection)
    except KeyboardInterrupt:
        pass
    signal(SIGINT, SIG_IGN)  # only Python's own shutdown is left, and must not print a traceback


def _die_with(parent_pid: int) -> None:
    """On Linux the kernel kills the children of a killed coordinator; elsewhere they end after their present call."""
    try:
        CDLL(None).prctl(_PR_SET_PDEATHSIG, int(SIGKILL))
    except (OSError, AttributeError):
        return
    if os.getppid() != parent_pid:
        os._exit(1)


def _seed_generators(seed: int) -> None:
    """As ``seed_everything`` does for the generators that every child of a fork would have in the same state."""
    modules: Mapping[str, Any] = sys.modules
    random.seed(seed)
    if "numpy" in modules:
        modules["numpy"].random.seed(seed)
    if "torch" in modules:
        modules["torch"].manual_seed(seed)


def _signal_name(number: int) -> str:
    try:
        return Signals(number).name
    except ValueError:
        return f"signal {number}"
