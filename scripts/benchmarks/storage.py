"""``journaltune.storage`` beside Optuna's own ``JournalStorage``: opening a journal, and processes that share one."""

from __future__ import annotations

import json
import shutil
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.bench import ISOLATED, BenchError, interleave, timed
from benchmarks.parallel import percentile, race
from benchmarks.table import more, shorter

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.bench import Bench
    from benchmarks.table import Line

PEER = "JournalStorage"
WORKER = Path(__file__).with_name("storage_worker.py")
WITH_SNAPSHOT, WITHOUT_SNAPSHOT = 5.0, 1.5


def opened(bench: Bench, row: str) -> list[Line]:
    """From a started interpreter to an Optuna study whose trials and best value are known, on our records and on Optuna's."""
    size = bench.size(10_000, 10)
    fresh, bare = bench.journals.ours(size, "random"), bench.journals.ours(size, "random")
    native, native_bare = bench.journals.optuna(size), bench.journals.optuna(size)
    for path in (fresh, native):  # the first to open it leaves the snapshot
        _measure("opening", path, "ours")
    samples = interleave(
        f"{row}, {size:,} trials",
        bench.rounds(5),
        partial(_measure, "opening", fresh, "ours"),
        _without_snapshot(bare),
        partial(_measure, "opening", fresh, "optuna"),
        partial(_measure, "opening", native, "ours"),
        _without_snapshot(native_bare),
        partial(_measure, "opening", native, "optuna"),
    )
    _check_alike(row, size, [sample for own in samples for sample in own])
    ours, ours_bare, theirs, native_ours, native_ours_bare, native_theirs = (
        [s["seconds"] * 1000 for s in own] for own in samples
    )
    return [
        shorter(row, "our records, fresh snapshot", "ms", ours, PEER, theirs, WITH_SNAPSHOT),
        shorter(row, "our records, no snapshot", "ms", ours_bare, PEER, theirs, WITHOUT_SNAPSHOT),
        shorter(row, "Optuna's records, fresh snapshot", "ms", native_ours, PEER, native_theirs, WITH_SNAPSHOT),
        shorter(row, "Optuna's records, no snapshot", "ms", native_ours_bare, PEER, native_theirs, WITHOUT_SNAPSHOT),
    ]


def workers(bench: Bench, row: str) -> list[Line]:
    """Eight processes in ``study.optimize`` with ten floats drawn at random, for a fixed time from a common start."""
    ours, theirs = interleave(row, bench.rounds(3), partial(_window, bench, "ours"), partial(_window, bench, "optuna"))
    return [
        more(row, "throughput", "trials/s", [rate for rate, _, _ in ours], PEER, [rate for rate, _, _ in theirs], 1.5),
        shorter(row, "median of a trial", "ms", [p50 for _, p50, _ in ours], PEER, [p50 for _, p50, _ in theirs]),
        shorter(row, "p99 of a trial", "ms", [p99 for _, _, p99 in ours], PEER, [p99 for _, _, p99 in theirs], 3),
    ]


def _window(bench: Bench, name: str) -> tuple[float, float, float]:
    """Trials a second, median and p99 of a trial's milliseconds."""
    count, length_s = bench.size(8, 2), 0.3 if bench.quick else 6.0
    path = bench.journals.empty()
    _measure("create", path, name)
    answers = race(_command("optimize", path, name), count, length_s)
    taken = sorted(trial_s * 1000 for answer in answers for trial_s in answer["trial_s"])
    return sum(answer["trials"] for answer in answers) / length_s, percentile(taken, 50), percentile(taken, 99)


def _command(what: str, path: Path, name: str) -> list[str]:
    return [sys.executable, ISOLATED, str(WORKER), what, str(path), name]


def _measure(what: str, path: Path, name: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(timed(_command(what, path, name))[1])
    return answer


def _without_snapshot(path: Path) -> Callable[[], dict[str, Any]]:
    def measured() -> dict[str, Any]:
        shutil.rmtree(path.with_name(path.name + ".d"), ignore_errors=True)
        return _measure("opening", path, "ours")

    return measured


def _check_alike(row: str, trials: int, samples: list[dict[str, Any]]) -> None:
    """A fast answer that is another answer is worth nothing."""
    seen = {(sample["trials"], sample["best"]) for sample in samples}
    if len(seen) != 1 or next(iter(seen))[0] != trials:
        raise BenchError(f"{row}: expected {trials} trials and one best value, but the storages saw {sorted(seen)}")
