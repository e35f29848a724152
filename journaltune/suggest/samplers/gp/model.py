"""The observations as arrays, and the posterior of their outputs."""

from __future__ import annotations

import numpy as np

from journaltune.suggest.samplers.gp.fit import Noise, fitted
from journaltune.suggest.samplers.gp.habits import PRESENT, Habits
from journaltune.suggest.samplers.gp.kernel import Places
from journaltune.suggest.samplers.gp.outputs import Warp
from journaltune.suggest.samplers.gp.posterior import Posterior

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from journaltune.suggest.samplers.gp.axes import Axes
    from journaltune.suggest.samplers.gp.observations import Observations
    from journaltune.suggest.samplers.gp.stream import Stream

    Array = NDArray[np.float64]
    Indexes = NDArray[np.intp]

MOST_CONDITIONED = 500  # rows that a suggestion is conditioned on


class Model:
    """``rows`` are at most ``MOST_CONDITIONED`` of the observed ones, which stand at ``chosen``; ``mean`` is what each should
    come to at its end, and ``ended`` tells which have got there.
    """

    def __init__(self, observed: Observations, axes: Axes, stream: Stream, habits: Habits = PRESENT) -> None:
        self.axes, self.stream, self.habits = axes, stream, habits
        self.warp = Warp(np.array([*observed.values, *(value for _, _, value in observed.earlier)]))
        outputs = self.warp.outputs[: len(observed.values)]
        self.chosen = self._bounded(outputs, MOST_CONDITIONED)
        self.rows = _array(observed.rows, axes)[self.chosen]
        self.ended = np.array(observed.progress)[self.chosen] >= 1.0 if observed.progress else np.ones(len(self.rows), bool)
        self.failed, self.pending = _array(observed.failed, axes), _array(observed.pending, axes)
        absent = np.isnan(np.concatenate([self.rows, self.failed, self.pending])).any(axis=0)
        self._optional = (absent | axes.optional).tolist()
        self.places = Places(axes.n_choices, self._optional)
        self.posterior = self._of_courses(observed) if observed.progress else self._of_results(outputs[self.chosen])
        self.mean = self.posterior.moments(self.rows)[0][:, 0]

    def learned(self, rows: Array, outputs: Array, noise: Noise, starts: int, places: Places | None = None) -> Posterior:
        """Hyperparameters from a bounded number of the rows, as a step of a fit costs its cube, conditioned on more of them."""
        places = places or self.places
        some, most = self._bounded(outputs, self.habits.most_fitted), self._bounded(outputs, MOST_CONDITIONED)
        hyper = fitted(places, rows[some], outputs[some], noise, starts, self.habits.sums)
        return Posterior(places, hyper, rows[most], outputs[most, None])

    def _of_results(self, outputs: Array) -> Posterior:
        return self.learned(self.rows, outputs, self.habits.results, 2)

    def _of_courses(self, observed: Observations) -> Posterior:
        """How far a trial has come is one more column, so that a value from its beginning is not taken for one from its end."""
        places, progress = (
            zip(*[(place, how_far) for place, how_far, _ in observed.earlier], strict=True) if observed.earlier else ((), ())
        )
        rows = _array([*observed.rows, *(observed.rows[place] for place in places)], self.axes)
        rows = np.concatenate([rows, np.array([*observed.progress, *progress])[:, None]], axis=1)
        columns = Places([*self.axes.n_choices, 0], [*self._optional, False])
        return self.learned(rows, self.warp.outputs, self.habits.results, 2, columns)

    def _bounded(self, outputs: Array, most: int) -> Indexes:
        """All; where they are too many, the best ones for half of what fits, and a random sample of the rest."""
        if len(outputs) <= most:
            return np.arange(len(outputs))
        order = np.argsort(outputs, kind="stable")
        best, rest = order[: most // 2], order[most // 2 :]
        return np.sort(np.concatenate([best, rest[self.stream.order(len(rest))[: most - len(best)]]]))


def _array(rows: Sequence[Sequence[float]], axes: Axes) -> Array:
    return np.array(rows, float).reshape(-1, len(axes))
