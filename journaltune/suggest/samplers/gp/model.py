"""The observations as arrays, and the posterior of their outputs."""

from __future__ import annotations

import numpy as np

from journaltune.suggest.samplers.gp.fit import Noise, fitted
from journaltune.suggest.samplers.gp.habits import PRESENT, Habits
from journaltune.suggest.samplers.gp.kernel import Places
from journaltune.suggest.samplers.gp.outputs import warped
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
    """``rows`` are at most ``MOST_CONDITIONED`` of the observed ones, which stand at ``chosen``; ``mean`` is that at each."""

    def __init__(self, observed: Observations, axes: Axes, stream: Stream, habits: Habits = PRESENT) -> None:
        self.axes, self.stream, self.habits = axes, stream, habits
        outputs = warped(np.array(observed.values))
        self.chosen = self._bounded(outputs, MOST_CONDITIONED)
        self.rows = _array(observed.rows, axes)[self.chosen]
        self.failed, self.pending = _array(observed.failed, axes), _array(observed.pending, axes)
        absent = np.isnan(np.concatenate([self.rows, self.failed, self.pending])).any(axis=0)
        self.places = Places(axes.n_choices, (absent | axes.optional).tolist())
        self.posterior = self.learned(self.rows, outputs[self.chosen], habits.results, 2)
        self.mean = self.posterior.moments(self.rows)[0][:, 0]

    def learned(self, rows: Array, outputs: Array, noise: Noise, starts: int) -> Posterior:
        """Hyperparameters from a bounded number of the rows, as a step of a fit costs its cube, conditioned on more of them."""
        some, most = self._bounded(outputs, self.habits.most_fitted), self._bounded(outputs, MOST_CONDITIONED)
        hyper = fitted(self.places, rows[some], outputs[some], noise, starts, self.habits.sums)
        return Posterior(self.places, hyper, rows[most], outputs[most, None])

    def _bounded(self, outputs: Array, most: int) -> Indexes:
        """All; where they are too many, the best ones for half of what fits, and a random sample of the rest."""
        if len(outputs) <= most:
            return np.arange(len(outputs))
        order = np.argsort(outputs, kind="stable")
        best, rest = order[: most // 2], order[most // 2 :]
        return np.sort(np.concatenate([best, rest[self.stream.order(len(rest))[: most - len(best)]]]))


def _array(rows: Sequence[Sequence[float]], axes: Axes) -> Array:
    return np.array(rows, float).reshape(-1, len(axes))
