"""What a study of 100,000 trials adds to the peak resident set of the process that loads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.bench import interleave, measure
from benchmarks.table import shorter

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.bench import Bench
    from benchmarks.table import Line

HALF = 2.0


def loaded(bench: Bench, row: str) -> list[Line]:
    """The same file for both: loaded from our snapshot, without one, and with every trial listed as an object."""
    size = bench.size(100_000, 20)
    fresh = bench.journals.ours(size, "random")
    measure("opening", fresh, "ours")

    with_snapshot, without, listed, optuna = interleave(
        f"{row}, {size:,} trials",
        bench.rounds(3),
        lambda: _growth_mib(fresh, "ours", ""),
        lambda: _growth_mib(bench.journals.ours(size, "random"), "ours", ""),
        lambda: _growth_mib(fresh, "ours", "listed"),
        lambda: _growth_mib(fresh, "optuna", "listed"),
    )
    at = f"{size:,} trials loaded"
    return [
        shorter(row, f"{at}, fresh snapshot", "MiB", with_snapshot, "Optuna", optuna, HALF),
        shorter(row, f"{at}, no snapshot", "MiB", without, "Optuna", optuna, HALF),
        shorter(row, f"{at} and listed", "MiB", listed, "Optuna", optuna),
    ]


def _growth_mib(path: Path, name: str, listed: str) -> float:
    return float(measure("memory", path, name, listed)["bytes"]) / 2**20
