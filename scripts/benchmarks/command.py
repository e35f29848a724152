"""The command line of ``scripts/bench``: which rows, where, and the table at the end."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import (
    failures,
    fidelity,
    lookups,
    machine,
    memory,
    opening,
    parallel,
    quality,
    reports,
    serving,
    shell,
    single,
    storage,
    trainers,
)
from benchmarks.bench import Bench, BenchError, say
from benchmarks.journals import Journals
from benchmarks.table import render

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.table import Line

QUICK_TRIALS = 20


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the bench: ``trials`` is the longest prepared journal that it reads."""

    trials: int
    run: Callable[[Bench, str], list[Line]]


ROWS = {
    "shell-100": Row(100, partial(shell.cold, trials=100)),
    "shell-1000": Row(1_000, partial(shell.cold, trials=1_000)),
    "shell-10000": Row(10_000, partial(shell.cold, trials=10_000)),
    "shell-flat": Row(100_000, shell.flat),
    "report": Row(0, reports.beside_tell),
    "single": Row(0, single.rate),
    "parallel-50ms": Row(0, partial(parallel.workers, sampler="random", sleep_s=0.05, bars=parallel.Bars(3, 30, 15, 1.5))),
    "parallel-none": Row(0, partial(parallel.workers, sampler="random", sleep_s=0.0, bars=parallel.Bars(5, 8, None, 1.5))),
    "parallel-tpe": Row(0, partial(parallel.workers, sampler="tpe", sleep_s=0.05, bars=parallel.Bars())),
    "open-10000": Row(10_000, partial(opening.opened, trials=10_000)),
    "open-100000": Row(100_000, partial(opening.opened, trials=100_000)),
    "quality-alone": Row(0, partial(quality.compared, workers=1)),
    "quality-8": Row(0, partial(quality.compared, workers=8)),
    "pruning": Row(0, fidelity.reached),
    "lookup": Row(0, lookups.flat),
    "failures": Row(0, failures.taught),
    "memory": Row(100_000, memory.loaded),
    "run-none": Row(0, trainers.no_op),
    "run-idle": Row(0, trainers.idle),
    "run-memory": Row(0, trainers.memory),
    "serve-pair": Row(1_000, serving.pairs),
    "serve-clients": Row(1_000, serving.clients),
    "serve-memory": Row(1_000, serving.memory),
    "storage-open": Row(10_000, storage.opened),
    "storage-parallel": Row(0, storage.workers),
}


def main(arguments: Sequence[str]) -> int:
    """0: every bar that was measured is met; 1: one is missed; 2: no table. ``--quick`` says nothing about speed: 0."""
    if "--quality" in arguments:
        from benchmarks import regrets

        return regrets.main([argument for argument in arguments if argument != "--quality"])
    if "--gains" in arguments:
        from benchmarks import gains

        return gains.main([argument for argument in arguments if argument != "--gains"])
    options = _parser().parse_args(arguments)
    names = _chosen(options.rows)
    if names is None:
        print(f"bench: no such row among {' '.join(options.rows)}; there are: {' '.join(ROWS)}", file=sys.stderr)
        return 2
    if stale := machine.stale_files():
        say(f"the installed journaltune differs from this tree ({', '.join(stale[:3])}): scripts/quickstart installs it again")
    folder = Path(tempfile.mkdtemp(prefix="journaltune-bench-", dir=options.dir or machine.disk_folder()))
    try:
        lines, described = _run(names, folder, options.quick)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{described}\n\n{render(lines)}")
    if options.json:
        _write_json(Path(options.json), described, lines)
    return 0 if options.quick or all(line.met is not False for line in lines) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Measures journaltune beside Optuna and Rustuna: medians of interleaved runs, 10 float parameters. "
        f"Rows: {' '.join(ROWS)}. All of them take a quarter of an hour; leave the machine alone meanwhile.",
        epilog="example: scripts/bench shell-100 parallel",
    )
    parser.add_argument("rows", nargs="*", metavar="ROW", help="a row, or the first words of several; all when none is given")
    parser.add_argument("--quick", action="store_true", help="hardly any trials: shows that every row runs, not how fast")
    parser.add_argument("--json", metavar="FILE", help="also write every sample to FILE")
    parser.add_argument("--dir", metavar="FOLDER", help="where the journals go: a disk, so that an fsync costs what it does")
    # These two are read before this parser is asked; here for --help.
    parser.add_argument("--quality", action="store_true", help="compare samplers by their trials instead; see --quality --help")
    parser.add_argument("--gains", action="store_true", help="what the model expects of more trials, beside what they bring")
    parser.add_argument("--python", metavar="PATH", help="the interpreter to measure with, in place of .venv's")
    return parser


def _chosen(wanted: Sequence[str]) -> list[str] | None:
    """Names of rows in the order of the table; None when something wanted is no row."""
    found = {want: {name for name in ROWS if name == want or name.startswith(f"{want}-")} for want in wanted}
    if not all(found.values()):
        return None
    return [name for name in ROWS if not wanted or any(name in names for names in found.values())]


def _run(names: Sequence[str], folder: Path, quick: bool) -> tuple[list[Line], str]:
    most_trials = QUICK_TRIALS if quick else max(ROWS[name].trials for name in names)
    bench = Bench(folder, Journals(folder, most_trials), quick)
    described, others = machine.describe(folder), machine.Others()
    lines: list[Line] = []
    for name in names:
        lines += ROWS[name].run(bench, name)
    return lines, f"{described}\n{others.line()}"


def _write_json(path: Path, described: str, lines: Sequence[Line]) -> None:
    rows = [asdict(line) | {"met": line.met} for line in lines]
    path.write_text(json.dumps({"machine": described.splitlines(), "rows": rows}, indent=1) + "\n", encoding="utf-8")
