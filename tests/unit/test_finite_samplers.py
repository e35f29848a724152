"""grid and bruteforce draw what Optuna's own classes and NumPy's generator draw, bit for bit; journals of before rely on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, json_to_distribution
from optuna.trial import TrialState, create_trial

from journaltune.base.errors import ExhaustedError, UsageError
from journaltune.space import Distribution, space_from_params
from journaltune.suggest.samplers import make
from journaltune.suggest.samplers.mersenne import RandomState, pairwise_sum

optuna.logging.set_verbosity(optuna.logging.ERROR)
pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
SEEDS = [0, 1, 42, 2**31, 2**32 - 1]
SPACES = [
    {"x": "int(1, 8)", "y": "float(0, 1, step=0.25)", "c": "a | b | 1 | true"},
    {"z": "float(0.1, 0.7, step=0.1)", "a": "int(2, 17, step=3)"},
    {"n": "int(1, 300)"},
    {"w": "int(0, 1)", "v": "int(1, 12, log)", "u": "int(0, 129)"},
]
COMPLETE, PRUNED, FAIL = 1, 2, 3


class Seen:
    """A history of trials: number, state (0 for running) and internal values in the space's order."""

    def __init__(self, space: dict[str, Distribution]) -> None:
        self.shape = tuple((name, known.to_json()) for name, known in space.items())
        self.trials: list[tuple[int, int, list[float]]] = []

    def n_finished(self) -> int:
        return sum(state > 0 for _, state, _ in self.trials)

    def finished(self, skip: int) -> Any:
        return [(state, (number, self.shape, values)) for number, state, values in self.trials if state > 0][skip:]

    def pending(self) -> Any:
        return [(number, self.shape, values) for number, state, values in self.trials if state == 0]


def native(known: Distribution) -> Any:
    """As Optuna gets it: categories by their index."""
    if known.kind == "categorical":
        return CategoricalDistribution(range(len(known.choices)))
    return json_to_distribution(known.to_json())


def by_optuna(space: dict[str, Distribution], trials: Sequence[tuple[int, int, list[float]]], seed: int) -> dict[str, Any]:
    """What Optuna's brute force suggests after these trials."""
    kinds = {name: native(known) for name, known in space.items()}
    study = optuna.create_study(sampler=optuna.samplers.BruteForceSampler(seed=seed))
    for _, state, values in trials:
        params = {name: kinds[name].to_external_repr(value) for name, value in zip(space, values, strict=True)}
        study.add_trial(
            create_trial(state=TrialState(state), params=params, distributions=kinds, value=1.0 if state == COMPLETE else None)
        )
    trial = study.ask()
    return {name: float(kind.to_internal_repr(trial._suggest(name, kind))) for name, kind in kinds.items()}


@pytest.mark.parametrize("params", SPACES, ids=lambda params: " ".join(params))
def test_brute_force_is_optunas(params: dict[str, str]) -> None:
    space = space_from_params(params).distributions
    sampler, seen = make("bruteforce", {}), Seen(space)
    for number in range(12):
        found = sampler.suggest(seen, space, number, 1000 + number, 7).internal  # type: ignore[arg-type]
        assert found == by_optuna(space, seen.trials, 1000 + number)
        assert list(found) == list(space)
        seen.trials.append((number, (COMPLETE, 0, FAIL, PRUNED)[number % 4], list(found.values())))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("params", SPACES, ids=lambda params: " ".join(params))
def test_a_grid_comes_in_optunas_order(params: dict[str, str], seed: int) -> None:
    space = space_from_params(params).distributions
    grid = {name: [known.value_at(index) for index in range(known.cardinality or 0)] for name, known in space.items()}
    whole = optuna.samplers.GridSampler(grid, seed=seed)._all_grids
    sampler, seen = make("grid", {}), Seen(space)
    for number in range(5):
        suggested = sampler.suggest(seen, space, number, 9, seed)  # type: ignore[arg-type]
        assert tuple(suggested.internal[name] for name in sorted(space)) == whole[number]
        assert suggested.attrs["grid_id"] == number
        seen.trials.append((number, COMPLETE, list(suggested.internal.values())))


@pytest.mark.parametrize("sampler", ["grid", "bruteforce"])
def test_a_trial_in_which_another_parameter_varied_is_another_configuration(sampler: str) -> None:
    space = space_from_params({"x": "0 | 1", "y": "int(0, 1)"}).distributions
    whole = {**space, "gone": space_from_params({"gone": "int(0, 1)"}).distributions["gone"]}
    seen, fixed = Seen(whole), Seen({**space, "gone": space_from_params({"gone": "int(1, 1)"}).distributions["gone"]})
    for number in range(4):
        seen.trials.append((number, COMPLETE, [float(number // 2), float(number % 2), 0.0]))
        fixed.trials.append((number, COMPLETE, [float(number // 2), float(number % 2), 1.0]))
    assert make(sampler, {}).suggest(seen, space, 4, 1, 1).internal.keys() == space.keys()  # type: ignore[arg-type]
    with pytest.raises(ExhaustedError, match="all 4 combinations"):
        make(sampler, {}).suggest(fixed, space, 4, 1, 1)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_generator_is_numpys(seed: int) -> None:
    theirs, ours = np.random.RandomState(seed), RandomState(seed)
    for n in (1, 2, 3, 16, 17, 700):
        lists = list(range(n)), list(range(n))
        theirs.shuffle(lists[0])
        ours.shuffle(lists[1])
        assert lists[0] == lists[1]
        weights = np.random.RandomState(n).random_sample(n)
        weights /= weights.sum()
        assert [theirs.choice(n, p=weights) for _ in range(20)] == [ours.choice(weights.tolist()) for _ in range(20)]


@pytest.mark.parametrize("n", [0, 1, 7, 8, 9, 15, 127, 128, 129, 136, 1000, 9999])
def test_sums_are_numpys_to_the_last_bit(n: int) -> None:
    numbers = np.random.RandomState(n).random_sample(n) ** 9
    assert pairwise_sum(numbers.tolist()).hex() == float(numbers.sum()).hex()


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("grid", {"seed": 1}, "use --seed"),
        ("grid", {"search": {}}, "no option 'search'; its options are search_space"),
        ("grid", {"search_space": [1]}, "maps parameters to lists"),
        ("bruteforce", {"seed": 1}, "use --seed"),
        ("optuna.BruteForceSampler", {"avoid": 1}, "its options are avoid_premature_stop"),
    ],
)
def test_other_options_are_refused(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make(name, options)


@pytest.mark.parametrize(("name", "short"), [("optuna.GridSampler", "grid"), ("optuna.BruteForceSampler", "bruteforce")])
def test_optunas_class_names_mean_the_same_samplers(name: str, short: str) -> None:
    assert type(make(name, {})) is type(make(short, {}))
