"""The default: the Gaussian process while it is the best there is, Rustuna's TPE where it is not."""

from __future__ import annotations

from journaltune.suggest.samplers.gp.sampler import EarlierGpSampler, GpSampler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from journaltune.space import Distribution
    from journaltune.space.rules import Rules
    from journaltune.suggest import Suggested
    from journaltune.suggest.history import History
    from journaltune.suggest.samplers.protocol import Sampler

MOST_TRIALS = 1000
"""Results from which TPE suggests: the process learns from a bounded set of them, at a third of a second for each suggestion."""
MOST_COLUMNS = 200
"""Columns beyond which TPE suggests from the start: so many length scales tell nothing, and take a second."""


def typical_s(n_results: int) -> float:
    """About how long the process takes for a suggestion, in seconds: as measured in ten dimensions on one core."""
    return min(0.3, 0.03 + 0.0008 * n_results)


class AutoSampler:
    """Which of the two suggests follows from what the history holds, so it is the same whenever it is asked."""

    marks_enqueued = finite = False
    rules: Rules | None = None
    process: type[GpSampler] = GpSampler

    def __init__(self, name: str, options: Mapping[str, Any], by_index: bool = True) -> None:
        if options:
            from journaltune.suggest.samplers import unknown_option

            raise unknown_option(name, next(iter(options)))
        self._gp = self.process("gp", {})
        self._tpe: Sampler | None = None
        self._by_index = by_index

    def check(self, distributions: Mapping[str, Distribution], n_objectives: int) -> None:
        """See ``samplers.Sampler``: every space, and any number of objectives."""

    def suggest(
        self, history: History, distributions: Mapping[str, Distribution], number: int, seed: int, constant_seed: int
    ) -> Suggested:
        """See ``samplers.Sampler``."""
        self._gp.rules = self.rules
        is_small = len(distributions) <= MOST_COLUMNS and history.n_observed() <= MOST_TRIALS
        chosen = self._gp if len(history.directions) == 1 and is_small else self._other()
        return chosen.suggest(history, distributions, number, seed, constant_seed)

    def _other(self) -> Sampler:
        if self._tpe is None:
            from journaltune.suggest.samplers.from_rustuna import RustunaSampler

            tpe: Sampler = RustunaSampler("tpe", {}, self._by_index)
            tpe.rules = self.rules
            self._tpe = tpe
        return self._tpe


class EarlierAutoSampler(AutoSampler):
    """See ``EarlierGpSampler``."""

    process = EarlierGpSampler
