"""``scripts/bench --gains``: what the model of ``auto`` expects of the next ten trials, beside what they bring.

Both are of the best value; of a noisy problem, of the value without noise of the trial that the model recommends. The ratio is
that of both sums, in units of what random search has in the median trial, and the rank correlation is Spearman's.
"""

from __future__ import annotations

import argparse
import os
import random
import tempfile
from dataclasses import dataclass
from statistics import correlation, fmean
from typing import TYPE_CHECKING

from benchmarks.bench import say, without_fsync
from benchmarks.landscapes import ALL
from benchmarks.regrets import chosen, names_text, read, scale, write
from benchmarks.table import aligned

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

AFTER = (20, 40, 60, 100)


@dataclass(frozen=True, slots=True)
class Gain:
    """After so many trials of a search: what was expected of the next ten, and what they brought."""

    problem: str
    seed: int
    after: int
    expected: float | None
    realised: float


def searched(name: str, seed: int, folder: str, after: Sequence[int]) -> Iterator[Gain]:
    """One search by ``auto``, trial by trial."""
    import journaltune
    from journaltune.engine.recommend import present_outlook
    from journaltune.suggest.outlook import N_MORE

    problem, noise = ALL[name], random.Random(1000 + seed)
    study = journaltune.create_study(os.path.join(folder, f"{name}-{seed}.journal"), params=problem.params, seed=seed)
    expected: dict[int, float | None] = {}
    reached: dict[int, float] = {}
    for done in range(max(after) + N_MORE + 1):
        if done in after or done - N_MORE in after:
            best = study.recommended_trial if problem.noise else study.best_trial
            reached[done] = problem.regret(best.params)
            expected[done] = present_outlook(study._study).gain
        trial = study.ask()
        regret = problem.regret(trial.params)
        study.tell(trial, regret + noise.gauss(0, problem.noise) if problem.noise else regret)
    for done in after:
        yield Gain(name, seed, done, expected[done], reached[done] - reached[done + N_MORE])


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench --gains", description=__doc__)
    parser.add_argument("problems", nargs="*", metavar="PROBLEM", help=f"a problem or a kind of them: {names_text()}")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--after", default=",".join(map(str, AFTER)), metavar="N,N,...", help="after how many trials")
    parser.add_argument("--results", metavar="FILE", help="add to FILE what is not in it yet, and show what is in it")
    options = parser.parse_args(arguments)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when NumPy is loaded
    without_fsync()
    after = [int(text) for text in options.after.split(",")]
    with tempfile.TemporaryDirectory(prefix="journaltune-gains-") as folder:
        gains = list(_gains(options, after, folder))
    print(_table(gains, after))
    return 0


def _gains(options: argparse.Namespace, after: Sequence[int], folder: str) -> Iterator[Gain]:
    known = read(Gain, options.results)
    for name in chosen(options.problems):
        for seed in range(options.seeds):
            own = [gain for gain in known if (gain.problem, gain.seed) == (name, seed) and gain.after in after]
            if len(own) < len(after):
                say(f"{name}, seed {seed}")
                own = list(searched(name, seed, folder, after))
                write(options.results, own)
            yield from own


def _table(gains: Sequence[Gain], after: Sequence[int]) -> str:
    names = dict.fromkeys(gain.problem for gain in gains)
    rows: list[tuple[str, ...]] = [("expected / realised", *(f"at {number}" for number in after), "all")]
    rows += [_row(name, gains, after, _means, name) for name in names]
    rows.append(_row("ratio of the sums", gains, after, _ratio))
    rows.append(_row("rank correlation", gains, after, _rank_correlation))
    return "\n".join(aligned(rows, to_the_right=range(1, len(after) + 2)))


def _row(
    title: str, gains: Sequence[Gain], after: Sequence[int], of: Callable[[Sequence[Gain]], str], name: str | None = None
) -> tuple[str, ...]:
    own = [gain for gain in gains if gain.expected is not None and name in (None, gain.problem)]
    return (title, *(of([gain for gain in own if gain.after == number]) for number in after), of(own))


def _pairs(gains: Sequence[Gain]) -> list[tuple[float, float]]:
    """In units of the problem."""
    return [((gain.expected or 0.0) / scale(gain.problem)[0], gain.realised / scale(gain.problem)[0]) for gain in gains]


def _means(gains: Sequence[Gain]) -> str:
    if not gains:
        return ""
    return f"{fmean(gain.expected or 0.0 for gain in gains):.2g} / {fmean(gain.realised for gain in gains):.2g}"


def _ratio(gains: Sequence[Gain]) -> str:
    expected, realised = (sum(column) for column in zip(*_pairs(gains), strict=True)) if gains else (0.0, 0.0)
    return f"{expected / realised:.2f}" if realised > 0 else ""


def _rank_correlation(gains: Sequence[Gain]) -> str:
    columns = [_ranks(column) for column in zip(*_pairs(gains), strict=True)]
    return f"{correlation(*columns):.2f}" if columns and all(len(set(column)) > 1 for column in columns) else ""


def _ranks(values: Sequence[float]) -> list[float]:
    """Equal values share their mean rank."""
    ordered = sorted(values)
    return [ordered.index(value) + (ordered.count(value) - 1) / 2 for value in values]
