"""The command line of ``scripts/torture``: which parts, how much of each, and the table at the end."""

from __future__ import annotations

import argparse
import importlib
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from tortures.table import Line, render
from tortures.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

PARTS = ("cuts", "flips", "snapshots", "full_disk", "fuzz", "paths", "kills", "failpoints", "writers")


def main(arguments: Sequence[str]) -> int:
    """0: nothing lost, doubled or wrong; 1: something is, and its journal is kept below ``--folder``; 2: no such part."""
    options = _parser().parse_args(arguments)
    unknown = [part for part in options.parts if part not in PARTS]
    if unknown:
        say(f"no part {', '.join(unknown)}; there are: {' '.join(PARTS)}")
        return 2
    for part in options.parts or PARTS:
        load(part)  # what can't even be imported is known before an hour is spent
    folder = Path(options.folder or tempfile.mkdtemp(prefix="journaltune-torture-")).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    lines = [_torment(part, options.scale, options.seed, folder) for part in options.parts or PARTS]
    print(render(lines))
    if all(line.tally.clean for line in lines):
        if not options.folder:
            shutil.rmtree(folder, ignore_errors=True)
        return 0
    say(f"what was found is kept in {folder / 'findings'}")
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/torture",
        description="Breaks journals in every way that is known, and counts what is lost, doubled or wrong afterwards. "
        f"Parts: {' '.join(PARTS)}. All of them take about ten minutes on two cores.",
        epilog="example: scripts/torture cuts flips --scale 0.1",
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help="a part; all when none is given")
    parser.add_argument("--scale", type=_share, default=1.0, metavar="F", help="how much of each part (default 1: all of it)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of everything that is drawn (default 0)")
    parser.add_argument("--folder", metavar="DIR", help="where the journals go, and what was found stays")
    # Read by scripts/torture itself; here for --help.
    parser.add_argument("--python", metavar="PATH", help="the interpreter to use in place of .venv's")
    return parser


def _share(text: str) -> float:
    share = float(text)
    if not 0 < share < 1e6:
        raise argparse.ArgumentTypeError("a number above 0 is needed")
    return share


def _torment(part: str, scale: float, seed: int, folder: Path) -> Line:
    module = load(part)
    n = max(1, round(module.TARGET * scale))
    own = folder / part
    shutil.rmtree(own, ignore_errors=True)
    own.mkdir()
    say(f"{part}: {n:,} runs")
    began = time.monotonic()
    try:
        tally = module.run(n, seed, own, lambda text: say(f"{part}: {text}"))
    except Exception:
        tally = Tally(wrong=1, notes=[f"the part itself failed: {traceback.format_exc()}"])
    if (own / "findings").exists():
        shutil.copytree(own / "findings", folder / "findings" / part, dirs_exist_ok=True, symlinks=True)
    shutil.rmtree(own, ignore_errors=True)
    return Line(part, (module.__doc__ or "").partition("\n")[0].rstrip("."), tally, time.monotonic() - began)


def load(part: str) -> ModuleType:
    """The module of a part: its ``TARGET`` and its ``run(n, seed, folder, say) -> Tally``."""
    return importlib.import_module(f"tortures.{part}")


def say(text: str) -> None:
    print(f"torture: {text}", file=sys.stderr, flush=True)
