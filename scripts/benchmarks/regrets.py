"""``scripts/bench --quality``: how good the trials of several samplers are beside those of Optuna's TPE, on paired seeds.

Regret is divided by what random search has in the median trial and clipped at 1e-4; differences are of its logarithm to base 10,
so that -1 is a regret ten times smaller. Errors are standard errors between problems.
"""

from __future__ import annotations

import argparse
import heapq
import json
import math
import os
import random
import tempfile
import time
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path
from statistics import fmean, median, stdev
from typing import TYPE_CHECKING, Any

from benchmarks.bench import say, without_fsync
from benchmarks.landscapes import ALL, LANDSCAPES
from benchmarks.table import aligned
from benchmarks.tables import is_missing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import TypeVar

    from benchmarks.problems import Problem
    from journaltune.space.rules import Rules

    T = TypeVar("T")

BASE = "optuna-tpe"
BUDGETS = (30, 60, 120, 300)
FLOOR = 1e-4


@dataclass(frozen=True, slots=True)
class Run:
    """One search: the regret of the best observed trial at each budget, and where results are noisy of the recommended one; how
    many failed; CPU time."""

    problem: str
    workers: int
    seed: int
    sampler: str
    budget: int
    regrets: dict[str, float]
    recommended: float | None
    failed: int
    ask_ms: float

    @property
    def key(self) -> tuple[str, int, int, str, int]:
        return self.problem, self.workers, self.seed, self.sampler, self.budget


class Ours:
    """A sampler of journaltune's, by name."""

    def __init__(self, folder: str, problem: Problem, seed: int, sampler: str) -> None:
        import journaltune

        path = os.path.join(folder, f"{time.monotonic_ns()}.journal")
        self._study = journaltune.create_study(path, params=problem.params, seed=seed, sampler=sampler)
        self.ask = self._study.ask

    def tell(self, trial: Any, value: float) -> None:
        self._study.tell(trial, value)

    def record(self, params: dict[str, Any], value: float | None) -> None:
        """A trial of another sampler's."""
        self._study.enqueue(params)
        self._study.tell(self._study.ask(), math.nan if value is None else value)

    def recommended(self) -> dict[str, Any]:
        return dict(self._study.recommended_trial.params)


class Theirs:
    """A sampler of Optuna's, in memory."""

    def __init__(self, folder: str, problem: Problem, seed: int, sampler: str) -> None:
        import optuna

        from journaltune.space import space_from_params

        self._like_it = partial(Ours, folder, problem, seed, "random")

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._space = space_from_params(problem.params)
        known = self._space.distributions.items()
        self._native = {name: optuna.distributions.json_to_distribution(each.to_json()) for name, each in known}
        kinds = {"optuna-tpe": "TPESampler", "optuna-gp": "GPSampler", "optuna-cmaes": "CmaEsSampler"}
        self._study = optuna.create_study(sampler=getattr(optuna.samplers, kinds[sampler])(seed=seed))
        rules = self._space.rules
        self.ask = partial(self._study.ask, self._native) if rules is None else partial(self._by_and_by, rules)

    def tell(self, trial: Any, value: float) -> None:
        self._study.tell(trial.number, value)

    def _by_and_by(self, rules: Rules) -> Any:
        """A trial whose parameters are asked for one by one, as an objective does where one decides whether there is another."""
        trial, values = self._study.ask(), dict[str, Any]()
        for step in rules.steps:
            if rules.is_present(step, values):
                values[step.name] = trial._suggest(step.name, self._native[step.name])
        return trial

    def recommended(self) -> dict[str, Any]:
        """By journaltune, of these trials."""
        ours = self._like_it()
        for trial in self._study.trials:
            ours.record(trial.params, trial.value)
        return ours.recommended()


def searched(name: str, workers: int, seed: int, sampler: str, budget: int, folder: str) -> Run:
    """One search with ``workers`` trials at a time, each of a drawn length; the lengths are the same for all samplers."""
    problem, noise = ALL[name], random.Random(1000 + seed)
    asking = (Theirs if sampler.startswith("optuna") else Ours)(folder, problem, seed, sampler)
    length = random.Random(seed).expovariate
    running: list[tuple[float, int, Any]] = []
    regrets: dict[str, float] = {}
    incumbent, best_told, failed, now, asked, cpu_s = scale(name)[1], math.inf, 0, 0.0, 0, 0.0
    while asked < budget or running:
        if asked < budget and len(running) < workers:
            start = time.process_time()
            trial = asking.ask()
            cpu_s += time.process_time() - start
            heapq.heappush(running, (now + 1 + length(1.0), asked, trial))
            asked += 1
            continue
        now, _, trial = heapq.heappop(running)
        regret = problem.regret(trial.params)
        told = regret + noise.gauss(0, problem.noise) if problem.noise else regret
        asking.tell(trial, told)
        failed += math.isnan(told)
        if told < best_told:
            incumbent, best_told = regret, told
        if asked - len(running) in budgets_to(budget):
            regrets[str(asked - len(running))] = incumbent
    regret_of_it = problem.regret(asking.recommended()) if problem.noise else None
    return Run(name, workers, seed, sampler, budget, regrets, regret_of_it, failed, 1e3 * cpu_s / budget)


@cache
def scale(name: str) -> tuple[float, float]:
    """Of 1000 random trials that don't fail: the median regret, and the worst one."""
    from journaltune.space import space_from_params

    problem, dice = ALL[name], random.Random(0)
    space = space_from_params(problem.params)
    columns = [{key: _drawn(known, dice) for key, known in space.distributions.items()} for _ in range(1000)]
    drawn = [space.decode(kept) for each in columns if (kept := space.settled(each)) is not None]
    known = [regret for params in drawn if not math.isnan(regret := problem.regret(params))]
    return median(known), max(known)


def _drawn(known: Any, dice: random.Random) -> float:
    if known.cardinality is not None:
        return float(known.value_at(dice.randrange(known.cardinality)))
    if known.log:
        return math.exp(dice.uniform(math.log(known.low), math.log(known.high)))
    return dice.uniform(known.low, known.high)


def budgets_to(last: int) -> list[int]:
    """After how many trials a search of ``last`` trials is judged."""
    return [*(budget for budget in BUDGETS if budget < last), last]


def digits_of(name: str, regret: float) -> float:
    """Of the regret: the logarithm of what is left of a random trial's."""
    return math.log10(max(regret / scale(name)[0], FLOOR))


def main(arguments: Sequence[str]) -> int:
    options = _parser().parse_args(arguments)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # for all samplers; read when NumPy is loaded
    with tempfile.TemporaryDirectory(prefix="journaltune-quality-") as folder:
        runs = list(_runs(options, folder))
    print("\n\n".join(_tables(runs, options)))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/bench --quality", description=__doc__)
    parser.add_argument("problems", nargs="*", metavar="PROBLEM", help=f"a problem or a kind of them: {names_text()}")
    parser.add_argument("--samplers", default="auto,random", help="names, and optuna-tpe, optuna-gp, optuna-cmaes")
    parser.add_argument("--workers", default="1,8")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--budget", type=int, default=120)
    parser.add_argument("--results", metavar="FILE", help="add to FILE what is not in it yet, and show what is in it")
    return parser


def _runs(options: argparse.Namespace, folder: str) -> Iterator[Run]:
    """Every search that is wanted; those in the file are taken from there."""
    without_fsync()
    known = {run.key: run for run in read(Run, options.results)}
    for name in chosen(options.problems):
        for workers in map(int, options.workers.split(",")):
            for seed in range(options.seeds):
                for sampler in dict.fromkeys([BASE, *options.samplers.split(",")]):
                    key = (name, workers, seed, sampler, options.budget)
                    if key not in known:
                        say(f"{name}, {workers} workers, seed {seed}, {sampler}")
                        known[key] = searched(*key, folder)
                        write(options.results, [known[key]])
                    yield known[key]


def names_text() -> str:
    return ", ".join([*LANDSCAPES, *ALL])


def chosen(wanted: Sequence[str]) -> Iterable[str]:
    """The problems that are wanted, by name or by kind; all when none is given."""
    unknown = [name for name in wanted if name not in ALL and name not in LANDSCAPES]
    if unknown:
        raise SystemExit(f"bench: there is no problem {unknown[0]!r}")
    names = [name for kind, problems in LANDSCAPES.items() for name in problems if not wanted or name in wanted or kind in wanted]
    missing = [name for name in names if is_missing(name)]
    if missing:
        say(f"without {', '.join(missing)}, whose library is not installed: pip install 'journaltune[bench]'")
    return dict.fromkeys(name for name in names if name not in missing)


def read(kind: Callable[..., T], path: str | None) -> list[T]:
    """What `write` left in the file; nothing where there is none."""
    if path is None or not Path(path).exists():
        return []
    return [kind(**json.loads(line)) for line in Path(path).read_text(encoding="utf-8").splitlines()]


def write(path: str | None, found: Sequence[Any]) -> None:
    """Add dataclasses to the file, a line each, if there is to be one."""
    if path is not None:
        with Path(path).open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(asdict(each)) + "\n" for each in found)


def _tables(runs: Sequence[Run], options: argparse.Namespace) -> Iterator[str]:
    """For each number of workers and sampler: each problem's difference to Optuna's TPE at each budget, and the mean."""
    base = {(run.problem, run.workers, run.seed): run for run in runs if run.sampler == BASE}
    for workers in map(int, options.workers.split(",")):
        for sampler in dict.fromkeys(options.samplers.split(",")):
            pairs = [
                (run, base[run.problem, run.workers, run.seed])
                for run in runs
                if run.workers == workers and run.sampler == sampler and sampler != BASE
            ]
            if pairs:
                yield f"{sampler} beside Optuna's TPE, {workers} workers\n" + _table(pairs, options.budget)
    noisy = [run for run in runs if ALL[run.problem].noise and run.recommended is not None]
    if noisy:
        yield "recommended trials beside best observed ones, where results are noisy\n" + _recommended(noisy, options.budget)


def _recommended(runs: Sequence[Run], last: int) -> str:
    rows: list[tuple[str, ...]] = [("problem", "workers", "trials of", f"at {last}")]
    found: dict[tuple[str, str, str], list[float]] = {}
    for run in runs:
        if run.recommended is not None:
            gained = digits_of(run.problem, run.recommended) - digits_of(run.problem, run.regrets[str(last)])
            found.setdefault((run.problem, str(run.workers), run.sampler), []).append(gained)
    return "\n".join(aligned([*rows, *((*group, _with_error(each)) for group, each in found.items())], to_the_right=(3,)))


def _table(pairs: Sequence[tuple[Run, Run]], last: int) -> str:
    budgets = budgets_to(last)
    rows: list[tuple[str, ...]] = [("problem", *(f"at {budget}" for budget in budgets), "failed", "theirs", "ms", "theirs")]
    names = dict.fromkeys(run.problem for run, _ in pairs)
    means: list[list[float]] = [[] for _ in budgets]
    for name in names:
        own = [pair for pair in pairs if pair[0].problem == name]
        cells = []
        for budget, mean in zip(budgets, means, strict=True):
            differences = [digits_of(name, a.regrets[str(budget)]) - digits_of(name, b.regrets[str(budget)]) for a, b in own]
            mean.append(fmean(differences))
            cells.append(_with_error(differences))
        totals = [fmean(getattr(pair[at], field) for pair in own) for field in ("failed", "ask_ms") for at in (0, 1)]
        rows.append((name, *cells, *(f"{total:.0f}" for total in totals)))
    rows.append((f"mean of {len(names)}", *map(_with_error, means), "", "", "", ""))
    return "\n".join(aligned(rows, to_the_right=range(1, 9)))


def _with_error(values: Sequence[float]) -> str:
    error = f" ± {stdev(values) / math.sqrt(len(values)):.2f}" if len(values) > 1 else ""
    return f"{fmean(values):+.2f}{error}"
