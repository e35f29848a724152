"""The means that every row uses: the programs, the folder, progress, measured processes, interleaving."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.journals import Journals

T = TypeVar("T")
# Keeps the folder that the bench was called in, or that of worker.py, from becoming a place to import from.
ISOLATED = "-P"
WORKER = Path(__file__).with_name("worker.py")


class BenchError(Exception):
    """A measured program failed, or its answer is wrong: what it took says nothing."""


@dataclass(frozen=True, slots=True)
class Bench:
    """One call of ``scripts/bench``. ``quick`` makes every row run with next to nothing: it shows that the bench works."""

    folder: Path
    journals: Journals
    quick: bool

    def size(self, full: int, quick: int) -> int:
        return quick if self.quick else full

    def rounds(self, full: int) -> int:
        return 1 if self.quick else full


def say(text: str) -> None:
    """Progress, for people who wait."""
    print(f"bench: {text}", file=sys.stderr, flush=True)


def interleave(label: str, rounds: int, *contenders: Callable[[], T]) -> list[list[T]]:
    """The samples of each contender, taken in turns (A B A B), so that a machine that slows down slows all of them."""
    samples: list[list[T]] = [[] for _ in contenders]
    for number in range(rounds):
        say(f"{label}, round {number + 1} of {rounds}")
        for own, measure in zip(samples, contenders, strict=True):
            own.append(measure())
    return samples


def program(name: str, call: str) -> list[str]:
    """How to call an installed command of this interpreter; ``call`` is the Python that does the same where there is none."""
    script = Path(sysconfig.get_path("scripts")) / name
    return [str(script)] if script.exists() else [sys.executable, ISOLATED, "-c", call]


def without_fsync() -> None:
    """For journals and searches of which nobody measures how long they take to write: nothing need reach the disk."""
    for call in ("fsync", "fdatasync"):
        vars(os)[call] = lambda descriptor: None


def clean_environment() -> dict[str, str]:
    """The environment without what would point a measured program at somebody's own study."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("JOURNALTUNE_", "OPTUNA_", "JT_"))}


def timed(command: Sequence[str]) -> tuple[float, str]:
    """Milliseconds from start to end of a program, and what it printed. BenchError when it fails."""
    start = time.perf_counter()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=clean_environment(), check=False)
    taken_ms = (time.perf_counter() - start) * 1000
    if done.returncode:
        raise BenchError(f"{' '.join(command)} exited {done.returncode}: {done.stderr.strip()[-2000:]}")
    return taken_ms, done.stdout


def worker_command(what: str, *arguments: object) -> list[str]:
    return [sys.executable, ISOLATED, str(WORKER), what, *(str(argument) for argument in arguments)]


def measure(what: str, *arguments: object) -> dict[str, Any]:
    """One measurement of ``worker.py`` in a fresh process."""
    answer: dict[str, Any] = json.loads(timed(worker_command(what, *arguments))[1])
    return answer
