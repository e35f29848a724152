"""`journaltune run` beside `xargs -P`, GNU parallel, and Optuna with a subprocess in its objective: what a trial costs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.bench import ISOLATED, BenchError, clean_environment, interleave, program
from benchmarks.table import Bar, Line, shorter, within

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.bench import Bench

JOBS = 8
OPTUNA = Path(__file__).with_name("optuna_trainers.py")
# What a runner may add to a trial over a program that only starts processes, and need while trainers run.
MOST_MS, MOST_PERCENT, FLAT = 3.0, 2.0, 1.5


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one trial: wall time, and processor time of all processes together."""

    wall_ms: float
    cpu_ms: float


def no_op(bench: Bench, row: str) -> list[Line]:
    """Trials of a trainer that prints a number, eight at a time, each with its result on the disk."""
    trials = bench.size(1_000, 16)
    parallel = shutil.which("parallel")
    numbers = ["seq", str(trials)]
    contenders: list[Callable[[], Cost]] = [
        partial(_cost, bench, trials, _ours("run", "-n", str(trials), "-j", str(JOBS), "--sampler", "random", *_TRAINER)),
        partial(_cost, bench, trials, ["xargs", f"-P{JOBS}", "-n1", "echo"], numbers),
        partial(_cost, bench, trials, [sys.executable, ISOLATED, str(OPTUNA), str(trials), str(JOBS)]),
    ]
    if parallel:
        contenders.append(partial(_cost, bench, trials, [parallel, f"-j{JOBS}", "--joblog", "log", "echo"], numbers))
    ours, xargs, optuna, *others = interleave(f"{row}, {trials:,} trials", bench.rounds(3), *contenders)
    over = [max(mine.wall_ms - its.wall_ms, 1e-3) for mine, its in zip(ours, xargs, strict=True)]
    lines = [
        Line(row, "a trial, more than xargs -P", "ms", over, bar=Bar("<=", MOST_MS, "ms")),
        shorter(row, "a trial", "ms", _walls(ours), "xargs -P", _walls(xargs)),
        shorter(row, "processor time of a trial", "ms", [c.cpu_ms for c in ours], "xargs -P", [c.cpu_ms for c in xargs]),
        shorter(row, "a trial", "ms", _walls(ours), "Optuna + subprocess", _walls(optuna)),
    ]
    return [*lines, *(shorter(row, "a trial", "ms", _walls(ours), "GNU parallel", _walls(costs)) for costs in others)]


_TRAINER = ("--no-progress", "--", "echo", "{x: float(0, 1)}")


def _walls(costs: Sequence[Cost]) -> list[float]:
    return [cost.wall_ms for cost in costs]


def _ours(*arguments: str) -> list[str]:
    return [*program("journaltune", "import sys; from journaltune.cli import main; sys.exit(main(sys.argv[1:]))"), *arguments]


def _cost(bench: Bench, trials: int, command: list[str], feeding: list[str] | None = None) -> Cost:
    folder = tempfile.mkdtemp(dir=bench.folder)
    numbers = subprocess.run(feeding, stdout=subprocess.PIPE, check=True).stdout if feeding else b""
    before, start = os.times(), time.perf_counter()
    done = subprocess.run(command, cwd=folder, input=numbers, capture_output=True, env=clean_environment(), check=False)
    wall_s, after = time.perf_counter() - start, os.times()
    # The folder stays until the bench ends: ext4 looks past each inode that was deleted in the last seconds, file by file.
    if done.returncode:
        raise BenchError(f"{' '.join(command)} exited {done.returncode}: {done.stderr.decode(errors='replace')[-2000:]}")
    cpu_s = after.children_user + after.children_system - before.children_user - before.children_system
    return Cost(wall_s / trials * 1000, cpu_s / trials * 1000)


def idle(bench: Bench, row: str) -> list[Line]:
    """What both processes of a runner need of a core while sixteen trainers run."""
    seconds = bench.size(40, 4)
    shares = interleave(row, bench.rounds(3), partial(_share, bench, seconds), partial(_share, bench, seconds, "--memory", "1G"))
    bar = Bar("<=", MOST_PERCENT, "%")
    return [
        Line(row, "16 trainers that sleep", "%", shares[0], bar=bar),
        Line(row, "the same with --memory", "%", shares[1], bar=bar),
    ]


def _share(bench: Bench, seconds: float, *options: str) -> float:
    folder = tempfile.mkdtemp(dir=bench.folder)
    train = ["sh", "-c", f"sleep {seconds}; echo 1", "{x: float(0, 1)}"]
    command = _ours("run", "-n", "16", "-j", "16", "--no-progress", *options, "--", *train)
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as front:
        started = Path(folder, "study.journal.d", "trials", "000015", "stdout.log")
        while not started.exists():
            time.sleep(0.01)
        pids = [front.pid, *_children(front.pid)]
        before_s, start = sum(map(_cpu_s, pids)), time.perf_counter()
        time.sleep(seconds * 0.75)
        share = (sum(map(_cpu_s, pids)) - before_s) / (time.perf_counter() - start) * 100
    shutil.rmtree(folder)
    return max(share, 1e-3)


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(bench: Bench, row: str) -> list[Line]:
    """The runner's size when a thousand trials and when ten thousand have been run."""
    few, many = bench.size(1_000, 8), bench.size(10_000, 16)
    sizes = [_sizes(bench, few, many) for _ in range(bench.rounds(1))]
    return [
        within(
            row, f"the runner after {many:,} trials", "MiB", [s[1] for s in sizes], f"after {few:,}", [s[0] for s in sizes], FLAT
        )
    ]


def _sizes(bench: Bench, few: int, many: int) -> tuple[float, float]:
    """The largest size that the runner had while it ran the first few trials, and then up to many."""
    folder = tempfile.mkdtemp(dir=bench.folder)
    sizes = []
    for total in (few, many):
        command = _ours("run", "-n", str(total), "-j", str(JOBS), "--sampler", "random", *_TRAINER)
        with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as front:
            largest = 0
            while front.poll() is None:
                largest = max([largest, *map(_resident, _children_of(front.pid))])
                time.sleep(0.01)
        sizes.append(largest / 2**20)
    shutil.rmtree(folder)
    return sizes[0], sizes[1]


def _children_of(pid: int) -> list[int]:
    try:
        return _children(pid)
    except OSError:  # it ends right now
        return []


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0
