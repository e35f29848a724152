"""How the Gaussian process sees parameters: places on the unit scale, the first design, what an optimiser may change."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Collection, Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from journaltune.space import Distribution, space_from_params
from journaltune.space.grammar import parse_spec
from journaltune.suggest.samplers.gp import design
from journaltune.suggest.samplers.gp.axes import Axes
from journaltune.suggest.samplers.gp.scale import RESOLUTION, internal_of, n_values, unit_of, units
from journaltune.suggest.samplers.gp.stream import Stream

SPECS = [
    "float(-5, 5)",
    "float(0, 1e-3)",
    "float(-8e307, 8e307)",
    "float(0, 5e-324)",
    "float(1, 1.0000000000000009)",
    "log(1e-5, 1e-1)",
    "log(5e-324, 1e308)",
    "float(0, 1, step=0.1)",
    "float(0.05, 1, step=0.3)",
    "int(1, 8)",
    "int(-7, 100, step=7)",
    "int(1, 1024, log)",
    "int(0, 1000000)",
    "int(1, 1000000, log)",
]


@pytest.mark.parametrize("spec", SPECS)
@given(unit=st.floats(-0.1, 1.1))
@settings(deadline=None, max_examples=60)
def test_every_place_is_a_value_of_the_parameter_and_its_place_is_near(spec: str, unit: float) -> None:
    known = parse_spec("x", spec)
    value = internal_of(known, unit)
    assert known.contains(value)
    width = 1.0 / n_values(known) if n_values(known) and not known.log else RESOLUTION
    if not known.log or n_values(known) == 0:
        # Of a range with few doubles or few integers the next one may be farther than the resolution.
        few = known.kind == "int" or math.nextafter(known.low, math.inf) - known.low > 1e-6 * (known.high / 2 - known.low / 2)
        assert few or abs(unit_of(known, value) - min(max(unit, 0.0), 1.0)) <= max(width, RESOLUTION) * (1 + 1e-9)
    assert internal_of(known, unit_of(known, value)) == value


@pytest.mark.parametrize(
    ("spec", "unit", "value"),
    [
        ("float(0, 1)", 0.123449, 0.1234),
        ("float(0, 1)", 0.99999, 1.0),
        ("float(-5, 5)", 0.5, 0.0),
        ("float(0, 8)", 0.3333, 2.6664),
        ("log(1e-5, 1e-1)", 0.5, 0.001),
        ("log(1e-5, 1e-1)", 0.51234, 0.00112),
        ("log(1e-5, 1e-1)", 0.0, 1e-5),
        ("float(0, 1, step=0.1)", 0.29, 0.3),
    ],
)
def test_a_continuous_value_is_the_shortest_decimal_at_its_place(spec: str, unit: float, value: float) -> None:
    assert internal_of(parse_spec("x", spec), unit) == value


@pytest.mark.parametrize("moved", [-0.49 * RESOLUTION, 0.49 * RESOLUTION])
def test_places_that_round_to_the_same_are_the_same_value(moved: float) -> None:
    known = parse_spec("x", "log(1e-5, 1e-1)")
    assert all(internal_of(known, k * RESOLUTION + moved) == internal_of(known, k * RESOLUTION) for k in range(1, 10_000, 37))


@pytest.mark.parametrize("spec", ["float(0, 1, step=0.1)", "int(1, 8)", "int(1, 1000, log)", "int(-7, 100, step=7)"])
def test_the_values_of_a_grid_keep_their_places(spec: str) -> None:
    known = parse_spec("x", spec)
    places = units(known)
    assert [internal_of(known, place) for place in places] == [float(known.value_at(index)) for index in range(len(places))]
    assert 0 < places[0] < places[-1] < 1
    assert len(places) == known.cardinality


def test_the_outer_values_of_a_grid_are_as_likely_as_the_inner_ones() -> None:
    known = parse_spec("x", "int(1, 4)")
    counts = [sum(internal_of(known, place / 1000) == value for place in range(1000)) for value in (1, 2, 3, 4)]
    assert max(counts) - min(counts) <= 2


# The design.

SPACE = {
    "x": "float(0, 1)",
    "lr": "log(1e-5, 1e-1)",
    "n": "int(1, 6)",
    "opt": "a | b | c | d | e",
}


def designed(numbers: Collection[int], seed: int = 0, constant: int = 0) -> list[dict[str, float]]:
    distributions = space_from_params(SPACE).distributions
    return [design.row(distributions, number, seed + number, constant) for number in numbers]


@pytest.mark.parametrize("block", [0, 3])
def test_each_block_of_a_design_hits_every_slice_of_every_parameter_once(block: int) -> None:
    distributions, size = space_from_params(SPACE).distributions, design.size(4)
    rows = designed(range(block * size, (block + 1) * size))
    for name in ("x", "lr"):
        slices = [int(unit_of(distributions[name], row[name]) * size - 1e-3) for row in rows]
        assert sorted(slices) == list(range(size))
    assert {row["opt"] for row in rows} == {0, 1, 2, 3, 4}
    assert len({row["n"] for row in rows}) == size


def test_a_design_follows_from_the_seeds() -> None:
    assert designed(range(20)) == designed(range(20))
    assert designed(range(6)) != designed(range(6), constant=1)
    assert designed(range(6)) != designed(range(6, 12))
    redrawn = designed([3], seed=77)[0]
    assert redrawn != designed([3])[0]  # of a trial that is drawn again, because its parameters were tried already


def test_a_design_is_small_and_grows_with_the_space() -> None:
    assert [design.size(count) for count in (1, 4, 5, 8, 30)] == [6, 6, 7, 10, 10]


def test_the_design_needs_no_numpy() -> None:
    program = f"""
import sys
sys.path[:0] = {sys.path!r}
from journaltune.space import space_from_params
from journaltune.suggest.samplers import make
from journaltune.suggest.samplers.gp import design
make("auto", {{}})
design.row(space_from_params({SPACE!r}).distributions, 3, 1, 2)
assert not {{"numpy", "optuna", "rustuna", "typing"}} & set(sys.modules), set(sys.modules)
"""
    subprocess.run([sys.executable, "-S", "-c", program], check=True)


# The axes.

AXES = {**SPACE, "step": "float(0, 1, step=0.01)", "many": "int(0, 5000)"}


def axes(params: Mapping[str, str] = AXES) -> Axes:
    return Axes(space_from_params(params).distributions)


def test_random_rows_are_configurations_and_cover_the_space() -> None:
    found = axes()
    rows = found.random(Stream(1), 2000)
    assert (found.snapped(rows) == rows).all()
    internal = [found.internal(row) for row in rows]
    columns = list(zip(found.names, found.distributions, strict=True))
    assert all(known.contains(row[name]) for row in internal for name, known in columns)
    assert {row["opt"] for row in internal} == {0, 1, 2, 3, 4}
    assert {row["n"] for row in internal} == set(range(1, 7))
    assert min(row["x"] for row in internal) < 0.01
    assert max(row["x"] for row in internal) > 0.99


def test_neighbours_are_all_categories_and_values_near_and_farther() -> None:
    found = axes()
    row = found.snapped(np.array([[0.5, 0.5, 0.5, 2.0, 0.5, 0.5]]))[0]
    assert found.neighbours(row, 3).tolist() == [0, 1, 3, 4]
    assert len(found.neighbours(row, 2)) == 5
    at = found.grids[4].tolist().index(row[4])  # type: ignore[union-attr]
    steps = [round(place * 101 - 0.5) - at for place in found.neighbours(row, 4)]
    assert steps == [-1, 1, -2, 2, -4, 4, -8, 8, -16, 16, -32, 32]
    assert found.neighbours(row, 0).tolist() == found.neighbours(row, 5).tolist() == []


def test_what_follows_slopes_is_continuous_or_has_many_values() -> None:
    assert axes().slope.tolist() == [True, True, False, False, True, True]


def test_rows_within_the_resolution_are_one_configuration() -> None:
    found = axes({"x": "float(0, 1)", "opt": "a | b"})
    keys = found.keys(np.array([[0.5, 1], [0.50004, 1], [0.5002, 1], [0.5, 0], [np.nan, 0], [np.nan, 0]]))
    assert [keys.index(key) for key in keys] == [0, 0, 2, 3, 4, 4]


def conditional() -> Axes:
    """Momentum for sgd only, and decay where there is momentum of at least 0.5."""
    params = {"x": "float(0, 1)", "opt": "adam | sgd", "momentum": "float(0, 1) if opt == sgd"}
    space = space_from_params({**params, "decay": "float(0, 1) if momentum >= 0.5"})
    return Axes(space.distributions, space.rules)


def test_what_conditions_leave_out_is_masked() -> None:
    found = conditional()
    rows = np.array([[0.1, 0, 0.9, 0.3], [0.1, 1, 0.4, 0.3], [0.1, 1, 0.6, 0.3]])
    masked = found.masked(rows)
    assert np.isnan(masked).tolist() == [[False, False, True, True], [False, False, False, True], [False] * 4]
    assert [list(found.internal(row)) for row in masked] == [["x", "opt"], ["x", "opt", "momentum"], found.names]
    assert (rows == rows).all()
    assert found.optional.tolist() == [False, False, True, True]


def test_branches_are_the_values_of_parents_that_have_few() -> None:
    assert conditional().branches() == [(1, 0.0), (1, 1.0)]
    assert axes().branches() == []


def test_distributions_are_taken_as_they_come() -> None:
    stock = Distribution.from_json('{"name": "DiscreteUniformDistribution", "attributes": {"low": 0.0, "high": 1.0, "q": 0.25}}')
    assert [internal_of(stock, place) for place in units(stock)] == [0.0, 0.25, 0.5, 0.75, 1.0]
