"""From observations to the next row: what counts as an improvement, and what a failure costs."""

from __future__ import annotations

from math import sqrt

import numpy as np

from journaltune.suggest.samplers.gp.acquisition import Acquisition, Margin
from journaltune.suggest.samplers.gp.axes import Axes
from journaltune.suggest.samplers.gp.fit import Noise
from journaltune.suggest.samplers.gp.habits import PRESENT, Habits
from journaltune.suggest.samplers.gp.model import Model
from journaltune.suggest.samplers.gp.optimiser import Search
from journaltune.suggest.samplers.gp.posterior import Posterior
from journaltune.suggest.samplers.gp.stream import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from journaltune.space import Distribution
    from journaltune.space.rules import Rules
    from journaltune.suggest.samplers.gp.axes import Key
    from journaltune.suggest.samplers.gp.observations import Observations
    from journaltune.suggest.samplers.gp.optimiser import Branch

    Array = NDArray[np.float64]
    Mask = NDArray[np.bool_]

_N_DRAWS = 16  # joint draws for running trials; with one, 8 workers end with a regret 5 times as large
IMPROVEMENT = 1e-3  # of an output's standard deviation
_DRAWN_NOISE = 1e-6
_BRANCH_EVERY, _BRANCH_SHARE = 3, 2.0
_LEAST_GAIN = 1e-6  # where trials fail: what is less is worth no failure
_FAILURE_WEIGHT, _FAILURE_VARIANCE, _FAILURE_NOISE = 16.0, 0.1, Noise(1e-2, 0.1)
_WORKERS = 8.0
_FARTHEST_MARGIN = 3.0


def propose(
    observed: Observations,
    distributions: Mapping[str, Distribution],
    number: int,
    seed: int,
    rules: Rules | None = None,
    habits: Habits = PRESENT,
) -> dict[str, float]:
    """Internal values for trial ``number``, without what conditions leave out."""
    axes, stream = Axes(distributions, rules), Stream(seed)
    model = Model(observed, axes, stream, habits)
    branch = _due_branch(model) if number % _BRANCH_EVERY == _BRANCH_EVERY - 1 else None
    return axes.internal(search(model, observed, margins(model, observed), branch).best(taken(observed, axes)))


def search(model: Model, observed: Observations, limits: Sequence[Margin], branch: Branch | None = None) -> Search:
    """For the row that is worth most."""
    posterior, incumbents = _improvement(model, _eligible(model, _told(model, observed), branch), branch)
    acquisition = Acquisition(posterior, incumbents - IMPROVEMENT, limits, _LEAST_GAIN if len(model.failed) else 0.0)
    best_first = model.rows[np.argsort(model.mean, kind="stable")]
    return Search(acquisition, model.axes, best_first, model.stream, branch)


def margins(model: Model, observed: Observations) -> list[Margin]:
    """What keeps a search away from failures, and from what breaks a constraint."""
    return [*_failures(model), *_constraints(model, _told(model, observed))]


def taken(observed: Observations, axes: Axes) -> set[Key]:
    """What was tried before, or is being tried."""
    known = [*observed.rows, *observed.failed, *observed.pending, *observed.passed]
    return set(axes.keys(np.array(known))) if known else set()


def _told(model: Model, observed: Observations) -> list[Mapping[str, float]]:
    """The constraints of the model's rows."""
    return [observed.constraints[place] for place in model.chosen.tolist()]


def _due_branch(model: Model) -> Branch | None:
    """The value of a parent with fewest trials, while it has fewer than ``_BRANCH_SHARE`` sqrt(trials with that parent)."""
    rows = np.concatenate([model.rows, model.failed, model.pending])
    shares = []
    for column, value in model.axes.branches():
        n_active = max(1, int((~np.isnan(rows[:, column])).sum()))
        shares.append((float((rows[:, column] == value).sum()) / sqrt(n_active), column, value))
    least = min(shares, default=None)
    return least[1:] if least is not None and least[0] < _BRANCH_SHARE else None


def _eligible(model: Model, constraints: Sequence[Mapping[str, float]], branch: Branch | None) -> Mask:
    """The rows of the branch that break no constraint. Where there is no such row, improvement is on the others.

    Of trials that were stopped early nobody knows the result.
    """
    feasible = np.array([all(value <= 0.0 for value in told.values()) for told in constraints])
    inside = _in_branch(model.rows, branch) & model.ended
    if (feasible & inside).any():
        return feasible & inside
    return inside if inside.any() else np.ones(len(model.rows), bool)


def _in_branch(rows: Array, branch: Branch | None) -> Mask:
    return np.ones(len(rows), bool) if branch is None else rows[:, branch[0]] == branch[1]


def _improvement(model: Model, eligible: Mask, branch: Branch | None) -> tuple[Posterior, Array]:
    """The posterior and what to improve on in each of its draws.

    Running trials get joint draws of what they may bring (Snoek, Larochelle, Adams, arXiv 1206.2944, section 3.2). Where results
    are noisy, observed ones do too, without the noise: the noisy expected improvement of Letham et al., arXiv 1706.07094.
    """
    posterior = model.posterior
    lowest = model.mean[eligible].min()
    noisy = posterior.hyper.noise > model.habits.noisy
    if not noisy and not len(model.pending):
        return posterior, np.array([lowest])
    drawn = np.concatenate([model.rows, model.pending]) if noisy else model.pending
    half = model.stream.normal(len(drawn), _N_DRAWS // 2)
    draws = posterior.draws(drawn, np.concatenate([half, -half], axis=1))
    counted = np.concatenate([eligible if noisy else eligible[:0], _in_branch(model.pending, branch)])
    incumbents = draws[counted].min(axis=0, initial=np.inf if noisy else lowest)
    if noisy:
        return Posterior(posterior.places, posterior.hyper, drawn, draws, _DRAWN_NOISE * posterior.hyper.whole), incumbents
    outputs = np.concatenate([np.repeat(posterior.outputs, _N_DRAWS, axis=1), draws])
    rows = np.concatenate([posterior.rows, _at_the_end(drawn, posterior.rows.shape[1])])
    return Posterior(posterior.places, posterior.hyper, rows, outputs), incumbents


def _at_the_end(rows: Array, n_columns: int) -> Array:
    """With 1 for how far trials have come, where that is a column."""
    return np.concatenate([rows, np.ones((len(rows), n_columns - rows.shape[1]))], axis=1)


def _failures(model: Model) -> Iterator[Margin]:
    """A model of where trials fail, and caution that grows with each failure beyond those that are free.

    Until then a trial is worth its improvement times its probability of success (Gelbart, Snoek, Adams, arXiv 1403.5607): where
    the best values lie behind failures, they are found. That alone lets most trials fail where the best values lie at the edge.
    Of running trials as many will fail as the model expects; their outcome is known late, so that many make caution slower.
    """
    n_failed, n_good, n_pending = len(model.failed), len(model.rows), len(model.pending)
    if not n_failed:
        return
    habits = model.habits
    labels = np.concatenate([np.ones(n_good), -np.ones(n_failed)])
    posterior = model.learned(np.concatenate([model.rows, model.failed]), labels, _FAILURE_NOISE, 1)
    debt, weight = n_failed - habits.free_failures - habits.free_share * (n_failed + n_good), _FAILURE_WEIGHT
    if habits.bold:
        succeed = Margin(posterior, 1.0, _FAILURE_VARIANCE, 0.0).chance(model.pending).sum()
        debt += (1.0 - habits.free_share) * n_pending - float(succeed)
        weight = _FAILURE_WEIGHT if debt > 0.0 else 1.0
    yield Margin(posterior, weight, _FAILURE_VARIANCE, max(0.0, debt) / (1.0 + n_pending / _WORKERS))


def _constraints(model: Model, told: Sequence[Mapping[str, float]]) -> Iterator[Margin]:
    """A model of each constraint that somebody told; the prior's mean lies on its edge."""
    for name in sorted({name for each in told for name in each}):
        known = [place for place, each in enumerate(told) if name in each]
        values = np.array([told[place][name] for place in known])
        scale = np.sort(np.abs(values))[len(values) // 2] or np.abs(values).max() or 1.0
        margins = np.clip(-values / scale, -_FARTHEST_MARGIN, _FARTHEST_MARGIN)
        yield Margin(model.learned(model.rows[known], margins, model.habits.results, 1), 1.0, 0.0, 0.0)
