"""A script of every operation, with one of its system calls broken: it dies, stops short, or fails."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

import journaltune
from journaltune.engine.create import delete
from journaltune.journal import snapshot, stock_lock, system
from journaltune.journal.upkeep.repair import repair
from torture.children import say
from torture.clients import PARAMS, Log, Ours
from torture.faults import WRITES, die

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

GRACE_S = 0.2
_TORN = b'{"op_code":4,"worker_id":"other-1","study_id":0,"datetime_st'
_GARBAGE = b"\x00\xff no record\n"
_WAYS = ("die before", "die after", "ENOSPC", "EIO", "EINTR", "EIO after it was done")
_SHARES: dict[str, Callable[[int], int]] = {"1 byte": lambda _: 1, "half": lambda n: n // 2, "all but 1 byte": lambda n: n - 1}
_SHORT_WAYS = {f"{how} {share}": much for share, much in _SHARES.items() for how in ("die after", "no more than")}


def ways_of(name: str) -> tuple[str, ...]:
    """The ways to break a system call."""
    return (*_WAYS, *_SHORT_WAYS) if name in WRITES else _WAYS


def play(folder: Path, alone: bool, at: int, way: str) -> list[str]:
    """Every operation, in a child, with the ``at``-th system call broken. The names of the system calls that it took.

    ``alone``: as one process; otherwise as if each call were a process of its own. What was acknowledged before an fsync is said.
    """
    stock_lock.GRACE_S = GRACE_S
    path = folder / "s.journal"
    breaker = system.fault = _Breaker(path, at, way)
    if not alone:
        snapshot._TAIL_BYTES = 3000  # a snapshot now and then
    script = _Script(folder, path, breaker, alone)
    for step in (
        script.create, script.ask, script.ask, script.tell, script.enqueue, script.enqueue_again, script.skip,
        script.skip, script.ask, script.report, script.report_nan, script.report_again, script.fail, script.snapshot,
        script.tear, script.ask, script.tell, script.spoil, script.mend, script.ask, script.tear, script.tell,
        script.delete_other, script.close,
    ):  # fmt: skip
        script.do(step)
    return breaker.names


class _Breaker:
    """In the place of the system calls: counts them, breaks one, and knows whether the journal is on disk."""

    def __init__(self, path: Path, at: int, way: str) -> None:
        self.names: list[str] = []
        self.dirty = False
        self._path, self._at, self._way, self._full = str(path), at, way, False

    def __call__(self, name: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        self.names.append(name)
        if self._full and name in WRITES:
            self._full = False
            raise OSError(errno.ENOSPC, "the disk is full")
        if len(self.names) - 1 == self._at:
            return self._broken(function, arguments)
        answer = function(*arguments)
        if name in (*WRITES, "fsync", "fdatasync") and self._is_journal(arguments[0]):
            self.dirty = name in WRITES
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
            die()
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
                die()
        if way == "EIO after it was done":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return answer


class _Script:
    """The operations. Where one is refused, the script goes on with the next, as a user would."""

    def __init__(self, folder: Path, path: Path, breaker: _Breaker, alone: bool) -> None:
        self.path, self.breaker, self.alone = path, breaker, alone
        self.log = Log(folder / "logs", 1)
        self.study: journaltune.Study | None = None
        self.numbers: list[int] = []

    def do(self, step: Callable[[], object]) -> None:
        self.breaker.dirty = False
        answer = step()
        if answer is not None and self.breaker.dirty and step.__name__ != "ask":
            say(f"{step.__name__} was acknowledged before an fsync: it answered {answer}")
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
        """The second call, where the first is refused, finds what that one left."""
        return _twice(lambda: self.log.call("create", self._create, name="study"))

    def _create(self, name: str) -> bool:
        study = journaltune.create_study(self.path, study_name=name, params=PARAMS, sampler="random", seed=1)
        self.study = study if name == "study" else self.study
        return True

    def ask(self) -> object:
        asked = self.client().ask()
        self.numbers += [asked["number"]] if asked else []
        return asked

    def _number(self) -> int:
        return self.numbers.pop(0) if self.numbers else 10**6

    def tell(self) -> object:
        number, result = self._number(), {"attrs": {"a": 1.5, "ä": [None, "x" * 50]}, "constraints": {"c": -0.5}}
        return _twice(lambda: self.client().tell(number, [1 / 3], **result, request_id=f"tell {number}"))

    def fail(self) -> object:
        return self.client().tell(self._number(), state="fail", reason="oom")

    def report(self) -> object:
        return _twice(lambda: self._report(1, 0.5, request_id="report"))

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
        first = self.client().enqueue({"x": 0.75}, attrs={"token": "same"}, request_id="r")
        dirty = self.breaker.dirty
        second = self.client().enqueue({"x": 0.75}, attrs={"token": "same"}, request_id="r")
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
        mended = _twice(lambda: self.log.call("repair", lambda: len(repair(str(self.path)))))
        self.study = None
        return mended or None  # a repair that mended nothing promises nothing

    def delete_other(self) -> object:
        self.log.call("create", self._create, name="other")
        return self.log.call("delete", self._delete, name="other")

    def _delete(self, name: str) -> bool:
        delete(str(self.path), name)
        return True


def _twice(call: Callable[[], object]) -> object:
    """The answer of a call; where it is refused, of the same call again."""
    answer = call()
    return call() if answer is None else answer
