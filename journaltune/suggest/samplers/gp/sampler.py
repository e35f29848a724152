"""The sampler: a Latin hypercube, then what the model expects most of."""

from __future__ import annotations

from journaltune.base.errors import UsageError
from journaltune.suggest import Suggested
from journaltune.suggest.samplers.gp import design

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from journaltune.space import Distribution
    from journaltune.space.rules import Rules
    from journaltune.suggest.history import History


class GpSampler:
    """It keeps nothing: a suggestion needs a fit of its own, which takes longer than reading the history."""

    marks_enqueued = finite = False
    rules: Rules | None = None
    is_earlier = False

    def __init__(self, name: str, options: Mapping[str, Any], by_index: bool = True) -> None:
        if options:
            from journaltune.suggest.samplers import unknown_option

            raise unknown_option(name, next(iter(options)))

    def check(self, distributions: Mapping[str, Distribution], n_objectives: int) -> None:
        """See ``samplers.Sampler``."""
        if n_objectives != 1:
            raise UsageError(f"sampler gp takes one objective, not {n_objectives}; take auto, tpe or nsgaii")

    def suggest(
        self, history: History, distributions: Mapping[str, Distribution], number: int, seed: int, constant_seed: int
    ) -> Suggested:
        """See ``samplers.Sampler``. Trials that failed or still run bring no model nearer, so the design goes on meanwhile.

        A design is asked for as a whole, but half of its results are enough to begin with: of many workers' first results few
        are known when the next trials start, and where trials fail, a model knows where they do.
        """
        whole = design.size(len(distributions))
        needed = whole if self.is_earlier else (whole + 1) // 2
        if history.n_observed() >= needed and (self.is_earlier or number >= whole):
            from journaltune.suggest.samplers.gp.observations import observe

            observed = observe(history, distributions, courses=not self.is_earlier)
            if len(observed.rows) >= needed:
                from journaltune.suggest.samplers.gp.threads import one_blas_thread

                with one_blas_thread():
                    from journaltune.suggest.samplers.gp.habits import EARLIER, PRESENT
                    from journaltune.suggest.samplers.gp.proposal import propose

                    habits = EARLIER if self.is_earlier else PRESENT
                    return Suggested(propose(observed, distributions, number, seed, self.rules, habits), {})
        return Suggested(design.row(distributions, number, seed, constant_seed), {})


class EarlierGpSampler(GpSampler):
    """Of studies that don't record the word that ``settings.ARITHMETIC`` has for ``gp``."""

    is_earlier = True
