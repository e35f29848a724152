"""Each formula of the Gaussian process against an independent computation of the same quantity."""

from __future__ import annotations

from collections.abc import Callable
from math import log, nan, sqrt
from typing import Any

import numpy as np
import pytest
import scipy
from hypothesis import given, settings
from hypothesis import strategies as st
from lazily import Library
from numpy.typing import NDArray

from journaltune.base import derive_seed
from journaltune.suggest.samplers.gp.acquisition import Acquisition, Margin
from journaltune.suggest.samplers.gp.covariance import Covariance, Hyperparameters
from journaltune.suggest.samplers.gp.fit import RESULTS, Evidence, Noise, fitted
from journaltune.suggest.samplers.gp.inverse import inverse_factor
from journaltune.suggest.samplers.gp.kernel import Places, matern, rational, squared_distances
from journaltune.suggest.samplers.gp.lbfgs import minimise
from journaltune.suggest.samplers.gp.normal import log_cdf, log_h
from journaltune.suggest.samplers.gp.outputs import log_likelihood, warped, yeo_johnson
from journaltune.suggest.samplers.gp.posterior import JITTER, Posterior
from journaltune.suggest.samplers.gp.stream import Stream

processes, kernels = Library("sklearn.gaussian_process"), Library("sklearn.gaussian_process.kernels")
preprocessing = Library("sklearn.preprocessing")
Array = NDArray[np.float64]
Z = np.array([-1e150, -1e8, -300.0, -38.0, -8.0, -5.0001, -5.0, -4.9, -2.0, -1e-9, 0.0, 0.7, 3.0, 9.0, 1e4])


def slope_of(function: Callable[[Array], float], at: Array, step: float = 1e-5) -> Array:
    """Central differences."""
    moves = np.eye(len(at)) * step
    return np.array([(function(at + move) - function(at - move)) / (2 * step) for move in moves])


# The normal distribution.


@pytest.mark.parametrize("z", [-7.0, -5.5, -4.5, -1.0, 0.0, 0.5, 3.0])
def test_log_h_is_the_logarithm_of_the_integrated_improvement(z: float) -> None:
    found, _ = scipy.integrate.quad(
        lambda v: (z - v) * scipy.stats.norm.pdf(v), z - 40, z, points=[z - 1, z - 0.1], epsabs=0, epsrel=1e-10
    )
    assert log_h(np.array([z]))[0][0] == pytest.approx(log(found), rel=1e-8)


def test_log_h_keeps_its_tail_where_plain_arithmetic_has_nothing_left() -> None:
    value, slope = log_h(Z)
    assert np.isfinite(value).all()
    assert np.isfinite(slope).all()
    far = Z[1:4]  # h(z) is phi(z) / z^2 (1 - 3 / z^2 + ...)
    expansion = scipy.stats.norm.logpdf(far) - 2 * np.log(-far) + np.log1p(-3 / far**2 + 15 / far**4)
    assert value[1:4] == pytest.approx(expansion, rel=1e-7)
    assert (np.diff(value) > 0).all()


def test_log_cdf_is_scipys() -> None:
    assert log_cdf(Z[2:])[0] == pytest.approx(scipy.special.log_ndtr(Z[2:]), rel=1e-10, abs=1e-14)


@pytest.mark.parametrize("function", [log_h, log_cdf])
def test_the_slopes_are_those_of_finite_differences(function: Callable[[Array], tuple[Array, Array]]) -> None:
    at = np.array([-30.0, -5.2, -4.8, -1.0, 0.0, 2.0])
    expected = (function(at + 1e-5)[0] - function(at - 1e-5)[0]) / 2e-5
    assert function(at)[1] == pytest.approx(expected, rel=1e-6)


# Outputs.


@pytest.mark.parametrize("power", [-2.0, -0.5, 0.0, 0.7, 1.0, 2.0])
def test_the_power_transform_and_its_likelihood_are_scipys(power: float) -> None:
    values = np.random.default_rng(0).gamma(1.0, 3.0, 40) - 2.0
    assert yeo_johnson(values, power) == pytest.approx(scipy.stats.yeojohnson(values, power), rel=1e-12)
    assert log_likelihood(values, power) == pytest.approx(scipy.stats.yeojohnson_llf(power, values), rel=1e-12)


def test_the_power_is_nearly_the_one_that_scikit_learn_finds() -> None:
    values = np.random.default_rng(1).gamma(2.0, 1.0, 200)
    centred = (values - np.median(values)) / (np.subtract(*np.quantile(values, (0.75, 0.25))) / 1.349)
    expected = preprocessing.PowerTransformer(method="yeo-johnson").fit_transform(centred[:, None])[:, 0]
    assert warped(values) == pytest.approx(expected, abs=0.2)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=30))
@settings(deadline=None)
def test_outputs_keep_their_order_and_have_variance_1_whatever_the_values(values: list[float]) -> None:
    found = warped(np.array(values))
    assert np.isfinite(found).all()
    assert (np.diff(found[np.argsort(values, kind="stable")]) >= -1e-12).all()
    assert found.std() == pytest.approx(1.0, abs=1e-9) or not found.any()
    assert len(set(values)) > 1 or not found.any()


def test_an_outlier_leaves_the_others_apart() -> None:
    found = warped(np.array([*np.linspace(0, 1, 20), 1e30]))
    assert found[10] - found[0] > 0.3
    assert found[19] < found[20]


# The kernel.


@pytest.mark.parametrize("n_columns", [1, 4])
def test_the_kernel_is_scikit_learns(n_columns: int) -> None:
    rows, lengths = np.random.default_rng(0).random((12, n_columns)), np.linspace(0.3, 1.7, n_columns)
    expected = kernels.Matern(lengths, nu=2.5)(rows)
    points = Places([0] * n_columns, [False] * n_columns).of(rows) / lengths
    assert matern(squared_distances(points, points))[0] == pytest.approx(expected, rel=1e-7, abs=1e-9)
    assert matern(squared_distances(points[:3], points))[0] == pytest.approx(expected[:3], rel=1e-12)


def test_the_kernels_slope_is_that_of_finite_differences() -> None:
    squared = np.array([0.01, 0.4, 3.0, 20.0])
    expected = -2.0 * (matern(squared + 1e-6)[0] - matern(squared - 1e-6)[0]) / 2e-6
    assert matern(squared)[1] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("squared", [0.0, 0.3, 7.0])
def test_the_rational_kernel_is_scikit_learns_and_its_slope_that_of_finite_differences(squared: float) -> None:
    value, slope = rational(np.array([squared]))
    expected = kernels.RationalQuadratic(length_scale=1.0, alpha=2.0)(np.zeros((1, 1)), np.array([[sqrt(squared)]]))
    assert value == pytest.approx(expected[0], rel=1e-12)
    assert slope == pytest.approx(-2.0 * (rational(squared + 1e-6)[0] - rational(squared - 1e-6)[0]) / 2e-6, rel=1e-6)


def of_column(kernel: Any, column: int) -> Callable[[Array, Array | None], Array]:
    """A kernel of scikit-learn's that sees one column only."""
    return lambda one, other=None: kernel(one[:, [column]], None if other is None else other[:, [column]])


def test_the_covariance_is_scikit_learns_kernel_of_all_columns_and_the_mean_of_its_kernels_of_each() -> None:
    rows, other = np.random.default_rng(0).random((12, 3)), np.random.default_rng(1).random((20, 3))
    lengths = np.array([0.3, 0.8, 1.7])
    ours = Covariance(Places([0] * 3, [False] * 3), Hyperparameters(lengths, 1.3, 0.05, 0.6))
    columns = [of_column(kernels.RationalQuadratic(length / sqrt(3), alpha=2.0), at) for at, length in enumerate(lengths)]
    for one, two in ((rows, other), (rows[:3], other)):
        expected = 1.3 * kernels.Matern(lengths, nu=2.5)(one, two) + 0.6 * np.mean(
            [kernel(one, two) for kernel in columns], axis=0
        )
        assert ours.between(ours.points(one), ours.points(two)) == pytest.approx(expected, rel=1e-7)
    assert ours.between(ours.points(rows), ours.points(rows)).diagonal() == pytest.approx(1.9)


MIXED = [0, 3, 0, 2, 0]  # numbers, and categories of 3 and 2
OPTIONAL = [False, False, True, True, True]
ROWS = np.array(
    [
        [0.1, 2, 0.3, 1, 0.9],
        [0.1, 1, nan, 1, nan],
        [0.8, 2, nan, nan, 0.4],
        [0.5, 0, 0.7, 0, nan],
        [0.5, 0, 0.2, nan, 0.1],
        [0.9, 1, nan, nan, nan],
    ]
)


def by_hand(one: Array, other: Array, column: int) -> float:
    """The squared distance of two rows in one column, as the kernel's docstring says it."""
    a, b = one[column], other[column]
    if MIXED[column]:
        return float(not (a == b or (np.isnan(a) and np.isnan(b))))
    if np.isnan(a) or np.isnan(b):
        return float(np.isnan(a) != np.isnan(b))
    return float(2.0 - 2.0 * np.cos(a - b)) if OPTIONAL[column] else float((a - b) ** 2)


def test_distances_in_mixed_spaces_are_those_worked_out_by_hand() -> None:
    places = Places(MIXED, OPTIONAL)
    pairs = [(one, other) for one in range(len(ROWS)) for other in range(one)]
    expected = np.array([[by_hand(ROWS[one], ROWS[other], column) for one, other in pairs] for column in range(5)])
    assert places.squared_differences(ROWS) == pytest.approx(expected, abs=1e-12)
    points, (left, right) = places.of(ROWS), np.tril_indices(len(ROWS), -1)
    assert squared_distances(points, points)[left, right] == pytest.approx(expected.sum(axis=0), abs=1e-12)


@pytest.mark.parametrize("n", [1, 48, 49, 150])
def test_the_inverse_factor_is_scipys(n: int) -> None:
    root = np.random.default_rng(n).standard_normal((n, n))
    covariance = root @ root.T + np.eye(n)
    expected = scipy.linalg.solve_triangular(scipy.linalg.cholesky(covariance, lower=True), np.eye(n), lower=True)
    assert inverse_factor(covariance) == pytest.approx(expected, abs=1e-9)


# The posterior.


def example(places: Places, rows: Array, draws: int = 1, seed: int = 0, additive: float = 0.0) -> Posterior:
    rng = np.random.default_rng(seed)
    hyper = Hyperparameters(rng.uniform(0.4, 1.5, rows.shape[1]), 1.3, 0.05, additive)
    return Posterior(places, hyper, rows, rng.standard_normal((len(rows), draws)))


def regressor(kernel: Any, noise: float) -> Any:
    return processes.GaussianProcessRegressor(kernel, alpha=noise + JITTER, optimizer=None)


def test_mean_and_variance_are_scikit_learns() -> None:
    rows, other = np.random.default_rng(0).random((15, 3)), np.random.default_rng(1).random((20, 3))
    ours = example(Places([0] * 3, [False] * 3), rows)
    kernel = kernels.ConstantKernel(ours.hyper.variance) * kernels.Matern(ours.hyper.lengths, nu=2.5)
    theirs = processes.GaussianProcessRegressor(kernel, alpha=ours.hyper.noise + JITTER, optimizer=None).fit(
        rows, ours.outputs[:, 0]
    )
    mean, deviation = theirs.predict(other, return_std=True)
    assert ours.moments(other)[0][:, 0] == pytest.approx(mean, rel=1e-8)
    assert ours.moments(other)[1] == pytest.approx(deviation**2, rel=1e-6)


def test_joint_draws_have_the_posteriors_mean_and_covariance() -> None:
    rows, other = np.random.default_rng(0).random((6, 2)), np.random.default_rng(1).random((3, 2))
    ours = example(Places([0] * 2, [False] * 2), rows)
    kernel = kernels.ConstantKernel(ours.hyper.variance) * kernels.Matern(ours.hyper.lengths, nu=2.5)
    theirs = processes.GaussianProcessRegressor(kernel, alpha=ours.hyper.noise + JITTER, optimizer=None).fit(
        rows, ours.outputs[:, 0]
    )
    mean, covariance = theirs.predict(other, return_cov=True)
    drawn = ours.draws(other, np.random.default_rng(2).standard_normal((3, 200_000)))
    assert drawn.mean(axis=1) == pytest.approx(mean, abs=0.01)
    assert np.cov(drawn) == pytest.approx(covariance, abs=0.01)


@pytest.mark.parametrize("additive", [0.0, 0.7])
def test_the_posteriors_slopes_are_those_of_finite_differences(additive: float) -> None:
    ours = example(Places(MIXED, OPTIONAL), ROWS, 3, 0, additive)
    row = np.array([0.31, 2.0, 0.62, 1.0, nan])
    mean, variance, mean_slopes, variance_slopes = ours.slopes(row)
    assert mean == pytest.approx(ours.moments(row[None])[0][0], rel=1e-9)
    assert variance == pytest.approx(ours.moments(row[None])[1][0], rel=1e-9)
    for column in (0, 2):
        move = np.where(np.arange(5) == column, 1e-5, 0.0)
        ahead, behind = ours.moments((row + move)[None]), ours.moments((row - move)[None])
        assert mean_slopes[:, column] == pytest.approx((ahead[0][0] - behind[0][0]) / 2e-5, rel=1e-5, abs=1e-7)
        assert variance_slopes[column] == pytest.approx((ahead[1][0] - behind[1][0]) / 2e-5, rel=1e-4, abs=1e-6)
    assert not mean_slopes[:, [1, 3, 4]].any()
    assert not variance_slopes[[1, 3, 4]].any()


# The fit.


def test_the_likelihood_and_its_slopes_are_scikit_learns() -> None:
    rows, outputs = np.random.default_rng(0).random((25, 3)), np.random.default_rng(1).standard_normal(25)
    logs = np.log([0.4, 0.9, 1.6, 1.4, 0.03])
    value, slopes = Evidence(Places([0] * 3, [False] * 3), rows, outputs, RESULTS, sums=False).negative_log_likelihood(logs)
    kernel = kernels.ConstantKernel(1.4) * kernels.Matern([0.4, 0.9, 1.6], nu=2.5)
    theirs = regressor(kernel, 0.03).fit(rows, outputs)
    expected, expected_slopes = theirs.log_marginal_likelihood(theirs.kernel_.theta, eval_gradient=True)
    assert -value - 0.5 * 25 * log(2 * np.pi) == pytest.approx(expected, rel=1e-9)
    assert -slopes[[3, 0, 1, 2]] == pytest.approx(expected_slopes, rel=1e-6)


LOGS = np.log([0.4, 0.9, 0.6, 1.1, 2.0, 0.7, 1.4, 0.02])  # lengths, the sum's variance, the variance, the noise
OUTPUTS = np.array([0.1, -1.0, 0.5, 2.0, -0.3, 0.7])


def of(sums: bool, values: Array) -> Array:
    return values if sums else np.delete(values, 5)


@pytest.mark.parametrize("sums", [False, True])
def test_the_evidences_slopes_are_those_of_finite_differences(sums: bool) -> None:
    evidence, logs = Evidence(Places(MIXED, OPTIONAL), ROWS, OUTPUTS, Noise(1e-3, 1.0), sums), of(sums, LOGS)
    assert evidence.loss(logs)[1] == pytest.approx(slope_of(lambda at: evidence.loss(at)[0], logs), rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("sums", [False, True])
def test_the_evidence_is_the_density_of_the_outputs_times_that_of_the_hyperparameters(sums: bool) -> None:
    evidence, logs = Evidence(Places(MIXED, OPTIONAL), ROWS, OUTPUTS, Noise(1e-3, 1.0), sums), of(sums, LOGS)
    columns = np.array([[[by_hand(one, other, column) for other in ROWS] for one in ROWS] for column in range(5)])
    squared = columns / np.array([0.4, 0.9, 0.6, 1.1, 2.0])[:, None, None] ** 2
    covariance = 1.4 * matern(squared.sum(axis=0))[0] + (0.02 + JITTER) * np.eye(6)
    covariance += 0.7 * ((1.0 + 5 * squared / 4) ** -2).mean(axis=0) if sums else 0.0
    usual = np.log([*[0.5 * sqrt(3.5)] * 5, 0.5, 0.5 if sums else 1.0, 1e-3])  # 21 of 30 values are present
    usual[1] = usual[3] = 0.0
    deviations = of(sums, np.array([1.0] * 7 + [2.0]))
    prior = scipy.stats.norm.logpdf(logs, of(sums, usual), deviations) - scipy.stats.norm.logpdf(0, 0, deviations)
    expected = scipy.stats.multivariate_normal.logpdf(OUTPUTS, cov=covariance) + 3 * log(2 * np.pi) + prior.sum()
    assert -evidence.loss(logs)[0] == pytest.approx(expected, rel=1e-8)
    lengths = [0.4, 0.9, 0.6, 1.1, 2.0]
    found = evidence.hyperparameters(logs)
    assert [*found.lengths, found.additive, found.variance, found.noise] == pytest.approx([*lengths, 0.7 * sums, 1.4, 0.02])


def test_the_fit_tells_a_sum_from_what_is_none() -> None:
    rows = np.random.default_rng(5).random((60, 3))
    summed, twisted = np.sin(7 * rows).sum(axis=1), np.sin(9 * (rows - 0.5).prod(axis=1) * 8)
    found = [fitted(Places([0] * 3, [False] * 3), rows, (each - each.mean()) / each.std()) for each in (summed, twisted)]
    assert found[0].additive > 10 * found[0].variance
    assert found[1].additive < found[1].variance


def test_a_sum_is_known_where_its_terms_are() -> None:
    """From results along a cross, a sum's corners; of another function these say nothing."""
    steps = np.linspace(0, 1, 9)
    rows = np.array([*[[step, 0.5] for step in steps], *[[0.5, step] for step in np.delete(steps, 4)]])
    corners = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    for variance, additive in ((1e-3, 1.0), (1.0, 0.0)):
        hyper = Hyperparameters(np.array([0.4, 0.4]), variance, 1e-6, additive)
        ours = Posterior(Places([0, 0], [False, False]), hyper, rows, np.cos(6 * rows).sum(axis=1)[:, None])
        off = np.abs(ours.moments(corners)[0][:, 0] - np.cos(6 * corners).sum(axis=1))
        assert off.max() < 0.02 if additive else off.min() > 0.5


@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_the_fit_finds_what_made_the_outputs(noise: float) -> None:
    rng = np.random.default_rng(3)
    rows = rng.random((120, 2))
    covariance = kernels.Matern([0.2, 2.0], nu=2.5)(rows) + noise * np.eye(120)
    outputs = np.linalg.cholesky(covariance + 1e-10 * np.eye(120)) @ rng.standard_normal(120)
    found = fitted(Places([0, 0], [False, False]), rows, outputs / outputs.std())
    assert 0.1 < found.lengths[0] < 0.5 < found.lengths[1]
    assert found.noise < 1e-3 if noise == 0 else found.noise > 0.1


# The optimiser in a box.


@pytest.mark.parametrize(("low", "high"), [(-2.0, 2.0), (-2.0, 0.6), (1.2, 3.0)])
def test_minima_in_a_box_are_scipys(low: float, high: float) -> None:
    start, bounds = np.full(4, (low + high) / 2 - 0.2), [(low, high)] * 4

    def function(x: Array) -> tuple[float, Array]:
        return float(scipy.optimize.rosen(x)), scipy.optimize.rosen_der(x)

    found, value = minimise(function, start, np.full(4, low), np.full(4, high), 500, 1e-8, 0.0)
    rosen, slope = scipy.optimize.rosen, scipy.optimize.rosen_der
    expected: Any = scipy.optimize.minimize(rosen, start, jac=slope, bounds=bounds, method="L-BFGS-B")
    assert value == pytest.approx(expected.fun, abs=1e-6)
    assert found == pytest.approx(expected.x, abs=1e-2)


def test_a_start_without_a_finite_value_is_where_it_ends() -> None:
    start = np.array([0.5])
    found, value = minimise(lambda x: (np.inf, np.zeros(1)), start, np.zeros(1), np.ones(1), 10, 1e-3, 1e-6)
    assert (found, value) == (start, np.inf)


# The acquisition.


def acquisition(n_draws: int, margins: bool) -> Acquisition:
    places = Places(MIXED, OPTIONAL)
    first, second = example(places, ROWS, seed=1), example(places, ROWS, seed=2)
    extra = [Margin(first, 16.0, 0.1, 1.5), Margin(second, 1.0, 0.0, 0.0)] if margins else []
    return Acquisition(example(places, ROWS, n_draws), np.linspace(-0.6, -0.2, n_draws), extra, 0.03 if margins else 0.0)


@pytest.mark.parametrize("n_draws", [1, 4])
def test_expected_improvement_is_that_of_many_draws(n_draws: int) -> None:
    ours, row = acquisition(n_draws, margins=False), np.array([[0.31, 2.0, 0.62, 1.0, nan]])
    mean, variance = ours.posterior.moments(row)
    drawn = mean[0][:, None] + sqrt(variance[0]) * np.random.default_rng(0).standard_normal((n_draws, 1_000_000))
    expected = np.maximum(np.linspace(-0.6, -0.2, n_draws)[:, None] - drawn, 0.0).mean()
    assert ours.at(row)[0] == pytest.approx(log(expected), abs=0.01)


def test_margins_add_the_probability_that_the_functions_are_high_enough() -> None:
    row = np.array([[0.31, 2.0, 0.62, 1.0, nan]])
    moments = [example(Places(MIXED, OPTIONAL), ROWS, seed=seed).moments(row) for seed in (1, 2)]
    first, second = ((float(mean[0, 0]), float(variance[0])) for mean, variance in moments)
    gain = np.exp(acquisition(1, False).at(row)[0])
    expected = (
        np.log1p(0.03 / gain)
        + 16 * scipy.stats.norm.logcdf(first[0] / sqrt(0.1 + first[1]) - 1.5)
        + scipy.stats.norm.logcdf(second[0] / sqrt(second[1]))
    )
    assert (acquisition(1, True).at(row) - acquisition(1, False).at(row))[0] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("n_draws", [1, 4])
@pytest.mark.parametrize("margins", [False, True])
def test_the_acquisitions_slopes_are_those_of_finite_differences(n_draws: int, margins: bool) -> None:
    ours, row = acquisition(n_draws, margins), np.array([0.31, 2.0, 0.62, 1.0, nan])
    value, slopes = ours.slope(row)
    assert value == pytest.approx(ours.at(row[None])[0], rel=1e-9)
    for column in (0, 2):
        move = np.where(np.arange(5) == column, 1e-5, 0.0)
        expected = (ours.at((row + move)[None])[0] - ours.at((row - move)[None])[0]) / 2e-5
        assert slopes[column] == pytest.approx(expected, rel=1e-4)


# Random numbers.


def test_the_stream_is_splitmix64() -> None:
    # The first outputs for the seed 1234567 of the reference implementation.
    expected = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821]
    assert Stream(1234567)._bits(2).tolist() + Stream(1234567)._bits(5)[2:].tolist() == expected


def test_a_stream_goes_on_where_it_was() -> None:
    whole, parts = Stream(2**64 - 5), Stream(2**64 - 5)
    assert whole.uniform(6).tolist() == [*parts.uniform(2).tolist(), *parts.uniform(4).tolist()]


def test_uniform_and_normal_numbers_have_their_distributions() -> None:
    stream = Stream(derive_seed(1, 2, 3))
    assert scipy.stats.kstest(stream.uniform(20_000), "uniform").pvalue > 0.01
    assert scipy.stats.kstest(stream.normal(20_000), "norm").pvalue > 0.01
    assert sorted(stream.order(50).tolist()) == list(range(50))
