"""`report` beside `tell`, each a cold process, in a study of many trials of many steps: what it costs to ask a pruner."""

from __future__ import annotations

import json
import random
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.bench import interleave, program, timed
from benchmarks.table import within

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.bench import Bench
    from benchmarks.table import Line

PRUNERS: dict[str, dict[str, float]] = {
    "median": {},
    "percentile": {"percentile": 25},
    "threshold": {"upper": 0.9},
    "halving": {},
}
MOST = 1.3
STEPS, ROUNDS = 100, 21
_RUNGS = 4  # that successive halving has noted of each trial


def beside_tell(bench: Bench, row: str) -> list[Line]:
    """With each pruner that decides without Optuna and NumPy."""
    trials, rounds = bench.size(10_000, 20), bench.rounds(ROUNDS)
    lines = []
    for pruner, options in PRUNERS.items():
        path = _journal(bench, pruner, options, trials)
        asked = _ours(path, "ask", "-n", str(2 * rounds + 2))[1].splitlines()
        numbers = (str(json.loads(line)["number"]) for line in asked)
        for call in (_report, _tell):  # one of them leaves the snapshot
            call(path, numbers)
        reports, tells = interleave(
            f"{row}, {pruner}, {trials:,} trials of {STEPS} steps",
            rounds,
            partial(_report, path, numbers),
            partial(_tell, path, numbers),
        )
        lines.append(within(row, f"report with {pruner} at {trials:,} trials", "ms", reports, "tell", tells, MOST))
    return lines


def _report(path: Path, numbers: Iterator[str]) -> float:
    """A value that goes on with every pruner: no other is as good."""
    return _ours(path, "report", next(numbers), "70", "-1")[0]


def _tell(path: Path, numbers: Iterator[str]) -> float:
    return _ours(path, "tell", next(numbers), "0.5")[0]


def _ours(path: Path, command: str, *arguments: str) -> tuple[float, str]:
    called = program("journaltune", "import sys; from journaltune.cli import main; sys.exit(main())")
    return timed([*called, command, "-f", str(path), *arguments])


def _journal(bench: Bench, pruner: str, options: dict[str, float], trials: int) -> Path:
    """A study whose trials have reported a falling loss, as another program records such trials."""
    import journaltune

    path, dice = bench.folder / f"{pruner}.journal", random.Random(1)
    with journaltune.create_study(
        path, params={"x": "float(0, 1)"}, sampler="random", seed=1, pruner=pruner, pruner_options=options
    ) as study:
        (distribution,) = study._study.stored_distributions.values()
    with path.open("a", encoding="utf-8") as file:
        for _ in range(trials):
            value = dice.random()
            steps = {str(step): value + 1 / (step + 1) + 0.01 * dice.random() for step in range(STEPS)}
            rungs = {f"completed_rung_{rung}": value for rung in range(_RUNGS)} if pruner == "halving" else {}
            trial = {"op_code": 4, "worker_id": "bench", "study_id": 0, "state": 1, "values": [value], "params": {"x": value}}
            trial |= {"distributions": {"x": distribution}, "user_attrs": {}, "system_attrs": rungs, "intermediate_values": steps}
            trial |= {"datetime_start": "2026-01-01T00:00:00", "datetime_complete": "2026-01-01T00:00:01"}
            file.write(json.dumps(trial, separators=(",", ":")) + "\n")
    return path
