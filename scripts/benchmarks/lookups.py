"""Looking for a trial with the same parameters: our index beside the loop of Optuna's FAQ, from few trials to many."""

from __future__ import annotations

import json
import random
import time
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.bench import BenchError, interleave, measure, program, timed
from benchmarks.table import shorter, within

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.bench import Bench
    from benchmarks.table import Line

PEER = "the FAQ's loop"
SIZES = (500, 5_000, 50_000, 500_000)
SPACE = {"x": "float(0, 1)", "rate": "float(0, 1, step=0.01)", "opt": "adam | sgd | lion"}
OPTIMIZERS = ("adam", "sgd", "lion")
# What counts as flat: a look touches memory that a small study keeps in the processor's cache.
FLAT = 3
N_LOOKS, BATCH = 200, 1_000
LONG = 100_000  # trials that Optuna takes minutes to be given


def flat(bench: Bench, row: str) -> list[Line]:
    """A look in a study of each size, half of them for parameters that are there; and the cold command on the same journals."""
    sizes = [5, 10] if bench.quick else SIZES
    lines, ours_at, command_at = [], [], []
    for size in sizes:
        path = bench.journals.empty()
        measure("write_lookups", path, size)
        _command(path)  # leaves the keys in the snapshot
        ours, theirs, command = interleave(
            f"{row}, {size:,} trials",
            bench.rounds(3 if size < LONG else 1),
            partial(_looks, path, "ours", size),
            partial(_looks, path, "optuna", size),
            partial(_commands, path, bench.size(5, 1)),
        )
        lines.append(shorter(row, f"a look among {size:,} trials", "µs", ours, PEER, theirs))
        ours_at.append(ours)
        command_at.append(command)
    first = f"among {sizes[0]:,}"
    for size, ours, command in list(zip(sizes, ours_at, command_at, strict=True))[1:]:
        lines.append(within(row, f"a look among {size:,} trials", "µs", ours, first, ours_at[0], FLAT))
        lines.append(within(row, f"cold command among {size:,} trials", "ms", command, first, command_at[0], FLAT))
    return lines


def _looks(path: Path, who: str, size: int) -> float:
    answer = measure("lookups", path, who, size)
    if answer["found"] != N_LOOKS // 2:
        raise BenchError(f"{who} found {answer['found']} of {N_LOOKS // 2} parameter sets among {size} trials")
    return float(answer["microseconds"])


def _commands(path: Path, times: int) -> float:
    return median(_command(path) for _ in range(times))


def _command(path: Path) -> float:
    called = program("journaltune", "import sys; from journaltune.cli import main; sys.exit(main())")
    params = json.dumps(next(_drawn()))
    return timed([*called, "lookup", "-f", str(path), "--params", params])[0]


def _drawn() -> Iterator[dict[str, Any]]:
    """The parameters of one trial after the other, the same in every process."""
    dice = random.Random(7)
    while True:
        yield {"x": dice.random(), "rate": dice.randrange(101) / 100, "opt": dice.choice(OPTIMIZERS)}


# -- what the measured processes do ------------------------------------------------------------------------------------


def write(path: str, trials: str) -> dict[str, Any]:
    """A journal of finished trials, a record each. Nothing is measured on it yet."""
    import journaltune
    from journaltune.base import COMPLETE
    from journaltune.journal import records

    study = journaltune.create_study(path, params=SPACE, seed=1)._study
    drawn, left = _drawn(), int(trials)
    assert study.space is not None
    while left:
        batch = []
        for _ in range(min(left, BATCH)):
            internal = study.space.encode(next(drawn))
            record = records.create_trial(study.study_id, study.stored_distributions, internal, COMPLETE)
            batch.append({**record, "values": [internal["x"]], "datetime_complete": record["datetime_start"]})
        with study.journal.locked():
            study.journal.append(batch)
        left -= len(batch)
    study.close()
    return {}


def looks(path: str, who: str, trials: str) -> dict[str, Any]:
    """Median microseconds of a look, after a few that nobody times."""
    drawn, n_trials = _drawn(), int(trials)
    known = [next(drawn) for _ in range(n_trials)]
    look = _our_look(path) if who == "ours" else _faq_look(known)
    dice, taken, found = random.Random(3), [], 0
    for number in range(-4, N_LOOKS):
        wanted = dict(dice.choice(known)) if number % 2 else next(drawn)
        start = time.perf_counter()
        seen = look(wanted)
        taken.append((time.perf_counter() - start) * 1e6)
        found += seen and number >= 0
    return {"microseconds": median(taken[4:]), "found": found}


def _our_look(path: str) -> Any:
    import journaltune

    study = journaltune.load_study(path)
    return lambda params: bool(study.lookup(params, states=("complete",)))


def _faq_look(known: list[dict[str, Any]]) -> Any:
    """Optuna's FAQ, "How can I ignore duplicated samples?": trials with parameters are walked from the newest on."""
    import optuna
    from optuna.trial import TrialState

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(storage=optuna.storages.InMemoryStorage())
    distributions = {
        "x": optuna.distributions.FloatDistribution(0, 1),
        "rate": optuna.distributions.FloatDistribution(0, 1, step=0.01),
        "opt": optuna.distributions.CategoricalDistribution(OPTIMIZERS),
    }
    for params in known:
        study.add_trial(optuna.trial.create_trial(params=params, distributions=distributions, value=params["x"]))

    def look(params: dict[str, Any]) -> bool:
        considered = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        return any(previous.params == params for previous in reversed(considered))

    return look
