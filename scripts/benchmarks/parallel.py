"""Many processes on one journal: throughput, how long an ask makes its worker wait, and whether every worker gets its share."""

from __future__ import annotations

import json
import math
import subprocess
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks.bench import BenchError, clean_environment, interleave, measure, worker_command
from benchmarks.table import Bar, Line, more, shorter

if TYPE_CHECKING:
    from benchmarks.bench import Bench, BenchError

PEER = "JournalStorage"


@dataclass(frozen=True, slots=True)
class Bars:
    """What a row of this file has to reach; what is None is for information."""

    throughput: float | None = None
    p99: float | None = None
    p99_ms: float | None = None
    spread: float | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """What the workers of one journal did between two moments of one clock."""

    trials_per_s: float
    p50_ask_ms: float
    p99_ask_ms: float
    slowest: int
    fastest: int

    @property
    def spread(self) -> float:
        return self.fastest / self.slowest if self.slowest else math.inf


def workers(bench: Bench, row: str, sampler: str, sleep_s: float, bars: Bars) -> list[Line]:
    """Sixteen workers that ask, sleep as long as the trial takes, and tell, for a fixed time from a common start."""
    run = partial(_window, bench, sampler, sleep_s)
    ours, optuna = interleave(row, bench.rounds(3), lambda: run("ours"), lambda: run("optuna"))
    mine, theirs = [window.p99_ask_ms for window in ours], [window.p99_ask_ms for window in optuna]
    rates = [window.trials_per_s for window in ours], [window.trials_per_s for window in optuna]
    medians = [window.p50_ask_ms for window in ours], [window.p50_ask_ms for window in optuna]
    lines = [
        more(row, "throughput", "trials/s", rates[0], PEER, rates[1], bars.throughput),
        shorter(row, "median of ask", "ms", medians[0], PEER, medians[1]),
        shorter(row, "p99 of ask", "ms", mine, PEER, theirs, bars.p99),
    ]
    if bars.p99_ms is not None:
        lines.append(Line(row, "p99 of ask", "ms", mine, bar=Bar("<=", bars.p99_ms, "ms")))
    spread = [window.spread for window in ours], [window.spread for window in optuna]
    what = "trials of the fastest worker to the slowest's"
    lines.append(Line(row, what, "", spread[0], PEER, spread[1], bar=Bar("<=", bars.spread, "") if bars.spread else None))
    return lines


def _window(bench: Bench, sampler: str, sleep_s: float, name: str) -> Window:
    count, length_s = bench.size(16, 2), 0.3 if bench.quick else 6.0
    path = bench.journals.empty()
    measure("create", path, name, sampler)
    return _summary(race(worker_command("parallel", path, name, sampler, sleep_s), count, length_s), length_s)


def race(command: list[str], count: int, length_s: float) -> list[dict[str, Any]]:
    """Starts ``count`` workers, waits until every one is ready, then gives all of them the same window; their answers."""
    pipe, environment = subprocess.PIPE, clean_environment()
    started = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment) for _ in range(count)]
    try:
        return _answers(started, length_s)
    finally:
        for process in started:
            process.kill()
            process.wait()


def _answers(started: list[subprocess.Popen[str]], length_s: float) -> list[dict[str, Any]]:
    for process in started:
        _read(process)  # its "ready"
    start = time.monotonic() + 0.3
    for process in started:
        _write(process, f"{start!r} {start + length_s!r}\n")
    return [json.loads(_read(process)) for process in started]


def _read(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise BenchError("a parallel worker ended without its answer; its own error is above")
    return line


def _write(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(line)
    process.stdin.flush()


def _summary(answers: list[dict[str, Any]], length_s: float) -> Window:
    told = [answer["trials"] for answer in answers]
    asks = sorted(ask_s * 1000 for answer in answers for ask_s in answer["ask_s"])
    return Window(sum(told) / length_s, percentile(asks, 50), percentile(asks, 99), min(told), max(told))


def percentile(ordered: list[float], percent: int) -> float:
    """Nearest rank: an observed value, the smallest that so many percent do not exceed."""
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]
