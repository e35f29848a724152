"""Random draws are distributed as those of Optuna's ``RandomSampler``, for every kind of distribution, and TPE's as its TPE's."""

from __future__ import annotations

import functools
import random
import warnings
from bisect import bisect
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import BaseDistribution, json_to_distribution
from optuna.samplers import RandomSampler, TPESampler
from optuna.trial import create_trial

from journaltune import create_study
from journaltune.base import MINIMIZE
from journaltune.space import Distribution, parse_spec
from journaltune.study import OpenStudy
from journaltune.suggest.history import History
from journaltune.suggest.samplers import make
from journaltune.suggest.samplers.from_rustuna import RustStudy, rust

N_DRAWS = 800
MOST_VALUES, N_CELLS = 31, 8
# Ranges whose upper end a division of floats misses, and ints on a log scale, whose ends have shares of their own.
LOST_TOPS = (
    "float(0, 0.7, step=0.1)",
    "float(0.8, 1.0, step=0.1)",
    "float(0, 0.3, step=0.1)",
    "float(0, 0.6, step=0.1)",
    "float(0, 1.2, step=0.2)",
    "float(0, 1.9, step=0.1)",
    "float(0, 0.15, step=0.05)",
    "float(0.1, 0.7, step=0.2)",
    "float(-1, 1, step=0.2)",
    "float(0.86, 0.98, step=0.02)",
    "float(0, 0.1, step=0.1)",
    "float(0, 3e-13, step=1e-13)",
)
LOG_INTS = ("int(1, 8, log)", "int(1, 2, log)", "int(3, 4, log)", "int(1, 1000, log)", "int(16, 512, log)")
ODD_RANGES = (
    "int(1000000000, 1000000005, log)",
    "int(-4503599627370496, 4503599627370496)",
    "int(1, 4503599627370496, log)",
    "float(1e300, 1.5e300)",
    "log(1e-300, 1e300)",
)
# So narrow that the logarithms of both ends are equal, or nearly: Optuna draws from one side only, and Rustuna panics.
TOO_NARROW = (
    "int(4503599627370495, 4503599627370496, log)",
    "log(1, 1.0000000000000009)",
    "log(1e10, 10000000000.000004)",
)


def made_up(count: int) -> list[str]:
    """Specs of every kind, as people write them."""
    dice, specs = random.Random(7), []
    for _ in range(count):
        low, n_steps = dice.choice([0, -1, 1, 2, 5, 0.1, 0.5, -0.35]), dice.randint(1, 30)
        step = dice.choice([0.05, 0.1, 0.2, 0.25, 0.3, 0.02, 0.07, 0.001, 1.5])
        exponent = dice.randint(-5, 2)
        kinds = [
            f"float({low}, {round(low + n_steps * step, 6)}, step={step})",
            f"int({int(low)}, {int(low) + n_steps})",
            f"int({int(low)}, {int(low) + n_steps * 3}, step=3)",
            f"int({1 + n_steps // 4}, {n_steps + 9}, log)",
            f"float({low}, {low + n_steps / 7})",
            f"log(1e{exponent}, {n_steps}e{exponent + dice.randint(1, 4)})",
            " | ".join("abcdefghijkl"[: dice.randint(2, 12)]),
        ]
        specs.append(dice.choice([kinds[0], kinds[0], *kinds]))
    return specs


SPECS = list(dict.fromkeys([*LOST_TOPS, *LOG_INTS, *ODD_RANGES, *made_up(60)]))


def declared(specs: Sequence[str]) -> dict[str, Distribution]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # every range here is divisible by its step
        return {f"p{place}": parse_spec(f"p{place}", spec) for place, spec in enumerate(specs)}


def optunas(distribution: Distribution) -> BaseDistribution:
    return json_to_distribution(distribution.to_json())


def difference(ours: Iterable[float], theirs: Iterable[float]) -> float:
    """How many standard deviations two samples of equal size are apart: chi-square, by Wilson's and Hilferty's cube root."""
    samples = list(ours), list(theirs)
    both = sorted([*samples[0], *samples[1]])
    edges = sorted({*both})
    if len(edges) > MOST_VALUES:  # each value is a cell of its own where they are few
        edges = sorted({both[len(both) * cell // N_CELLS] for cell in range(N_CELLS)})
    counts = [Counter(bisect(edges, value) for value in sample) for sample in samples]
    cells = counts[0] | counts[1]
    if len(cells) < 2:
        return 0.0
    chi_square = sum((counts[0][cell] - counts[1][cell]) ** 2 / (counts[0][cell] + counts[1][cell]) for cell in cells)
    spread = 2 / (9 * (len(cells) - 1))
    return float(((chi_square / (len(cells) - 1)) ** (1 / 3) - 1 + spread) / spread**0.5)


@functools.cache
def drawn_by_optuna(distribution: Distribution, n_draws: int, seed: int) -> list[float]:
    sampler, native = RandomSampler(seed=seed), optunas(distribution)
    study: Any = None  # it looks at no study and no trial
    draws = (native.to_internal_repr(sampler.sample_independent(study, study, "x", native)) for _ in range(n_draws))
    return list(map(distribution.canonical, draws))


def empty_history(path: Path) -> History:
    return History(create_study(path, params={"x": "float(0, 1)"})._study.state(), "worst")


def test_a_difference_is_seen() -> None:
    dice = random.Random(1)
    same = [[float(dice.randrange(8)) for _ in range(N_DRAWS)] for _ in range(2)]
    assert difference(*same) < 3
    assert difference(same[0], [min(value, 6.0) for value in same[1]]) > 4.5
    assert difference([dice.random() for _ in range(N_DRAWS)], [dice.random() ** 1.4 for _ in range(N_DRAWS)]) > 4.5


def test_random_draws_are_optunas(tmp_path: Path) -> None:
    space, sampler = declared(SPECS), make("random", {})
    assert len(space) >= 75
    history = empty_history(tmp_path / "h.journal")
    draws = [sampler.suggest(history, space, 0, seed, 0).internal for seed in range(N_DRAWS)]
    apart = {}
    for seed, (name, distribution) in enumerate(space.items()):
        ours = [draw[name] for draw in draws]
        assert all(map(distribution.contains, ours)), distribution
        assert ours == list(map(distribution.canonical, ours)), distribution
        apart[SPECS[seed]] = difference(ours, drawn_by_optuna(distribution, N_DRAWS, seed))
    assert {spec: far for spec, far in apart.items() if far > 4.5} == {}
    assert sum(far > 2 for far in apart.values()) < 6


@pytest.mark.parametrize("sampler", ["random", "tpe", "nsgaii"])
def test_ranges_of_every_size_are_searched(tmp_path: Path, sampler: str) -> None:
    specs = [*ODD_RANGES, *TOO_NARROW, *LOST_TOPS[-2:]]
    space = declared(specs)
    options = {"population_size": 5} if sampler == "nsgaii" else {}
    study = create_study(
        tmp_path / "s.journal", params=dict(zip(space, specs, strict=True)), sampler=sampler, sampler_options=options, seed=5
    )
    values: dict[str, set[float]] = {name: set() for name in space}
    for number in range(30):
        trial = study.ask()
        for name, distribution in space.items():
            assert distribution.contains(distribution.to_internal(trial.params[name])), distribution
            values[name].add(trial.params[name])
        study.tell(trial, float(number % 7))
    assert all(len(found) > 1 for found in values.values())
    assert study.verify().difference is None


@pytest.mark.parametrize(
    ("sampler", "options"), [("random", {}), ("tpe", {"n_startup_trials": 10_000}), ("nsgaii", {"population_size": 10_000})]
)
def test_asks_reach_both_ends_and_are_distributed_as_optunas_draws(tmp_path: Path, sampler: str, options: dict[str, Any]) -> None:
    space = declared([*LOST_TOPS, *LOG_INTS])
    params = dict(zip(space, [*LOST_TOPS, *LOG_INTS], strict=True))
    study = create_study(tmp_path / "s.journal", params=params, sampler=sampler, sampler_options=options, seed=5)
    asked = [study.ask().params for _ in range(500)]
    for seed, (name, distribution) in enumerate(space.items()):
        ours = [values[name] for values in asked]
        if (distribution.cardinality or 0) < 30:
            assert {min(ours), max(ours)} == {distribution.low, distribution.high}
        assert difference(ours, drawn_by_optuna(distribution, 500, seed)) < 4.5, params[name]
    assert study.verify().difference is None


def test_new_parameters_for_a_space_without_end_are_optunas_draws_too(tmp_path: Path) -> None:
    study = create_study(
        tmp_path / "s.journal",
        params={"x": "float(0, 0.7, step=0.1)", "n": "int(1, 8, log)", "y": "float(0, 1)"},
        sampler="qmc",
        duplicates="resample",
        seed=2,
    )
    from journaltune.suggest import duplicates

    opened: OpenStudy = study._study
    space = opened.space
    assert space is not None
    tried = duplicates.Tried(opened, opened.state())
    asked = [duplicates._untried_at_random(opened, space, number, tried) for number in range(N_DRAWS)]
    for name, distribution in space.distributions.items():
        assert difference([each[name] for each in asked], drawn_by_optuna(distribution, N_DRAWS, 1)) < 4.5


def suggested_by_optuna(native: BaseDistribution, xs: list[Any], ys: list[float], seeds: Iterable[int]) -> list[Any]:
    """What samplers with each of the seeds suggest next: none of them looks at the trials that run."""
    study, found = optuna.create_study(), []
    study.add_trials([create_trial(params={"x": x}, distributions={"x": native}, value=y) for x, y in zip(xs, ys, strict=True)])
    for seed in seeds:
        study.sampler = TPESampler(seed=seed, constant_liar=False)
        found.append(study.ask({"x": native}).params["x"])
    return found


@pytest.mark.parametrize("spec", ["float(0, 0.2, step=0.1)", "float(0, 0.7, step=0.1)", "int(2, 20, step=3)", "int(1, 8, log)"])
def test_tpe_suggests_the_ends_as_often_as_optunas_does(spec: str) -> None:
    """Where results say nothing, many candidates are nearly as good, and wrong densities show most."""
    known = parse_spec("x", spec)
    native, values = optunas(known), [known.decoder(known.value_at(index)) for index in range(known.cardinality or 0)]
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    counts: tuple[Counter[Any], Counter[Any]] = Counter(), Counter()
    for case in range(40):
        dice = random.Random(case)
        xs = [dice.choice(values) for _ in range(12 + case)]
        ys = [dice.random() for _ in xs]
        study = RustStudy([MINIMIZE], {"x": known}, by_index=True)
        for x, y in zip(xs, ys, strict=True):
            study.add((("x", known.to_json()),), [known.to_internal(x)], [y])
        counts[0].update(study.suggest(rust.TPESampler(seed=seed))["x"] for seed in range(4))
        counts[1].update(map(known.to_internal, suggested_by_optuna(native, xs, ys, range(4))))
    for value in (known.low, known.high):
        share, theirs = (each[value] / each.total() for each in counts)
        assert share == pytest.approx(theirs, abs=0.06), counts
    assert {*counts[0]} <= {*map(known.to_internal, values)}


@pytest.mark.parametrize("spec", [*LOST_TOPS[:4], "int(1, 8, log)", "int(2, 20, step=3)"])
@pytest.mark.parametrize("best", ["low", "high"])
def test_tpe_finds_an_optimum_at_either_end(tmp_path: Path, spec: str, best: str) -> None:
    known = parse_spec("x", spec)
    target = getattr(known, best)
    study = create_study(tmp_path / "s.journal", params={"x": spec}, sampler="tpe", seed=4)
    for _ in range(40):
        trial = study.ask()
        study.tell(trial, abs(trial.params["x"] - target))
    assert study.best_params == {"x": target}
    assert Counter(trial.params["x"] for trial in study.trials[20:])[target] > 3
    assert study.verify().difference is None


def test_a_grid_that_changed_under_its_trials_is_searched_as_it_is_now(tmp_path: Path) -> None:
    path = tmp_path / "s.journal"
    declare: Callable[..., Any] = create_study
    study = declare(path, params={"x": "float(0, 1, step=0.1)", "n": "int(1, 9, log)"}, sampler="tpe", seed=4)
    for _ in range(30):
        trial = study.ask()
        study.tell(trial, trial.params["x"])
    for spec in ("float(0.05, 0.95, step=0.15)", "float(-1, 1)", "float(0.2, 0.9, step=0.1)"):
        study = declare(path, params={"x": spec, "n": "int(2, 7, log)"}, exist_ok=True)
        for _ in range(12):
            trial = study.ask()
            assert parse_spec("x", spec).contains(trial.params["x"])
            assert trial.params["n"] in range(2, 8)
            study.tell(trial, trial.params["x"])
    assert study.verify().difference is None
