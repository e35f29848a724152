"""A disk that fills up at every byte and at every call: the old state or the new one, and the next call with room works.

Three ways: a limit on file sizes, so that the kernel itself writes short; the package's own system calls made to fail one by
one; and a small file system that is really full, where this process may mount one. What was acknowledged before is there
afterwards, for us and for stock Optuna, and an error is one with exit code 7. An operation is never half done, unless it says
that it is in doubt; then the next command of any kind finds the old state or the new one, and so do those that were reading all
the while. The same call again gives the new one, once.
"""

from __future__ import annotations

import errno
import os
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from torture import journals, small_disk, views
from torture.calls import timeless
from torture.children import Child
from torture.faults import WRITES
from torture.share import Clean, Finds, Run, Share, Tortured, evenly

from journaltune.base.errors import JournaltuneError, MachineError
from journaltune.engine.ask import ask
from journaltune.engine.create import delete
from journaltune.engine.enqueue import enqueue
from journaltune.engine.report import report
from journaltune.engine.tell import tell
from journaltune.journal import file, system, tail
from journaltune.journal.fold import Fold
from journaltune.journal.journal import Journal
from journaltune.study import OpenStudy, open_study

_JUST_FITTED = "runs in which all that was written just fitted, not counted above"


@pytest.mark.torture(runs=2_000, few=40)
def test_a_full_disk_leaves_the_old_state_or_the_new_one(clean: Clean) -> None:
    clean(full_disk)


def full_disk(share: Share) -> None:
    n, bases = share.n, [_Base(name, share.folder, share.seed) for name in _OPERATIONS]
    unmounted = Child(lambda: small_disk.mount(share.folder), 10).end()
    why = unmounted.error if unmounted.result is None else unmounted.result
    small = 0 if why else max(1, n // 5)
    faults = [_Fault(base, nth, kind) for base in bases for nth, kinds in base.calls for kind in kinds]
    faults = evenly(faults, min(len(faults), (n - small) // 2))
    limits = _limits([[_Limit(base, more) for more in base.rooms] for base in bases], n - small - len(faults))
    fitting = [_Limit(base, base.writes_bytes) for base in bases]  # not one byte is missing: these must go well
    share.each([*limits, *faults, *range(small), *fitting], _run)
    if why:
        share.tally.note(f"no small file system could be mounted here ({why}), so none was filled")


def _limits(ways: list[list[_Limit]], n: int) -> list[_Limit]:
    """``n`` of the limits, as many of each operation, however much it writes; all of those that have fewer."""
    share = -(-n // len(ways))
    while share < max(map(len, ways)) and sum(min(share, len(own)) for own in ways) < n:
        share += 1
    return evenly([limit for own in ways for limit in evenly(own, min(share, len(own)))], n)


def _create(path: Path) -> None:
    journals.create(path, 5).close()


def _next(path: Path) -> None:
    """Another command, which changes nothing that the operations do, and is possible before and after each of them."""
    journals.create(path, 6, "next").close()


def _on_study(change: Callable[[OpenStudy], Any]) -> Callable[[Path], None]:
    def do(path: Path) -> None:
        with open_study(path, journals.NAME) as study:
            change(study)

    return do


_BIG = {"text": "ü" * 3000}
_OPERATIONS: dict[str, Callable[[Path], None]] = {
    "create": _create,
    "ask": _on_study(ask),
    "tell": _on_study(lambda study: tell(study, 2, 0.1, attrs={"k": "✓", "l": 2}, constraints={"c": -1.0})),
    "fail": _on_study(lambda study: tell(study, 2, state="fail", reason="oom")),
    "report": _on_study(lambda study: report(study, 2, 1, 0.5)),
    "enqueue": _on_study(lambda study: enqueue(study, {"x": 0.75})),
    "big tell": _on_study(lambda study: tell(study, 2, 0.1, attrs=_BIG)),
    "tell behind a torn line": _on_study(lambda study: tell(study, 2, 0.1)),
    "delete": lambda path: delete(path, journals.NAME),
    "save a snapshot": journals.save_snapshot,
}


class _Base:
    """An operation, the journal that it begins with, and what the journal says before and after it."""

    def __init__(self, name: str, folder: Path, seed: int) -> None:
        self.name, self.do = name, _OPERATIONS[name]
        path = folder / f"{name.replace(' ', '-')}.journal"
        if name != "create":
            journals.make(path, seed)
        if "torn" in name:
            journals.append(path, b'{"op_code":8,"worker_id":"k\xc3')
        self.journal = path.read_bytes() if path.exists() else None
        self.old = _view(path)
        self.calls = self._rehearse(path)
        self.new = _view(path)
        # A snapshot is a file of its own; all else goes into the journal, or into smaller files.
        saves = self.do is journals.save_snapshot
        self.has_bytes = 0 if saves else len(self.journal or b"")
        written = Path(f"{path}.d", "snapshot") if saves else path
        self.writes_bytes = written.stat().st_size - self.has_bytes
        self.rooms = range(-1 if self.has_bytes else 0, self.writes_bytes)
        _next(path)
        self.new_and_next = _view(path)
        path = self.place(folder)
        _next(path)
        self.old_and_next = _view(path)

    def _rehearse(self, path: Path) -> list[tuple[int, tuple[str, ...]]]:
        """Do it with room enough. The places of its system calls that need room, and how each can find the disk full."""
        calls, count = list[tuple[int, tuple[str, ...]]](), -1

        def fault(name: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
            nonlocal count
            count += 1
            if name != "unlink":
                calls.append((count, _kinds(name, arguments)))
            return function(*arguments)

        system.fault = fault
        try:
            self.do(path)
        finally:
            system.fault = None
        return calls

    def place(self, folder: Path) -> Path:
        """The journal that the operation begins with, in a folder."""
        path = folder / "s.journal"
        shutil.rmtree(f"{path}.d", ignore_errors=True)
        path.unlink(missing_ok=True)
        if self.journal is not None:
            path.write_bytes(self.journal)
        return path


def _kinds(name: str, arguments: tuple[Any, ...]) -> tuple[str, ...]:
    """How a call can find the disk full: it alone, with all from then on, or after a part of what it writes."""
    if name not in WRITES:
        return ("once", "from then on")
    several = bytes(arguments[1]).count(b"\n") > 1
    return ("once", "from then on", "short, then full", *(["short by its last record, then full"] if several else []))


class _Disk:
    """Watches the system calls: whether one of them found the disk full."""

    def __init__(self) -> None:
        self.was_full = False
        self.fault: Callable[..., Any] | None = None

    def __call__(self, name: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        try:
            answer = self.fault(name, function, arguments) if self.fault else function(*arguments)
        except OSError as error:
            self.was_full = self.was_full or error.errno in (errno.ENOSPC, errno.EFBIG)
            raise
        self.was_full = self.was_full or (name in WRITES and answer < len(arguments[1]))
        return answer


def _view(path: Path) -> views.View:
    """What the journal says, without times: those of new records differ. Nothing where there is no journal."""
    return _timeless(views.ours(path)) if path.exists() else {}


def _timeless(view: views.View) -> views.View:
    return {name: [timeless(trial) for trial in trials] for name, trials in view.items()}


@dataclass(frozen=True)
class _Limit:
    """No file may grow beyond ``more`` bytes above what the journal has; with a snapshot, beyond ``more`` bytes."""

    base: _Base
    more: int

    def __str__(self) -> str:
        return f"{self.base.name} with room for {self.more} of {self.base.writes_bytes} bytes"

    @contextmanager
    def full(self, disk: _Disk) -> Iterator[None]:
        most = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        system.fault = disk
        resource.setrlimit(resource.RLIMIT_FSIZE, (max(0, self.base.has_bytes + self.more), most))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
            system.fault = None


@dataclass(frozen=True)
class _Fault:
    """The Nth system call that changes a file fails as on a full disk: it alone, all from then on, or after half of a write."""

    base: _Base
    nth: int
    kind: str

    def __str__(self) -> str:
        return f"{self.base.name} where call {self.nth} finds the disk full, {self.kind}"

    @contextmanager
    def full(self, disk: _Disk) -> Iterator[None]:
        count = -1

        def fault(name: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
            nonlocal count
            count += 1
            if count < self.nth or (count > self.nth and self.kind == "once") or name == "unlink":
                return function(*arguments)
            if count == self.nth and self.kind.startswith("short") and name in WRITES:
                fd, data, *place = arguments
                whole = bytes(data).rfind(b"\n", 0, len(data) - 1) + 1
                return function(fd, data[: whole if whole and "last" in self.kind else len(data) // 2], *place)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        disk.fault, system.fault = fault, disk
        try:
            yield
        finally:
            system.fault = None


def _run(run: Run, way: _Limit | _Fault | int) -> None:
    """A number is one of a small file system."""
    run.folder.mkdir(exist_ok=True)
    if isinstance(way, int):
        run.what = f"small file system {way}"
        ended = Child(lambda: small_disk.fill(run.folder, run.seed, way), 60).end()
        for problem in ended.result if ended.status == 0 else [("wrong", ended.error)]:
            run.find(*problem)
        return
    run.what, disk = str(way), _Disk()
    for problem in _spoilt(way, way.base.place(run.folder), disk):
        run.find(*problem)
    if not disk.was_full:
        run.share.tally.runs -= 1
        run.count(_JUST_FITTED)


def _spoilt(way: _Limit | _Fault, path: Path, disk: _Disk) -> list[tuple[str, str]]:
    """Run the operation while there is no room, and again when there is."""
    base, problems, error = way.base, [], None
    reader = None if base.journal is None else Journal(str(path))
    try:
        with way.full(disk):
            base.do(path)
    except JournaltuneError as raised:
        error = raised
    if error is not None and not (isinstance(error, MachineError) and disk.was_full):
        problems.append(("wrong", f"{type(error).__name__}: {error}"))
    after = _view(path)
    if reader is not None:
        reader.sync()
    if after not in (base.old, base.new) and "in doubt" not in str(error):
        problems.append(("wrong", f"neither the old state nor the new one: {after}"))
    if error is None and after != base.new:
        problems.append(("lost", "what was acknowledged is not there"))
    problems += _repeated(base, path, after) + _continued(base, path, after, reader)
    if reader is not None:
        reader.close()
    return problems


def _repeated(base: _Base, path: Path, after: views.View) -> list[tuple[str, str]]:
    """The same call again, on a copy."""
    copy = path.with_name("again.journal")
    copy.unlink(missing_ok=True)
    if path.exists():
        shutil.copyfile(path, copy)
    if after != base.new:
        base.do(copy)
        if _view(copy) != base.new:
            return [("wrong", f"with room again: {_view(copy)} instead of {base.new}")]
    elif "tell" in base.name or base.name == "fail":
        base.do(copy)  # the same result again changes nothing
        if _view(copy) != base.new:
            return [("doubled", f"told once more: {_view(copy)}")]
    return _same_for_stock(copy)


def _continued(base: _Base, path: Path, after: views.View, reader: Journal | None) -> list[tuple[str, str]]:
    """Another command comes first; then the same call again, where it had no effect."""
    _next(path)
    view = _view(path)
    if view not in ((base.new_and_next,) if after == base.new != base.old else (base.old_and_next, base.new_and_next)):
        return [("wrong", f"after the next command: {view}, where {after} was before")]
    if reader is not None:
        reader.sync()
        if (read := _timeless(views.of_state(reader.state))) != view:
            return [("wrong", f"a reader that had the journal open reads {read} instead of {view}")]
    if view != base.new_and_next:
        base.do(path)
        if _view(path) != base.new_and_next:
            return [("wrong", f"with room again, after another command: {_view(path)} instead of {base.new_and_next}")]
    return _same_for_stock(path)


def _same_for_stock(path: Path) -> list[tuple[str, str]]:
    problem = views.differs(path, views.ours(path)) if path.exists() else ""
    return [("wrong", problem)] if problem else []


def test_runs_are_those_in_which_the_disk_was_full(tortured: Tortured) -> None:
    tally = tortured(full_disk, 40)
    assert tally.runs == 40
    assert tally.counts == {_JUST_FITTED: len(_OPERATIONS)}


def test_no_two_runs_are_alike(tmp_path: Path) -> None:
    bases = [_Base(name, tmp_path, 0) for name in _OPERATIONS]
    ways = [[_Limit(base, more) for more in base.rooms] for base in bases]
    for n in (100, 1500):
        limits = _limits(ways, n)
        assert len({(limit.base.name, limit.more) for limit in limits}) == len(limits) == n
        assert {limit.base.name for limit in limits} == set(_OPERATIONS)
    assert sum(len(kinds) for base in bases for _, kinds in base.calls) > 100


class TestAFaultIsFound:
    def test_an_operation_that_is_written_in_two_steps(self, finds: Finds, monkeypatch: pytest.MonkeyPatch) -> None:
        append = file.append

        def in_steps(fd: int, data: bytes, path: str) -> None:
            for line in data.splitlines(keepends=True):
                append(fd, line, path)

        monkeypatch.setattr(file, "append", in_steps)
        assert finds(full_disk, 160, "neither the old state nor the new one")

    def test_a_call_that_is_left_half_done(self, finds: Finds, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tail, "take_back", lambda *_: False)
        assert finds(full_disk, 160, "after the next command")

    def test_a_reader_that_keeps_what_was_taken_back(self, finds: Finds, monkeypatch: pytest.MonkeyPatch) -> None:
        def keep(journal: Journal, _: int) -> None:
            while data := file.read_from(journal._handle.fd, journal.offset, file.CHUNK_BYTES):
                journal._fold(Fold(journal.path, journal._reader, journal._state, journal._chain), data)

        monkeypatch.setattr(Journal, "_catch_up", keep)
        assert finds(full_disk, 160, "a reader that had the journal open")

    def test_a_short_write_that_is_taken_back_too_far(self, finds: Finds, monkeypatch: pytest.MonkeyPatch) -> None:
        blank = file.blank

        def cut(path: str, fd: int, start: int, end: int) -> None:
            if resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY:
                blank(path, fd, start, end)
            else:
                os.truncate(path, start - 1)

        monkeypatch.setattr(file, "blank", cut)
        assert finds(full_disk, 160, "seed")
