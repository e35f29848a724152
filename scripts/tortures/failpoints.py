"""Every system call that changes a file, made to die, stop short or fail, in a script of all operations: old or new, nothing else

The script runs in a forked child, once in one process for all its calls, once as if each call were a process of its own. The
Nth of its system calls is broken in each way that it can break. Afterwards the next command has to work, everything that was
acknowledged is there, and every reader agrees. What is acknowledged must have been made durable before: that is checked too,
by counting writes and fsyncs.
"""

from __future__ import annotations

import errno
import os
import signal
import traceback
from typing import TYPE_CHECKING, Any

import journaltune
from journaltune.base.errors import JournalDamagedError
from journaltune.engine.create import delete
from journaltune.journal import journal as journals
from journaltune.journal import stock_lock, system
from journaltune.journal.upkeep.repair import repair
from tortures.clients import PARAMS, Log, Ours
from tortures.history import Finding, read_calls
from tortures.machinery import Child, evenly, spread
from tortures.rounds import LAST, finish, fresh, idle, told
from tortures.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TARGET = 1_700
_LIMIT_S = 30.0
_LEAST = 2  # of the script's asks and tells, that one broken call leaves
_GRACE_S = 0.2
_TORN = b'{"op_code":4,"worker_id":"other-1","study_id":0,"datetime_st'
_GARBAGE = b"\x00\xff no record\n"
_WRITES = ("write", "pwrite")
_WAYS = ("die before", "die after", "ENOSPC", "EIO", "EINTR", "EIO after it was done")
_SHARES: dict[str, Callable[[int], int]] = {"1 byte": lambda _: 1, "half": lambda n: n // 2, "all but 1 byte": lambda n: n - 1}
_SHORT_WAYS = {f"{how} {share}": much for share, much in _SHARES.items() for how in ("die after", "no more than")}


def run(n: int, seed: int, folder: Path, say: Callable[[str], None]) -> Tally:
    stock_lock.GRACE_S = _GRACE_S
    ways, tally = [], Tally()
    for alone in (True, False):
        names, found = _rehearse(folder / "rehearsal", alone)
        tally += told(found, folder / "rehearsal", f"nothing broken, alone {alone}", 0)
        ways += [(alone, at, way) for at, name in enumerate(names) for way in _ways_of(name)]
        say(f"{len(names)} system calls {'in one process' if alone else 'with a process for each call'}")
    say(f"{len(ways)} ways to break one of them")
    chosen = evenly(ways, n)
    return tally + spread(n, lambda share, own: _each(chosen, share, own, seed), folder)


def _ways_of(name: str) -> tuple[str, ...]:
    return (*_WAYS, *_SHORT_WAYS) if name in _WRITES else _WAYS


def _rehearse(folder: Path, alone: bool) -> tuple[list[str], list[Finding]]:
    """The names of the script's system calls when none of them is broken."""
    fresh(folder)
    ended = Child(lambda: _script(folder, alone, -1, "")).end(_LIMIT_S)
    found = finish(folder, folder / "s.journal") + _undurable(folder)
    refused = [call for call in read_calls(folder / "logs") if call.refused]
    found += [Finding("wrong", f"with nothing broken: {call}") for call in refused]
    return list(ended.result or []), found if ended.status == 0 else [Finding("wrong", ended.error), *found]


def _each(chosen: list[tuple[bool, int, str]], share: range, folder: Path, seed: int) -> Tally:
    tally = Tally()
    for index in share:
        alone, at, way = chosen[index]
        own = folder / f"run{index}"
        name = f"system call {at} {way} {'in one process' if alone else 'process by process'} seed {seed}"
        tally += told(_break(own, alone, at, way), own, name)
    return tally


def _break(folder: Path, alone: bool, at: int, way: str) -> list[Finding]:
    fresh(folder)
    path = folder / "s.journal"
    ended = Child(lambda: _script(folder, alone, at, way)).end(_LIMIT_S)
    found = _undurable(folder)
    if ended.late:
        found.append(Finding("wrong", f"hung for {_LIMIT_S:g} s"))
    elif ended.status != (-signal.SIGKILL if way.startswith("die") else 0):
        found.append(Finding("wrong", f"ended with {ended.status}: {ended.error}"))
    try:
        _recover(path)
    except Exception:
        return [*found, Finding("wrong", f"repair fails: {traceback.format_exc()}")]
    if not way.startswith("die"):
        found += idle(folder, "the script", lambda index: index != LAST, _LEAST)
    return found + finish(folder, path, also=frozenset({7}))


def _recover(path: Path) -> None:
    """What a user would do: create what was not created, repair what is said to be damaged."""
    try:
        journaltune.create_study(path, study_name="study", params=PARAMS, sampler="random", seed=1, exist_ok=True).close()
    except JournalDamagedError:
        repair(str(path))


def _undurable(folder: Path) -> list[Finding]:
    noted = folder / "undurable"
    return [Finding("lost", line) for line in noted.read_text(encoding="utf-8").splitlines()] if noted.exists() else []


class _Breaker:
    """In the place of the system calls: counts them, breaks one, and knows whether the journal is on disk."""

    def __init__(self, path: Path, at: int, way: str) -> None:
        self.names: list[str] = []
        self.dirty = False
        self._path, self._at, self._way, self._full = str(path), at, way, False

    def __call__(self, name: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        self.names.append(name)
        if self._full and name in _WRITES:
            self._full = False
            raise OSError(errno.ENOSPC, "the disk is full")
        if len(self.names) - 1 == self._at:
            return self._broken(function, arguments)
        answer = function(*arguments)
        if name in (*_WRITES, "fsync", "fdatasync") and self._is_journal(arguments[0]):
            self.dirty = name in _WRITES
        return answer

    def _is_journal(self, fd: int) -> bool:
        """By what it is, not by what it is called: the path may be a relative one, or lead through links."""
        try:
            return os.path.samestat(os.fstat(fd), os.stat(self._path))
        except FileNotFoundError:
            return False

    def _broken(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        way = self._way
        self.dirty = self.dirty or function in (os.write, os.pwrite)
        if way == "die before":
            _die()
        if way in ("ENOSPC", "EIO", "EINTR"):
            raise OSError(getattr(errno, way), os.strerror(getattr(errno, way)))
        try:
            if way not in _SHORT_WAYS:
                answer = function(*arguments)
            else:
                data = bytes(arguments[1])
                answer = function(arguments[0], data[: _SHORT_WAYS[way](len(data))], *arguments[2:])
                self._full = True
        finally:
            if way.startswith("die"):
                _die()
        if way == "EIO after it was done":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return answer


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _script(folder: Path, alone: bool, at: int, way: str) -> list[str]:
    """Every operation, in a child. The names of the system calls that it took."""
    path = folder / "s.journal"
    breaker = system.fault = _Breaker(path, at, way)
    if not alone:
        journals._TAIL_BYTES = 3000  # a snapshot now and then
    script = _Script(folder, path, breaker, alone)
    for step in (
        script.create, script.ask, script.ask, script.tell, script.enqueue, script.enqueue_again, script.skip,
        script.skip, script.ask, script.report, script.report_nan, script.report_again, script.fail, script.snapshot,
        script.tear, script.ask, script.tell, script.spoil, script.mend, script.ask, script.tear, script.tell,
        script.delete_other, script.close,
    ):  # fmt: skip
        script.do(step)
    return breaker.names


class _Script:
    """The operations. Where one is refused, the script goes on with the next, as a user would."""

    def __init__(self, folder: Path, path: Path, breaker: _Breaker, alone: bool) -> None:
        self.folder, self.path, self.breaker, self.alone = folder, path, breaker, alone
        self.log = Log(folder / "logs", 1)
        self.study: journaltune.Study | None = None
        self.numbers: list[int] = []

    def do(self, step: Callable[[], object]) -> None:
        self.breaker.dirty = False
        answer = step()
        if answer is not None and self.breaker.dirty and step.__name__ != "ask":
            with open(self.folder / "undurable", "a", encoding="utf-8") as file:
                file.write(f"{step.__name__} was acknowledged before an fsync: it answered {answer}\n")
        if not self.alone:
            self.close()

    def client(self) -> Ours:
        if self.study is None:
            self.study = journaltune.load_study(self.path, "study")
        return Ours(self.log, self.study)

    def close(self) -> None:
        if self.study is not None:
            self.study.close()
            self.study = None

    def create(self) -> object:
        for _ in range(2):  # the second one, where the first is refused, finds what that one left
            found = self.log.call("create", lambda: self._create("study"), name="study")
            if found:
                return found
        return None

    def _create(self, name: str) -> bool:
        engine_study = journaltune.create_study(self.path, study_name=name, params=PARAMS, sampler="random", seed=1)
        self.study = engine_study if name == "study" else self.study
        return True

    def ask(self) -> object:
        found = self.client().ask()
        self.numbers += [found["number"]] if found else []
        return found

    def _number(self) -> int:
        return self.numbers.pop(0) if self.numbers else 10**6

    def tell(self) -> object:
        number, result = self._number(), {"attrs": {"a": 1.5, "ä": [None, "x" * 50]}, "constraints": {"c": -0.5}}
        first = self.client().tell(number, [1 / 3], **result, request_id=f"tell {number}")
        return first if first is not None else self.client().tell(number, [1 / 3], **result, request_id=f"tell {number}")

    def fail(self) -> object:
        return self.client().tell(self._number(), state="fail", reason="oom")

    def report(self) -> object:
        first = self._report(1, 0.5, request_id="report")
        return first if first is not None else self._report(1, 0.5, request_id="report")

    def report_nan(self) -> object:
        return self._report(2, float("nan"))

    def report_again(self) -> object:
        """Another value for a step that has one is not recorded; that, too, is only said of what is on disk."""
        return self._report(1, 0.25)

    def _report(self, step: int, value: float, **options: str) -> object:
        return self.client().report(self.numbers[0], step, value, **options) if self.numbers else None

    def enqueue(self) -> object:
        return self.client().enqueue({"x": 0.25, "c": "ü"})

    def enqueue_again(self) -> object:
        """Two calls with one request id: the second does nothing, unless the first is not there."""
        first = self.client().enqueue({"x": 0.75}, token="same", request_id="r")
        dirty = self.breaker.dirty
        second = self.client().enqueue({"x": 0.75}, token="same", request_id="r")
        if second is None:  # what it had begun to write once more is there already
            self.breaker.dirty = dirty
        return first if second is None else second

    def skip(self) -> object:
        return self.client().enqueue({"n": 3}, skip_if_exists=True)

    def snapshot(self) -> None:
        journal = self.client().study._study.journal
        journal.sync()
        journal.save_snapshot()

    def tear(self) -> None:
        """What a writer leaves behind that is killed in the middle of a write."""
        self._append(_TORN)

    def spoil(self) -> None:
        self._append(_GARBAGE)

    def _append(self, data: bytes) -> None:
        with self.path.open("ab", buffering=0) as file:
            file.write(data)

    def mend(self) -> object:
        first = self._mend()
        self.study = None
        return (first if first is not None else self._mend()) or None  # one that mended nothing promises nothing

    def _mend(self) -> int | None:
        mended: int | None = self.log.call("repair", lambda: len(repair(str(self.path))))
        return mended

    def delete_other(self) -> object:
        self.log.call("create", lambda: self._create("other"), name="other")
        return self.log.call("delete", self._delete, name="other")

    def _delete(self) -> bool:
        delete(str(self.path), "other")
        return True
