"""A disk that fills up at every byte and at every call: the old state or the new one, and the next call with room works

Three ways: a limit on file sizes, so that the kernel itself writes short; the package's own system calls made to fail one by
one; and a small file system that is really full, where this process may mount one. What was acknowledged before is there
afterwards, for us and for stock Optuna, and an error is one with exit code 7. An operation is never half done, unless it says
that it is in doubt; then the next command of any kind finds the old state or the new one, and so do those that were reading all
the while. The same call again gives the new one, once.
"""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from journaltune.base.errors import JournaltuneError, MachineError
from journaltune.engine.ask import ask
from journaltune.engine.create import delete
from journaltune.engine.enqueue import enqueue
from journaltune.engine.report import report
from journaltune.engine.tell import tell
from journaltune.journal import system
from journaltune.journal.journal import Journal
from journaltune.study.open_study import open_study
from journaltune.study.trials import trials
from tortures import journals, views
from tortures.calls import timeless
from tortures.machinery import Child, evenly, keep, spread
from tortures.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable

    from journaltune.study.open_study import OpenStudy

TARGET = 2_000
_CLONE_NEWNS, _MS_PRIVATE, _MS_REC = 0x20000, 1 << 18, 1 << 14
_WRITES = ("write", "pwrite")


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


def _save(path: Path) -> None:
    journal = Journal(str(path))
    journal.save_snapshot()
    journal.close()


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
    "save a snapshot": _save,
}


def run(n: int, seed: int, folder: Path, say: Callable[[str], None]) -> Tally:
    bases = [_Base(name, folder, seed) for name in _OPERATIONS]
    mounted = Child(lambda: _mount(folder, 1)).end(10).result or "no answer"
    small = max(1, n // 5) if mounted == "mounted" else 0
    faults = [_Fault(base, nth, kind) for base in bases for nth, kinds in base.calls for kind in kinds]
    faults = evenly(faults, min(len(faults), (n - small) // 2))
    limits = _shares([[_Limit(base, more) for more in base.rooms] for base in bases], n - small - len(faults))
    fitting = [_Limit(base, base.writes_bytes) for base in bases]  # not one byte is missing: these must go well
    chosen: list[_Limit | _Fault | _Small] = [*limits, *faults, *map(_Small, range(small)), *fitting]
    say(f"{len(limits)} file size limits, {len(faults)} failing calls, {small} full file systems")

    def work(share: range, own: Path) -> Tally:
        return sum((_run(chosen[index], seed, own) for index in share), Tally())

    tally = spread(len(chosen), work, folder)
    if not small:
        tally.note(f"no small file system could be mounted here ({mounted}), so none was filled")
    return tally


def _shares(ways: list[list[_Limit]], n: int) -> list[_Limit]:
    """``n`` of the limits, as many of each operation, however much it writes; all of those that have fewer."""
    share = -(-n // len(ways))
    while share < max(map(len, ways)) and sum(min(share, len(own)) for own in ways) < n:
        share += 1
    return evenly([limit for own in ways for limit in evenly(own, min(share, len(own)))], n)


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
        self.has_bytes = 0 if self.do is _save else len(self.journal or b"")
        written = Path(f"{path}.d", "snapshot") if self.do is _save else path
        self.writes_bytes = written.stat().st_size - self.has_bytes
        self.rooms = range(-1 if self.has_bytes else 0, self.writes_bytes)
        _next(path)
        self.new_and_next = _view(path)
        path = self.place(folder)
        _next(path)
        self.old_and_next = _view(path)

    def _rehearse(self, path: Path) -> list[tuple[int, tuple[str, ...]]]:
        """Do it with room enough. The places of its system calls that need room, and how each can find the disk full."""
        found, count = list[tuple[int, tuple[str, ...]]](), -1

        def fault(name: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
            nonlocal count
            count += 1
            if name != "unlink":
                found.append((count, _kinds(name, arguments)))
            return function(*arguments)

        system.fault = fault
        try:
            self.do(path)
        finally:
            system.fault = None
        return found

    def place(self, folder: Path) -> Path:
        path = folder / "s.journal"
        shutil.rmtree(f"{path}.d", ignore_errors=True)
        path.unlink(missing_ok=True)
        if self.journal is not None:
            path.write_bytes(self.journal)
        return path


def _kinds(name: str, arguments: tuple[Any, ...]) -> tuple[str, ...]:
    """How a call can find the disk full: it alone, with all from then on, or after a part of what it writes."""
    if name not in _WRITES:
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
        self.was_full = self.was_full or (name in _WRITES and answer < len(arguments[1]))
        return answer


def _view(path: Path) -> Any:
    """What the journal says, without times: those of new records differ. Nothing where there is no journal."""
    if not path.exists():
        return {}
    return _timeless(views.ours(path))


def _timeless(view: views.View) -> Any:
    return {name: [timeless(trial) for trial in trials] for name, trials in view.items()}


@dataclass(frozen=True)
class _Limit:
    """No file may grow beyond ``more`` bytes above what the journal has; with a snapshot, beyond ``more`` bytes."""

    base: _Base
    more: int

    @property
    def what(self) -> str:
        return f"{self.base.name} with room for {self.more} of {self.base.writes_bytes} bytes"

    def spoil(self) -> Callable[..., Any] | None:
        room = max(0, self.base.has_bytes + self.more)
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
        return None

    def mend(self) -> None:
        most = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))


@dataclass(frozen=True)
class _Fault:
    """The Nth system call that changes a file fails as on a full disk: it alone, all from then on, or after half of a write."""

    base: _Base
    nth: int
    kind: str

    @property
    def what(self) -> str:
        return f"{self.base.name} where call {self.nth} finds the disk full, {self.kind}"

    def spoil(self) -> Callable[..., Any] | None:
        count = -1

        def fault(name: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
            nonlocal count
            count += 1
            if count < self.nth or (count > self.nth and self.kind == "once") or name == "unlink":
                return function(*arguments)
            if count == self.nth and self.kind.startswith("short") and name in _WRITES:
                fd, data, *place = arguments
                whole = bytes(data).rfind(b"\n", 0, len(data) - 1) + 1
                return function(fd, data[: whole if whole and "last" in self.kind else len(data) // 2], *place)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        return fault

    def mend(self) -> None:
        """There is room again as soon as nobody calls the fault."""


@dataclass(frozen=True)
class _Small:
    """A file system of a few pages, filled by asks and tells until nothing more goes in."""

    number: int

    @property
    def what(self) -> str:
        return f"small file system {self.number}"


def _run(way: _Limit | _Fault | _Small, seed: int, folder: Path) -> Tally:
    tally, disk = Tally(), _Disk()
    path = folder / "s.journal"
    try:
        if isinstance(way, _Small):
            ended = Child(lambda: _fill(folder, seed, way.number)).end(60)
            found: list[tuple[str, str]] = ended.result if ended.status == 0 else [("wrong", ended.error)]
            disk.was_full = True  # it is filled until that is so
        else:
            path = way.base.place(folder)
            found = _spoilt(way, path, disk)
    except Exception as error:
        found = [("wrong", f"{type(error).__name__}: {error}")]
    tally.runs = int(disk.was_full)
    tally.counts = {"runs in which all that was written just fitted, not counted above": int(not disk.was_full)}
    for kind, text in found:
        setattr(tally, kind, getattr(tally, kind) + 1)
        tally.note(f"seed {seed}, {way.what}: {text}")
    if found:
        keep(folder, way.what.replace(" ", "-"), path)
    return tally


def _spoilt(way: _Limit | _Fault, path: Path, disk: _Disk) -> list[tuple[str, str]]:
    """Run the operation while there is no room, and again when there is."""
    base, problems, error = way.base, [], None
    reader = None if base.journal is None else Journal(str(path))
    disk.fault, system.fault = way.spoil(), disk
    try:
        base.do(path)
    except JournaltuneError as raised:
        error = raised
    finally:
        system.fault = None
        way.mend()
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


def _repeated(base: _Base, path: Path, after: Any) -> list[tuple[str, str]]:
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


def _continued(base: _Base, path: Path, after: Any, reader: Journal | None) -> list[tuple[str, str]]:
    """Another command comes first; then the same call again, where it had no effect."""
    _next(path)
    found = _view(path)
    if found not in ((base.new_and_next,) if after == base.new != base.old else (base.old_and_next, base.new_and_next)):
        return [("wrong", f"after the next command: {found}, where {after} was before")]
    if reader is not None:
        reader.sync()
        if _timeless(views.of_state(reader.state)) != found:
            return [("wrong", f"who had the journal open reads {_timeless(views.of_state(reader.state))} instead of {found}")]
    if found != base.new_and_next:
        base.do(path)
        if _view(path) != base.new_and_next:
            return [("wrong", f"with room again, after another command: {_view(path)} instead of {base.new_and_next}")]
    return _same_for_stock(path)


def _same_for_stock(path: Path) -> list[tuple[str, str]]:
    if path.exists() and views.stock(path) != views.ours(path):
        return [("wrong", "stock Optuna reads something else than we do")]
    return []


# -- a file system that is really full ----------------------------------------------------------------------------------


def _mount(folder: Path, pages: int) -> str:
    """Mount a file system of so many pages, for this process only; "mounted", or why not."""
    libc = ctypes.CDLL(None, use_errno=True)
    place = folder / "small"
    place.mkdir(exist_ok=True)
    if libc.unshare(_CLONE_NEWNS) != 0 or libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None) != 0:
        return os.strerror(ctypes.get_errno())
    if libc.mount(b"tmpfs", bytes(place), b"tmpfs", 0, f"size={pages * 4096}".encode()) != 0:
        return os.strerror(ctypes.get_errno())
    return "mounted"


def _fill(folder: Path, seed: int, number: int) -> list[tuple[str, str]]:
    """Ask and tell until the disk is full; then free some room and go on."""
    if _mount(folder, 6) != "mounted":
        return [("wrong", "it could be mounted before, and not now")]
    path, filler = folder / "small" / "s.journal", folder / "small" / "filler"
    filler.write_bytes(b"x" * 4096)
    study, told = journals.create(path, seed), {}
    enqueue(study, {"x": 0.5}, attrs={"pad": "p" * (number * 41 % 4096)})  # the page's end falls into other bytes
    refused = 0
    while refused < 3:
        try:
            trial = ask(study).number
            tell(study, trial, trial / 7, attrs={"k": "✓"})
            told[trial] = trial / 7
        except MachineError:
            refused += 1
            study = open_study(path) if refused == 2 else study
    problems = _missing(path, told)
    filler.unlink()
    trial = ask(study).number
    tell(study, trial, 0.5)
    return problems + _missing(path, {**told, trial: 0.5})


def _missing(path: Path, told: dict[int, float]) -> list[tuple[str, str]]:
    with open_study(path) as study:
        ours = {trial.number: trial.value for trial in trials(study)}
    problems = [("lost", f"trial {number}") for number, value in told.items() if ours.get(number) != value]
    if not told:
        problems.append(("wrong", "nothing could be told before the file system was full"))
    return problems + _same_for_stock(path)
