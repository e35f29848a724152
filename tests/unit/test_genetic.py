"""NSGA-II: which trials are parents, how children differ from them, and what that is worth where constraints are tight."""

from __future__ import annotations

import random
import statistics
from pathlib import Path
from typing import Any

import optuna
import pytest

from journaltune import create_study, load_study
from journaltune.space import Distribution, space_from_params
from journaltune.study import settings
from journaltune.study.hypervolume import hypervolume
from journaltune.suggest.history import History
from journaltune.suggest.samplers import make
from journaltune.suggest.samplers.genetic import _Individual, best_of
from journaltune.suggest.samplers.unit import UnitColumn
from tests.support.made_trials import Trials

SPECS = {
    "float": "float(-2, 3)",
    "log": "log(1e-5, 10)",
    "grid": "float(0, 0.7, step=0.1)",
    "int": "int(3, 19, step=2)",
    "log_int": "int(1, 500, log)",
    "ordered": "ordered(16, 32, 64)",
    "choice": "a | b | c",
}


def values(name: str) -> list[float]:
    known, dice = distribution(name), random.Random(1)
    if known.cardinality is not None and not known.log:
        return [float(known.value_at(index)) for index in range(known.cardinality)]
    return [known.low, known.high] + [
        float(dice.randint(1, 500)) if known.kind == "int" else dice.uniform(known.low, known.high)
    ] * 9


def distribution(name: str) -> Distribution:
    return space_from_params({name: SPECS[name]}).distributions[name]


@pytest.mark.parametrize("name", SPECS)
def test_a_value_is_itself_again(name: str) -> None:
    column = UnitColumn(distribution(name))
    assert [column.decode(column.encode(value)) for value in values(name)] == pytest.approx(values(name))
    assert name == "choice" or all(0 <= column.encode(value) <= 1 for value in values(name))


@pytest.mark.parametrize("name", SPECS)
def test_children_lie_in_the_space_and_mutations_of_finitely_many_values_are_other_values(name: str) -> None:
    known, column, dice = distribution(name), UnitColumn(distribution(name)), random.Random(2)
    for value in values(name):
        for _ in range(50):
            other = dice.choice(values(name))
            crossed = column.crossed(column.encode(value), column.encode(other), dice.random(), dice.random() < 0.5)
            assert known.contains(column.decode(crossed))
            mutated = column.decode(column.mutated(column.encode(value), 50.0, dice.random()))
            assert known.contains(mutated)
            assert known.log or known.cardinality is None or mutated != value


def test_children_are_near_their_parents_on_both_sides() -> None:
    column, dice = UnitColumn(distribution("float")), random.Random(3)
    crossed = [column.crossed(0.4, 0.5, dice.random(), True) for _ in range(4000)]
    assert statistics.mean(crossed) == pytest.approx(0.4, abs=0.01)
    mutated = [column.mutated(0.5, 10.0, dice.random()) - 0.5 for _ in range(4000)]
    assert statistics.mean(mutated) == pytest.approx(0, abs=0.01)
    assert statistics.mean(map(abs, mutated)) == pytest.approx(1 / 12, abs=0.01)


def dominates(one: _Individual, other: _Individual) -> bool:
    """Definition 1 of the paper's section VI."""
    if max(one.violation, other.violation) > 0:
        return one.violation < other.violation
    return one.losses != other.losses and all(a <= b for a, b in zip(one.losses, other.losses, strict=True))


@pytest.mark.parametrize("seed", range(20))
def test_nothing_chosen_is_dominated_by_what_was_left(seed: int) -> None:
    dice = random.Random(seed)
    individuals = [
        _Individual(number, (dice.randrange(9), dice.randrange(9)), dice.choice([0.0, 0.0, dice.randrange(3)]), ())
        for number in range(30)
    ]
    for size in (1, 7, 15, 30, 40):
        chosen = best_of(individuals, size)
        assert len({each.number for each in chosen}) == len(chosen) == min(size, 30)
        left = [each for each in individuals if each not in chosen]
        assert not any(dominates(worse, better) for better in chosen for worse in left)


def test_of_a_front_those_remain_that_stand_apart() -> None:
    front = [_Individual(number, (x, 10 - x), 0.0, ()) for number, x in enumerate((0.0, 1.0, 1.1, 1.2, 5.0, 10.0))]
    assert {each.number for each in best_of(front, 4)} == {0, 3, 4, 5}


def test_trials_without_a_generation_are_parents_of_the_first_children() -> None:
    space = space_from_params({"x": "float(0, 1)"}).distributions
    trials = Trials(space=space)
    for number in range(40):
        trials.add({"x": number / 40}, values=[abs(number / 40 - 0.3)])
    asked = [make("nsgaii", {}).suggest(History(trials.state, "worst"), space, 40, seed, 0) for seed in range(40)]
    assert {each.attrs["generation"] for each in asked} == {"1"}
    assert statistics.mean(abs(each.internal["x"] - 0.3) for each in asked) < 0.15


BEFORE = [  # trials 10 to 13, as the version before children were near their parents suggested them
    {"x": 0.4599515809511434, "n": 9, "c": "b"},
    {"x": 0.4599515809511434, "n": 8, "c": "b"},
    {"x": 0.9564888258865198, "n": 3, "c": "a"},
    {"x": 0.5632508927026907, "n": 8, "c": "b"},
]


def searched(path: Path) -> list[dict[str, Any]]:
    study = create_study(
        path,
        study_name="s",
        params={"x": "float(0, 1)", "n": "int(1, 9)", "c": "a | b"},
        directions=["minimize", "maximize"],
        sampler="nsgaii",
        sampler_options={"population_size": 4},
        seed=5,
    )
    for trial in study.trials_iter(14):
        x, n = trial.params["x"], trial.params["n"]
        study.tell(trial, values=[x + n, x * n], constraints={"c": x - 0.6})
    return [trial.params for trial in study.trials]


def test_a_study_of_before_goes_on_as_it_began(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.delitem(settings.ARITHMETIC, "nsgaii")
        assert searched(tmp_path / "before.journal")[10:] == BEFORE
    assert load_study(tmp_path / "before.journal").verify().difference is None
    assert searched(tmp_path / "new.journal")[10:] != BEFORE
    assert load_study(tmp_path / "new.journal").verify().difference is None


# Binh and Korn, 1997, in the bounds of Optuna's documentation: 4 % of the space keeps both constraints.
LOW, HIGH, N_TRIALS, SEEDS = -15.0, 30.0, 150, range(2)
REFERENCE = (140.0, 50.0)


def binh_and_korn(x: float, y: float) -> tuple[list[float], dict[str, float]]:
    values = [4 * x**2 + 4 * y**2, (x - 5) ** 2 + (y - 5) ** 2]
    return values, {"near": (x - 5) ** 2 + y**2 - 25, "far": 7.7 - (x - 8) ** 2 - (y + 3) ** 2}


class Outcome:
    """How many of a search's trials are feasible, and their hypervolume: means over the seeds."""

    def __init__(self, searches: list[list[tuple[list[float], dict[str, float]]]]) -> None:
        feasible = [[values for values, broken in trials if max(broken.values()) <= 0] for trials in searches]
        self.n_feasible = statistics.mean(map(len, feasible))
        self.volume = statistics.mean(hypervolume(each, REFERENCE) or 0.0 for each in feasible)


def ours(folder: Path, sampler: str) -> Outcome:
    searches = []
    for seed in SEEDS:
        params = {"x": f"float({LOW}, {HIGH})", "y": f"float({LOW}, {HIGH})"}
        study = create_study(
            folder / f"{sampler}-{seed}.journal", params=params, directions=["minimize"] * 2, sampler=sampler, seed=seed
        )
        searches.append([])
        for trial in study.trials_iter(N_TRIALS):
            values, constraints = binh_and_korn(trial.params["x"], trial.params["y"])
            searches[-1].append((values, constraints))
            study.tell(trial, values=values, constraints=constraints)
    return Outcome(searches)


def optunas(sampler: str) -> Outcome:
    searches: list[list[tuple[list[float], dict[str, float]]]] = []

    def objective(trial: optuna.Trial) -> list[float]:
        values, constraints = binh_and_korn(trial.suggest_float("x", LOW, HIGH), trial.suggest_float("y", LOW, HIGH))
        searches[-1].append((values, constraints))
        for name, value in constraints.items():
            trial.set_constraint(name, value)
        return values

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    for seed in SEEDS:
        searches.append([])
        chosen = getattr(optuna.samplers, sampler)(seed=seed)
        optuna.create_study(directions=["minimize"] * 2, sampler=chosen).optimize(objective, n_trials=N_TRIALS)
    return Outcome(searches)


def test_constraints_of_results_are_kept_as_often_as_by_optunas_best_sampler_and_the_front_is_as_good(tmp_path: Path) -> None:
    best = [optunas(sampler) for sampler in ("TPESampler", "NSGAIISampler")]
    genetic, tpe = ours(tmp_path, "nsgaii"), ours(tmp_path, "tpe")
    assert genetic.n_feasible >= max(each.n_feasible for each in best)
    assert genetic.volume >= max(each.volume for each in best)
    assert tpe.n_feasible >= 0.9 * best[0].n_feasible
    assert tpe.volume >= 0.98 * best[0].volume
