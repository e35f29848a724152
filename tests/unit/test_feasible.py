"""What is drawn where rules allow few configurations."""

from __future__ import annotations

from collections import Counter
from math import sqrt
from pathlib import Path

import pytest

import journaltune
from journaltune.base.errors import InfeasibleError
from journaltune.space import Space, space_from_params
from journaltune.suggest.feasible import Drawing


def drawing(space: Space, **fixed: float) -> Drawing:
    assert space.rules is not None
    return Drawing(space, space.rules, fixed, 7)


@pytest.mark.parametrize("sampler", ["tpe", "random", "auto"])
def test_constraints_that_have_nothing_in_common_are_kept_one_by_one(tmp_path: Path, sampler: str) -> None:
    """One of 10^16 draws keeps them all."""
    params, require = {f"x{k}": "float(0, 1)" for k in range(8)}, [f"x{k} < 0.01" for k in range(8)]
    with pytest.warns(UserWarning, match="0 of 20,000 random draws keep to the constraints"):
        study = journaltune.create_study(tmp_path / "s.journal", params=params, require=require, seed=1, sampler=sampler)
    for _ in range(12):
        trial = study.ask()
        assert max(trial.params.values()) < 0.01
        study.tell(trial, sum(trial.params.values()))
    assert study.verify().difference is None


def test_every_allowed_configuration_is_as_likely_as_by_whole_draws() -> None:
    space = space_from_params(
        {"a": "int(1, 3)", "b": "int(1, 3)", "c": "int(1, 4)", "d": "1 | 2 if c > 2", "e": "int(1, 2)"},
        ["a + b <= 4", "d != 2 or e == 1", "c != 4"],
    )
    draws, draw, drawn = 20_000, drawing(space), Counter[tuple[tuple[str, float], ...]]()
    for _ in range(draws):
        drawn[tuple(draw.found().items())] += 1
    assert len(drawn) == space.n_points() == 6 * (2 * 2 + 2 + 1)
    # By draws of all values, d among them where it is absent, c = 1 and c = 2 have twice the chance of each pair with c = 3.
    weights = {point: 2 if dict(point)["c"] < 3 else 1 for point in drawn}
    for point, count in drawn.items():
        share = weights[point] / sum(weights.values())
        assert abs(count - draws * share) < 4 * sqrt(draws * share)


def test_what_breaks_no_constraint_of_a_suggestion_stays() -> None:
    space = space_from_params({"a": "int(1, 9)", "b": "int(1, 9)", "c": "int(1, 9)", "d": "int(1, 9)"}, ["a < b", "c < d"])
    for _ in range(20):
        found = drawing(space).found({"a": 9, "b": 1, "c": 3, "d": 4})
        assert (found["c"], found["d"]) == (3, 4)
        assert found["a"] < found["b"]


def test_a_fixed_parameter_is_there() -> None:
    space = space_from_params({"opt": "a | b | c", "m": "int(1, 100) if opt == b", "n": "int(1, 9)"}, ["n > 3"])
    draw = drawing(space, m=7.0)
    for _ in range(50):
        found = draw.found()
        assert (found["opt"], found["m"]) == (1.0, 7.0)
        assert found["n"] > 3


def test_draws_that_are_all_refused_are_counted() -> None:
    space = space_from_params({"x": "float(0, 1)", "y": "float(0, 1)"}, ["x > 2"])
    with pytest.raises(InfeasibleError, match="none of 100,000 random draws keeps to the constraints"):
        drawing(space).found()
    with pytest.raises(InfeasibleError, match="with the parameters that are fixed"):
        drawing(space_from_params({"x": "float(0, 1)", "y": "float(0, 1)"}, ["x > y"]), x=0.0).found()
