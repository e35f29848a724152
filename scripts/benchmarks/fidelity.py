"""What pruning saves: how long `run` takes to reach a loss with a real trainer, with `--pruner hyperband` and without.

The trainer is the neural network in C of ``examples/c``, on scikit-learn's digits, for 243 epochs. Most of the space is bad. Both
search at random, as Hyperband's authors do, so that all that is saved is the pruner's.
"""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.bench import BenchError, clean_environment, interleave, program
from benchmarks.table import shorter

if TYPE_CHECKING:
    from benchmarks.bench import Bench
    from benchmarks.table import Line

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SEEDS, EPOCHS, TARGET, MOST_TRIALS = 20, 243, 0.08, 2000
HALF = 2.0
SPACE = {
    "lr": "log(1e-5, 10)",
    "momentum": "float(0, 0.999)",
    "l2": "log(1e-7, 1)",
    "batch": "int(8, 512, log)",
    "hidden": "int(8, 64, log)",
    "activation": "relu | tanh",
}


@dataclass(frozen=True, slots=True)
class Reached:
    """What it took to reach the loss: infinite where it was not reached."""

    wall_s: float
    cpu_s: float


def reached(bench: Bench, row: str) -> list[Line]:
    """The same seeds with and without, in turns."""
    folder = _trainer(bench)
    ends = (partial(_search, bench, folder, seeds, options) for seeds, options in zip((count(), count()), _ARMS, strict=True))
    pruned, whole = interleave(f"{row}, a loss of {TARGET}", bench.size(SEEDS, 1), *ends)
    what = f"to a loss of {TARGET}"
    wall = [each.wall_s for each in pruned], [each.wall_s for each in whole]
    cpu = [each.cpu_s for each in pruned], [each.cpu_s for each in whole]
    return [
        shorter(row, f"time {what}", "s", wall[0], "without", wall[1], HALF),
        shorter(row, f"processor time {what}", "s", cpu[0], "without", cpu[1], HALF),
    ]


def _trainer(bench: Bench) -> Path:
    """A folder with the trainer and its data."""
    folder = Path(tempfile.mkdtemp(dir=bench.folder))
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        raise BenchError("the trainer of this row is written in C: install a compiler, or name it with CC")
    calls = (
        [compiler, "-O2", "-o", "train", str(EXAMPLES / "c" / "train.c"), "-lm"],
        [sys.executable, str(EXAMPLES / "data.py"), "digits", "digits.csv"],
    )
    for call in calls:
        done = subprocess.run(call, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BenchError(f"{' '.join(call)} exited {done.returncode}: {done.stderr.strip()[-2000:]}")
    return folder


_HYPERBAND = ("--pruner", "hyperband", "--pruner-option", f"max_resource={EPOCHS}")
_ARMS: tuple[tuple[str, ...], ...] = (_HYPERBAND, ())


def _search(bench: Bench, folder: Path, seeds: count[int], options: tuple[str, ...]) -> Reached:
    seed = next(seeds)
    journal = f"{'pruned' if options else 'whole'}-{seed}.journal"
    epochs, target, trials = (EPOCHS, TARGET, MOST_TRIALS) if not bench.quick else (3, 100.0, 2)
    train = [f"{name}={{{name}: {spec}}}" for name, spec in SPACE.items()]
    trainer = ["--", "./train", *train, "seed=1", "metric=loss", "report=1", f"epochs={epochs}", "digits.csv"]
    search = ["--sampler", "random", "--seed", str(seed), "--study", f"seed {seed}", "--minimize", "loss", *options]
    called = program("journaltune", "import sys; from journaltune.cli import main; sys.exit(main(sys.argv[1:]))")
    command = [*called, "run", "-f", journal, "-n", str(trials), "--target", str(target), "--no-progress", *search, *trainer]
    before, start = os.times(), time.perf_counter()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=clean_environment(), check=False)
    wall_s, after = time.perf_counter() - start, os.times()
    if done.returncode:
        raise BenchError(f"{' '.join(command)} exited {done.returncode}: {done.stderr.strip()[-2000:]}")
    if "which is as good as its target" not in done.stderr:
        return Reached(math.inf, math.inf)
    return Reached(wall_s, after.children_user + after.children_system - before.children_user - before.children_system)
