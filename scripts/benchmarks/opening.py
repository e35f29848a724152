"""From a started interpreter to a study whose trials and best value are known."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

from benchmarks.bench import BenchError, interleave, measure
from benchmarks.table import shorter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benchmarks.bench import Bench, BenchError
    from benchmarks.table import Line

AT_LEAST = {10_000: 30.0, 100_000: 50.0}
WITHOUT_SNAPSHOT = 3.0
ROUNDS = {10_000: 7, 100_000: 3}
PEER = "Optuna's replay"


def opened(bench: Bench, row: str, trials: int) -> list[Line]:
    """Our file opened by us (with and without its snapshot) and by Optuna, and Optuna's own file by Optuna."""
    size = bench.size(trials, 10 if trials == 10_000 else 20)
    fresh, bare, native = bench.journals.ours(size, "random"), bench.journals.ours(size, "random"), bench.journals.optuna(size)
    # The first to open it leaves the snapshot.
    measure("opening", fresh, "ours")
    label, rounds = f"{row}, {size:,} trials", bench.rounds(ROUNDS[trials])
    with_snapshot, without, same = interleave(
        label,
        rounds,
        lambda: measure("opening", fresh, "ours"),
        _without_snapshot(bare),
        lambda: measure("opening", fresh, "optuna"),
    )
    # For information, and slow: fewer of them, after the others.
    (own,) = interleave(f"{label}, Optuna's own file", bench.rounds(rounds // 3), lambda: measure("opening", native, "optuna"))
    _check_alike(row, size, [*with_snapshot, *without, *same, *own])
    at = f"{size:,} trials"
    return [
        shorter(row, f"{at}, fresh snapshot", "ms", _ms(with_snapshot), PEER, _ms(same), AT_LEAST[trials]),
        shorter(row, f"{at}, no snapshot", "ms", _ms(without), PEER, _ms(same), WITHOUT_SNAPSHOT),
        shorter(row, f"{at}, fresh snapshot", "ms", _ms(with_snapshot), f"{PEER} of its own file", _ms(own)),
        shorter(row, f"{at}, no snapshot", "ms", _ms(without), f"{PEER} of its own file", _ms(own)),
    ]


def _without_snapshot(path: Path) -> Callable[[], dict[str, Any]]:
    def measured() -> dict[str, Any]:
        shutil.rmtree(path.with_name(path.name + ".d"), ignore_errors=True)
        return measure("opening", path, "ours")

    return measured


def _ms(samples: list[dict[str, Any]]) -> list[float]:
    return [sample["seconds"] * 1000 for sample in samples]


def _check_alike(row: str, trials: int, samples: list[dict[str, Any]]) -> None:
    """A fast answer that is another answer is worth nothing."""
    seen = {(sample["trials"], sample["best"]) for sample in samples}
    if len(seen) != 1 or next(iter(seen))[0] != trials:
        raise BenchError(f"{row}: expected {trials} trials and one best value, but the libraries saw {sorted(seen)}")
