"""Trials a second in one process, each result on the disk before the next ask."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks.bench import BenchError, interleave, measure
from benchmarks.table import more

if TYPE_CHECKING:
    from benchmarks.bench import Bench, BenchError
    from benchmarks.table import Line


def rate(bench: Bench, row: str) -> list[Line]:
    """Sampler `random`, from an empty file, the same number of trials for each library."""
    trials = bench.size(1_000, 20)

    def run(name: str) -> dict[str, Any]:
        return measure("single", bench.journals.empty(), name, trials)

    ours, optuna, rustuna = interleave(row, bench.rounds(5), *(partial(run, name) for name in ("ours", "optuna", "rustuna")))
    unsynced = min(sample["fsyncs"] for sample in ours) < trials
    if unsynced:
        raise BenchError(f"{row}: journaltune told {trials} results with fewer fsyncs than that; the rate means nothing")
    mine = [sample["trials_per_s"] for sample in ours]
    what = f"one process, {trials:,} trials"
    return [
        more(row, what, "trials/s", mine, "JournalStorage", [sample["trials_per_s"] for sample in optuna], 15),
        more(row, what, "trials/s", mine, "Rustuna", [sample["trials_per_s"] for sample in rustuna], 5),
    ]
