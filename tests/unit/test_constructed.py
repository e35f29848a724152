"""Permutations, simplexes and normal values: that they are what columns mean, drawn as they should be, and come back the same."""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter
from decimal import Decimal
from statistics import NormalDist
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from journaltune.space.constructed import (
    PARTS,
    Normal,
    _from_middle,
    _from_tail,
    decode_permutation,
    decode_simplex,
    encode_permutation,
    encode_simplex,
)

# A float in [0, 1] that a sampler may draw, and those at the ends that it will not.
columns = st.one_of(st.floats(0, 1), st.sampled_from([0.0, 1.0, 5e-324, 1e-300, 1e-17, 1 - 2**-53, 0.5]))


@pytest.mark.parametrize("n", range(1, 7))
def test_lehmer_codes_in_order_are_the_permutations_in_order(n: int) -> None:
    codes = itertools.product(*(range(n - i) for i in range(n - 1)))
    for code, order in zip(codes, itertools.permutations(range(n)), strict=True):
        assert decode_permutation(code) == list(order)
        assert encode_permutation(order) == list(code)


@given(st.permutations(range(40)))
def test_a_digit_of_a_lehmer_code_counts_the_smaller_items_that_follow(order: list[int]) -> None:
    code = encode_permutation(order)
    assert code == [sum(later < item for later in order[i:]) for i, item in enumerate(order[:-1])]
    assert decode_permutation(code) == order


@pytest.mark.parametrize("code", [[2], [-1], [0, 2], [4, 0, 0], [0, -1], [0, 0, 2]])
def test_what_is_no_lehmer_code_is_refused(code: list[int]) -> None:
    with pytest.raises(ValueError, match="no Lehmer code"):
        decode_permutation(code)


@pytest.mark.parametrize("order", [[1], [0, 0], [0, 2], [1, 2, 3], [-1, 0]])
def test_what_is_no_permutation_is_refused(order: list[int]) -> None:
    with pytest.raises(ValueError, match="no permutation of 0 to"):
        encode_permutation(order)


@given(st.lists(columns, min_size=1, max_size=35))
def test_proportions_sum_to_one_as_printed_and_come_back_bit_for_bit(drawn: list[float]) -> None:
    parts = decode_simplex(drawn)
    assert len(parts) == len(drawn) + 1
    assert min(parts) >= 0
    assert sum(Decimal(repr(part)) for part in parts) == 1
    again = encode_simplex(parts)
    assert decode_simplex(again) == parts
    assert encode_simplex(decode_simplex(again)) == again


@given(st.lists(st.one_of(st.integers(0, PARTS), st.integers(0, 9), st.integers(0, 1000)), min_size=1, max_size=35), st.randoms())
def test_all_proportions_on_the_grid_have_columns_those_near_the_corners_too(counts: list[int], chance: random.Random) -> None:
    assume(sum(counts) <= PARTS)
    counts = [*counts, PARTS - sum(counts)]
    chance.shuffle(counts)
    parts = [count / PARTS for count in counts]
    assert decode_simplex(encode_simplex(parts)) == parts


@pytest.mark.parametrize(
    ("given_parts", "kept"),
    [
        ([1], [1.0]),
        ([0, 1], [0.0, 1.0]),
        ([0.2, 0.3, 0.5], [0.2, 0.3, 0.5]),
        ([1 / 3] * 3, [0.333333334, 0.333333333, 0.333333333]),
        ([0.33333333, 0.33333333, 0.33333333], [0.333333334, 0.333333333, 0.333333333]),
        ([0.1] * 10, [0.1] * 10),
        ([0.999999999, 1e-9, 0, 0], [0.999999999, 1e-9, 0.0, 0.0]),
        ([0, 0, 0, 1], [0.0, 0.0, 0.0, 1.0]),
        ([1, *[0] * 199], [1.0, *[0.0] * 199]),
        ([0.005] * 200, [0.005] * 200),
    ],
)
def test_proportions_are_kept_to_nine_decimals(given_parts: list[float], kept: list[float]) -> None:
    assert decode_simplex(encode_simplex(given_parts)) == kept


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([], "proportions lie between 0 and 1"),
        ([-0.1, 1.1], "proportions lie between 0 and 1"),
        ([math.nan, 1], "proportions lie between 0 and 1"),
        ([0.5, 0.4], "proportions sum to 1, not to 0.9"),
        ([1, 1], "proportions sum to 1, not to 2"),
        ([0.99999, 0.00001, *[0] * 100], "part 1 of 102 leaves too little for the others"),
    ],
)
def test_what_are_no_proportions_is_refused(parts: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        encode_simplex(parts)


def draws(k: int, n: int) -> list[list[float]]:
    chance = random.Random(k)
    return [decode_simplex([chance.random() for _ in range(k - 1)]) for _ in range(n)]


@pytest.mark.parametrize("k", [2, 3, 5, 20])
def test_each_part_of_a_simplex_is_beta_as_under_a_flat_dirichlet(k: int) -> None:
    n = 4000
    parts = draws(k, n)
    for i in range(k):
        shares = sorted(1 - (1 - part[i]) ** (k - 1) for part in parts)  # uniform, if the part is Beta(1, k - 1)
        distance = max(max((j + 1) / n - share, share - j / n) for j, share in enumerate(shares))
        assert distance < 1.95 / math.sqrt(n)  # Kolmogorov and Smirnov at 0.1 %
        mean, deviation = 1 / k, math.sqrt((k - 1) / (k * k * (k + 1)))
        assert abs(sum(part[i] for part in parts) / n - mean) < 4 * deviation / math.sqrt(n)


def test_three_parts_lie_evenly_on_the_triangle() -> None:
    n, side = 20_000, 10
    cells: Counter[tuple[int, int, int]] = Counter()
    for parts in draws(3, n):
        x, y = parts[0] * side, parts[1] * side
        cells[int(x), int(y), int(x % 1 + y % 1)] += 1  # each square of the grid is two triangles
    expected = n / side**2
    inside = [cells[i, j, k] for i in range(side) for j in range(side - i) for k in (0, 1) if i + j + k < side]
    assert len(inside) == side**2
    assert sum(inside) == n
    squares = sum((count - expected) ** 2 / expected for count in inside)
    assert squares < 149  # chi-square of 99 degrees of freedom at 0.1 %


@pytest.mark.parametrize("part", range(3))
def test_a_share_taken_without_the_root_would_be_found_out(part: int) -> None:
    """The same measure rejects what a wrong stick breaking draws, so that it can fail."""
    chance, n = random.Random(3), 4000
    wrong = []
    for _ in range(n):
        first, second = chance.random(), chance.random()
        wrong.append((first, (1 - first) * second, (1 - first) * (1 - second)))
    shares = sorted(1 - (1 - parts[part]) ** 2 for parts in wrong)
    assert max(max((j + 1) / n - share, share - j / n) for j, share in enumerate(shares)) > 3 / math.sqrt(n)


@given(st.floats(-290, math.log10(0.5)))
def test_tails_are_inverted_to_fourteen_digits(exponent: float) -> None:
    share = min(10**exponent, 0.5)
    assert _from_tail(share) == pytest.approx(-NormalDist().inv_cdf(share), rel=1e-14, abs=1e-15)


@given(st.floats(-0.25, 0.25))
def test_the_middle_is_inverted_to_fourteen_digits(share: float) -> None:
    found = _from_middle(share)
    assert found == pytest.approx(NormalDist().inv_cdf(0.5 + share), rel=1e-14, abs=4e-16)  # adding 0.5 rounds
    series = sum((-1) ** k * found ** (2 * k + 1) / (2**k * math.factorial(k) * (2 * k + 1)) for k in range(20))
    assert series / math.sqrt(2 * math.pi) == pytest.approx(share, rel=1e-14)


def share_below(value: float, low: float, high: float, mean: float = 0.0, sd: float = 1.0) -> float:
    """Of a normal between its bounds, by Simpson's rule on the density."""

    def area(a: float, b: float, n: int = 2000) -> float:
        start = min(abs(low - mean), abs(high - mean)) / sd if (low - mean) * (high - mean) > 0 else 0.0
        step = (b - a) / n
        heights = [math.exp((start**2 - ((a + i * step - mean) / sd) ** 2) / 2) for i in range(n + 1)]
        return step / 3 * (heights[0] + heights[-1] + 4 * sum(heights[1:-1:2]) + 2 * sum(heights[2:-1:2]))

    return area(low, value) / area(low, high)


@pytest.mark.parametrize(
    ("mean", "sd", "low", "high"),
    [
        (0, 1, 7, 9),
        (0, 1, -9, -7),
        (0, 1, 30, 31),
        (0, 1, 3, 3.0001),
        (0, 1, 0, 1e-6),
        (0, 1, -1e-6, 2e-6),
        (0, 1, -8, 1),
        (0, 1, 0.5, 9),
        (0, 1, -1, 6),
        (0.3, 0.1, 0, 1),
        (100, 20, 50, 60),
    ],
)
def test_a_truncated_normal_keeps_its_shape_in_the_tails_too(mean: float, sd: float, low: float, high: float) -> None:
    normal = Normal(mean, sd, low, high)
    assert (normal.decode(0), normal.decode(1)) == (pytest.approx(low, abs=sd * 1.1), pytest.approx(high, abs=sd * 2.1))
    for column in (1e-6, 0.01, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9, 0.99, 1 - 1e-6):
        value = normal.decode(column)
        assert low <= value <= high
        assert share_below(value, low, high, mean, sd) == pytest.approx(column, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("column", [1e-11, 1e-6, 0.001, 0.2, 0.25, 0.3, 0.5, 0.7, 0.75, 0.8, 0.999, 1 - 1e-6])
@pytest.mark.parametrize(("mean", "sd"), [(0.0, 1.0), (-5.0, 0.01), (1e6, 30.0), (1 / 3, 1e-20), (0.0, 1e100)])
def test_a_normal_value_is_the_quantile_to_the_digits_of_its_grid(mean: float, sd: float, column: float) -> None:
    deviation = NormalDist().inv_cdf(column)
    grid = next(grid for reach, grid in ((2.7, 1e-12), (4.6, 1e-9), (5.9, 1e-6), (7, 1e-3)) if abs(deviation) < reach)
    value = Normal(mean, sd).decode(column)
    assert value == pytest.approx(mean + sd * deviation, rel=1e-14, abs=sd * 5.1 * grid)


@pytest.mark.parametrize(
    ("low", "high"), [(1 / 3, 2 / 3), (0.3, 0.7), (2 / 3, 8 / 9), (-5, 5), (1e-9 / 3, 1e-9), (-1 / 3, 6.1 / 3)]
)
def test_bounds_are_values_as_they_are_written(low: float, high: float) -> None:
    normal = Normal(0, 1, low, high)
    assert (normal.lowest, normal.highest) == (normal.decode(0), normal.decode(1)) == (low, high)
    assert (normal.encode(low), normal.encode(high)) == (0, 1)


def test_a_lognormal_value_has_the_logarithm_of_a_normal_one() -> None:
    for column in (0.01, 0.3, 0.5, 0.77, 0.99):
        logarithm = math.log(Normal(-7, 2, is_log=True).decode(column))
        assert logarithm == pytest.approx(-7 + 2 * NormalDist().inv_cdf(column), abs=1e-10)
    bounded = Normal(-7, 2, 1e-5, 1e-1, is_log=True)
    assert (bounded.decode(0), bounded.decode(1)) == (1e-5, 1e-1)
    below = share_below(math.log(bounded.decode(0.3)), math.log(1e-5), math.log(1e-1), -7, 2)
    assert below == pytest.approx(0.3, abs=1e-9)


def made(mean: float, sd: float, bounds: tuple[float, float] | None, is_log: bool) -> Normal | None:
    low, high = (-math.inf, math.inf) if bounds is None else (mean + sd * bounds[0], mean + sd * bounds[1])
    try:
        if is_log:
            low, high = math.exp(low), math.exp(high)
        return Normal(mean, sd, low, high, is_log)
    except (ValueError, OverflowError):
        return None


normals = st.builds(
    made,
    st.one_of(st.floats(-10, 10), st.floats(-1e9, 1e9), st.just(0.0)),
    st.one_of(st.sampled_from([1.0, 0.1, 2.0, 1e-9, 1e9]), st.floats(1e-6, 100)),
    st.one_of(
        st.none(),
        st.tuples(st.floats(-36, 36), st.floats(-36, 36)).map(lambda pair: (min(pair), max(pair))),
        st.tuples(st.floats(-9, 9), st.floats(1e-9, 1)).map(lambda pair: (pair[0], pair[0] + pair[1])),
    ),
    st.booleans(),
).filter(lambda normal: normal is not None)


@given(normals, st.one_of(columns, st.floats(-17, 0).map(lambda e: 1 - 10**e), st.floats(-300, 0).map(lambda e: 10**e)))
def test_a_normal_value_comes_back_bit_for_bit(normal: Any, column: float) -> None:
    value = normal.decode(column)
    assert math.isfinite(value)
    assert normal.low <= value <= normal.high
    again = normal.encode(value)
    assert 0 <= again <= 1
    assert normal.decode(again) == value
    assert normal.encode(normal.decode(again)) == again


@given(normals, columns, columns)
def test_a_larger_column_is_no_smaller_value(normal: Any, one: float, other: float) -> None:
    assert normal.decode(min(one, other)) <= normal.decode(max(one, other))


@given(normals)
def test_the_ends_of_a_normals_zones_come_back_too(normal: Any) -> None:
    for value in itertools.chain(*((start, end) for start, end, _ in normal._zones), (normal.low, normal.high)):
        if normal.lowest <= value <= normal.highest:
            assert normal.decode(normal.encode(value)) == value


@given(normals)
def test_the_neighbours_of_a_bound_come_back_too(normal: Any) -> None:
    for column in (5e-324, 1e-18, 1e-16, 1e-15, 1e-13, 1 - 2**-53, 1 - 2**-52, 1 - 2**-50, 1 - 2**-44):
        value = normal.decode(column)
        assert normal.decode(normal.encode(value)) == value


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 0), "standard deviation one above 0"),
        ((0, -1), "standard deviation one above 0"),
        ((0, math.nan), "standard deviation one above 0"),
        ((math.inf, 1), "the mean is a number"),
        ((0, 1, 2, 1), "the lower bound is not below the upper one"),
        ((0, 1, 1, 1), "the lower bound is not below the upper one"),
        ((0, 1, 0, math.nan), "the lower bound is not below the upper one"),
        ((0, 1, 40, 50), "next to nothing lies between the bounds"),
        ((0, 1, -1, 0, True), "a lognormal value is above 0"),
        ((0, 200, -math.inf, math.inf, True), "of the logarithm, so it is at most 100"),
        ((800, 1, -math.inf, math.inf, True), "too large or too small for floats"),
        ((0, 99, -math.inf, 10, True), "too large or too small for floats"),
    ],
)
def test_what_makes_no_normal_is_refused(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Normal(*arguments)


@pytest.mark.parametrize(("normal", "value"), [(Normal(0, 1), 7.5), (Normal(0, 1), math.nan), (Normal(0, 1, 0, 1), -0.1)])
def test_a_value_that_is_never_drawn_is_refused(normal: Normal, value: float) -> None:
    with pytest.raises(ValueError, match="is not from"):
        normal.encode(value)
