"""What the next trials are expected to gain: the search goes on in many draws of what the model holds possible.

In each draw the trials that run bring their results. Then more trials follow, each at the candidate where the draw expects most
improvement, and what it brings is drawn from the posterior, which from then on knows it: one update of a Gaussian distribution,
Rasmussen and Williams, equation A.6. A trial may fail, or break a constraint, by the models of both. The gain is that of the
lowest posterior mean among the tried configurations, so a result that was only lucky is none.
"""

from __future__ import annotations

import numpy as np

from journaltune.suggest.samplers.gp.normal import log_h
from journaltune.suggest.samplers.gp.proposal import IMPROVEMENT, margins, search, taken

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from journaltune.suggest.samplers.gp.acquisition import Margin
    from journaltune.suggest.samplers.gp.model import Model
    from journaltune.suggest.samplers.gp.observations import Observations
    from journaltune.suggest.samplers.gp.stream import Stream

    Array = NDArray[np.float64]
    Indexes = NDArray[np.intp]

_N_DRAWS = 64
_MOST_CANDIDATES, _MOST_TRIED, _MOST_PENDING = 250, 40, 32  # rows of the posterior that is drawn from
_LEAST_VARIANCE = 1e-12


def expected_gain(model: Model, observed: Observations, feasible: Sequence[int], n_more: int) -> float:
    """Of the next ``n_more`` trials, on the scale of the results; 0 or more. ``feasible``: observed rows that count."""
    limits = margins(model, observed)
    means = dict(zip(model.chosen.tolist(), model.mean.tolist(), strict=True))
    counted = sorted((means[place], place) for place in feasible if place in means)[:_MOST_TRIED]
    tried = np.array([observed.rows[place] for _, place in counted]).reshape(-1, len(model.axes))
    pending = model.pending[:_MOST_PENDING]
    candidates = _candidates(model, observed, limits)
    if not len(tried) or not len(candidates):
        return 0.0
    draws = _Draws(model, np.concatenate([tried, pending, candidates]), limits, model.stream)
    draws.tried[:, : len(tried)] = True
    for at in range(len(tried), len(tried) + len(pending)):
        draws.observe(np.full(_N_DRAWS, at))
    before, n_known = draws.lowest(), len(tried) + len(pending)
    for _ in range(min(n_more, len(candidates))):
        draws.observe(n_known + draws.most_promising(n_known))
    gains = model.warp.back(before) - model.warp.back(draws.lowest())
    return max(0.0, float(gains.mean()))


def _candidates(model: Model, observed: Observations, limits: Sequence[Margin]) -> Array:
    """The most promising rows that nobody tried, among those that a suggestion is chosen from."""
    rows = search(model, observed, limits).candidates()
    known, places = taken(observed, model.axes), list[int]()
    for place, key in enumerate(model.axes.keys(rows)):
        if key not in known:
            known.add(key)
            places.append(place)
    new = rows[places[:_MOST_CANDIDATES]]
    return new[model.axes.allowed(new)]


class _Draws:
    """The posterior at the rows in each draw: ``tried`` (draws, rows) tells which count, ``_done`` which were asked for."""

    def __init__(self, model: Model, rows: Array, limits: Sequence[Margin], stream: Stream) -> None:
        mean, self._covariance = model.posterior.joint(rows)
        shape = _N_DRAWS, len(rows)
        self._mean = np.repeat(mean[None], _N_DRAWS, axis=0)
        self._variance = np.repeat(np.maximum(self._covariance.diagonal(), _LEAST_VARIANCE)[None], _N_DRAWS, axis=0)
        self._noise, self._stream = model.posterior.hyper.noise, stream
        self._updates: list[Array] = []
        self._every = np.arange(_N_DRAWS)
        self.tried, self._done = np.zeros(shape, bool), np.zeros(shape, bool)
        self._chance = np.prod([limit.chance(rows) for limit in limits], axis=0) if limits else np.ones(len(rows))
        self._limits = sum((limit.at(rows) for limit in limits), np.zeros(len(rows)))

    def lowest(self) -> Array:
        """The lowest mean of a tried row in each draw."""
        found: Array = np.where(self.tried, self._mean, np.inf).min(axis=1)
        return found

    def most_promising(self, skip: int) -> Indexes:
        """The row in each draw, from ``skip`` on, that is worth most; counted from there."""
        deviation = np.sqrt(self._variance[:, skip:])
        gains = log_h((self.lowest()[:, None] - IMPROVEMENT - self._mean[:, skip:]) / deviation)[0]
        worth = np.log(deviation) + gains + self._limits[skip:]
        found: Indexes = np.where(self._done[:, skip:], -np.inf, worth).argmax(axis=1)
        return found

    def observe(self, rows: Indexes) -> None:
        """One trial in each draw. Where it fails or breaks a constraint, nothing is learned."""
        every = self._every
        succeeds = self._stream.uniform(_N_DRAWS) < self._chance[rows]
        half = self._stream.normal(_N_DRAWS // 2)
        column = self._covariance[rows]
        for update in self._updates:
            column = column - update * update[every, rows][:, None]
        spread = np.sqrt(np.maximum(self._variance[every, rows], _LEAST_VARIANCE) + self._noise)
        column = column * (succeeds / spread)[:, None]
        self._mean += column * np.concatenate([half, -half])[:, None]
        self._variance = np.maximum(self._variance - column * column, _LEAST_VARIANCE)
        self._updates.append(column)
        self.tried[every, rows] |= succeeds
        self._done[every, rows] = True
