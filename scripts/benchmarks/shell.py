"""`ask` and `tell` from the shell, each a cold process, beside Optuna's command line and an interpreter that does nothing."""

from __future__ import annotations

import json
import random
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.bench import interleave, program, timed
from benchmarks.contenders import PARAMETERS, STUDY
from benchmarks.table import shorter, within

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from benchmarks.bench import Bench
    from benchmarks.table import Line

ROUNDS = {100: 21, 1_000: 15, 10_000: 7}
AT_LEAST = {100: 12.0, 1_000: 16.0, 10_000: 35.0}
# Ours take a fraction of Optuna's time; more of them in each round make their medians as steady.
OURS_EACH_ROUND = 3
# What counts as flat: the same to within what the medians of two equal commands differ by on a busy machine.
FLAT = 1.2


@dataclass(frozen=True, slots=True)
class Pair:
    """One `ask` and the `tell` of its trial."""

    ask_ms: float
    tell_ms: float

    @property
    def total_ms(self) -> float:
        return self.ask_ms + self.tell_ms


def _ours(path: Path, command: str, *arguments: str) -> tuple[float, str]:
    called = program("journaltune", "import sys; from journaltune.cli import main; sys.exit(main())")
    return timed([*called, command, "-f", str(path), *arguments])


def _optuna(path: Path, command: str, *arguments: str) -> tuple[float, str]:
    called = program("optuna", "import sys; from optuna.cli import main; sys.exit(main())")
    place = ["--storage", str(path), "--storage-class", "JournalFileBackend", "--study-name", STUDY]
    return timed([*called, command, *place, *arguments])


def _our_pair(path: Path) -> Pair:
    ask_ms, line = _ours(path, "ask")
    tell_ms, _ = _ours(path, "tell", str(json.loads(line)["number"]), repr(random.random()))
    return Pair(ask_ms, tell_ms)


def _optuna_pair(path: Path) -> Pair:
    attributes = {"step": None, "low": 0.0, "high": 1.0, "log": False}
    space = {name: {"name": "FloatDistribution", "attributes": attributes} for name in PARAMETERS}
    ask_ms, line = _optuna(path, "ask", "--format", "json", "--search-space", json.dumps(space))
    number = str(json.loads(line)["number"])
    tell_ms, _ = _optuna(path, "tell", "--trial-number", number, "--values", repr(random.random()))
    return Pair(ask_ms, tell_ms)


@dataclass(frozen=True, slots=True)
class Samples:
    """Cold calls of both programs, and how long an interpreter takes that does nothing."""

    ours: list[Pair]
    optuna: list[Pair]
    bare_ms: list[float]


def cold(bench: Bench, row: str, trials: int) -> list[Line]:
    """`ask` + `tell` with so many trials in the journal, each program on its own file, its default sampler (TPE)."""
    size = bench.size(trials, 5)
    samples = _cold_samples(bench, f"{row}, {size:,} trials", size, bench.rounds(ROUNDS[trials]))
    lines = _beside_optuna(row, f"at {size:,} trials", samples, AT_LEAST[trials])
    if trials == 100:
        ask, tell = [pair.ask_ms for pair in samples.ours], [pair.tell_ms for pair in samples.ours]
        lines.append(within(row, f"ask at {size:,} trials", "ms", ask, "python -c pass", samples.bare_ms, 4))
        lines.append(within(row, f"tell at {size:,} trials", "ms", tell, "python -c pass", samples.bare_ms, 3))
    return lines


def _cold_samples(bench: Bench, label: str, trials: int, rounds: int) -> Samples:
    ours_path, optuna_path = bench.journals.ours(trials, "tpe"), bench.journals.optuna(trials)
    # Writes our snapshot and brings both files and both programs into the page cache.
    _our_pair(ours_path)
    if not bench.quick:
        _optuna_pair(optuna_path)
    samples = Samples([], [], [])
    interleave(
        label,
        rounds,
        lambda: samples.ours.extend(_our_pair(ours_path) for _ in range(OURS_EACH_ROUND)),
        lambda: samples.optuna.append(_optuna_pair(optuna_path)),
        lambda: samples.bare_ms.extend(timed([sys.executable, "-c", "pass"])[0] for _ in range(OURS_EACH_ROUND)),
    )
    return samples


def _beside_optuna(row: str, at: str, samples: Samples, at_least: float) -> list[Line]:
    ours, theirs, peer = samples.ours, samples.optuna, "optuna CLI"
    both = [pair.total_ms for pair in ours], [pair.total_ms for pair in theirs]
    return [
        shorter(row, f"ask + tell {at}", "ms", both[0], peer, both[1], at_least),
        shorter(row, f"ask {at}", "ms", [pair.ask_ms for pair in ours], peer, [pair.ask_ms for pair in theirs]),
        shorter(row, f"tell {at}", "ms", [pair.tell_ms for pair in ours], peer, [pair.tell_ms for pair in theirs]),
    ]


def flat(bench: Bench, row: str) -> list[Line]:
    """`tell` at 10,000 and 100,000 trials beside `tell` at 100, on files whose sampler is `random`: a tell asks none."""
    sizes = [bench.size(full, quick) for full, quick in ((100, 5), (10_000, 10), (100_000, 20))]
    paths = [bench.journals.ours(size, "random") for size in sizes]
    for path in paths:
        _our_pair(path)
    rounds = bench.rounds(31)
    numbers = [iter(_ask_many(path, rounds)) for path in paths]
    samples = interleave(row, rounds, *(_teller(path, own) for path, own in zip(paths, numbers, strict=True)))
    small = samples[0]
    return [
        within(row, f"tell at {size:,} trials", "ms", taken, f"at {sizes[0]:,}", small, FLAT)
        for size, taken in zip(sizes[1:], samples[1:], strict=True)
    ]


def _ask_many(path: Path, count: int) -> list[str]:
    return [str(json.loads(line)["number"]) for line in _ours(path, "ask", "-n", str(count))[1].splitlines()]


def _teller(path: Path, numbers: Iterator[str]) -> Callable[[], float]:
    return lambda: _ours(path, "tell", next(numbers), repr(random.random()))[0]
