"""What the parts share: processes for the cores that there are, a child to spoil, what was found and is kept."""

from __future__ import annotations

import os
import pickle
import random
import select
import shutil
import signal
import time
import traceback
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tortures.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_Way = TypeVar("_Way")
_SHARE = 50  # so many runs are worth a process


def spread(n: int, work: Callable[[range, Path], Tally], folder: Path) -> Tally:
    """Do runs 0 to n-1, on every core; ``work`` gets its share of them, and a folder of its own.

    Which process does a run must not matter to it.
    """
    cores = max(1, min(len(os.sched_getaffinity(0)), n // _SHARE))
    shares = [range(core, n, cores) for core in range(cores)]
    folders = [folder / f"core{core}" for core in range(cores)]
    for own in folders:
        own.mkdir(parents=True, exist_ok=True)
    children = [Child(lambda at=at: work(shares[at], folders[at])) for at in range(cores)]  # type: ignore[misc]
    return sum((_tally_of(child, n) for child in children), Tally())


def _tally_of(child: Child, n: int) -> Tally:
    ended = child.end()
    if isinstance(ended.result, Tally):
        return ended.result
    return Tally(wrong=1, notes=[f"a process of the torture itself ended with {ended.status} within {n} runs: {ended.error}"])


class Ended:
    """How a child ended: its exit status (negative: a signal), what it returned, or the traceback; ``late`` if it was killed."""

    def __init__(self, status: int, result: Any, error: str, late: bool) -> None:
        self.status, self.result, self.error, self.late = status, result, error, late


class Child:
    """A forked process that runs ``body()`` and hands its result over: for what may spoil a process, hang, or die."""

    def __init__(self, body: Callable[[], Any]) -> None:
        read, write = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(read)
            _child(body, write)
        os.close(write)
        self._read = read

    def end(self, limit_s: float | None = None) -> Ended:
        """Wait for its end, ``limit_s`` at most; then it is killed."""
        parts: list[bytes] = []
        late = not _drain(self._read, parts, limit_s)
        if late:
            os.kill(self.pid, signal.SIGKILL)
        os.close(self._read)
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        try:
            result, error = pickle.loads(b"".join(parts))
        except Exception as failure:
            result, error = None, f"no result ({failure!r})"
        return Ended(status, result, error, late)


def _drain(fd: int, parts: list[bytes], limit_s: float | None) -> bool:
    """Read to the end; False when the time is up."""
    until = None if limit_s is None else time.monotonic() + limit_s
    while True:
        left = None if until is None else max(0.0, until - time.monotonic())
        if not select.select([fd], [], [], left)[0]:
            return False
        part = os.read(fd, 1 << 16)
        if not part:
            return True
        parts.append(part)


def _child(body: Callable[[], Any], write: int) -> None:
    status = 1
    try:
        try:
            answer: tuple[Any, str] = (body(), "")
            status = 0
        except BaseException:
            answer = (None, traceback.format_exc())
        with open(write, "wb") as pipe:
            pipe.write(pickle.dumps(answer))
    finally:  # the parent's code must not go on in the child
        os._exit(status)


def evenly(ways: Sequence[_Way], n: int) -> list[_Way]:
    """``n`` of the ways, one out of each of ``n`` equal parts; over and over where there are fewer.

    Not always the same place of a part: what comes in turns, such as the writers of a cut, would be chosen once for all.
    """
    if n >= len(ways):
        return [ways[index % len(ways)] for index in range(n)]
    ends = [index * len(ways) // n for index in range(n + 1)]
    return [ways[start + index * 7919 % (end - start)] for index, (start, end) in enumerate(pairwise(ends))]


def chance(seed: int, *place: object) -> random.Random:
    """Random numbers that depend on the seed and the run only."""
    return random.Random(":".join(map(str, (seed, *place))))


def keep(folder: Path, name: str, journal: Path, **texts: bytes) -> Path:
    """Keep a bad journal, what lies beside it, and more bytes by name, for whoever looks into it; the place."""
    place = findings(folder) / name
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    for source in (journal, Path(f"{journal}.d")):
        try:
            if source.is_dir():
                shutil.copytree(source, place / source.name, symlinks=True, ignore=_no_regular_file)
            elif source.is_file():
                shutil.copy(source, place / source.name)
        except (OSError, shutil.Error):  # what was planted there may not be read
            continue
    for text, data in texts.items():
        (place / text).write_bytes(data)
    return place


def _no_regular_file(folder: str, names: Iterable[str]) -> list[str]:
    """What would hang or fill the disk if it were copied: FIFOs, devices."""
    whole = ((name, Path(folder) / name) for name in names)
    return [name for name, path in whole if not (path.is_symlink() or path.is_file() or path.is_dir())]


def findings(folder: Path) -> Path:
    """Where what was found is kept, below the folder of the part."""
    while folder.name.startswith("core"):
        folder = folder.parent
    return folder / "findings"
