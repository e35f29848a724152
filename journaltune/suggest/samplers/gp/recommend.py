"""The tried configuration that the model holds best. Where results are noisy, the best observed trial is the luckiest one."""

from __future__ import annotations

import numpy as np

from journaltune.base.frozen import Frozen
from journaltune.suggest.samplers.gp import design
from journaltune.suggest.samplers.gp.axes import Axes
from journaltune.suggest.samplers.gp.model import Model
from journaltune.suggest.samplers.gp.observations import observe
from journaltune.suggest.samplers.gp.stream import Stream
from journaltune.suggest.samplers.gp.threads import one_blas_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from journaltune.space import Distribution
    from journaltune.space.rules import Rules
    from journaltune.suggest.history import History

LEAST_RESULTS = 4  # below, a model knows nothing that the results don't say


def recommended(history: History, distributions: Mapping[str, Distribution], rules: Rules | None = None) -> int | None:
    """The number of the complete trial with the best posterior mean; None where there is none, or several objectives.

    Whichever sampler suggested the trials. Trials that break their constraints are recommended only where all do.
    """
    return outlook(history, distributions, rules, gain=False).recommended


class Outlook(Frozen):
    """What one model says of a study: the `recommended` trial, and what ``gain.N_MORE`` more trials are expected to gain.

    ``gain`` is on the results' own scale, None while no result counts or there are too few for the sampler's own model.
    """

    recommended: int | None = None
    gain: float | None = None


def outlook(
    history: History, distributions: Mapping[str, Distribution], rules: Rules | None = None, *, gain: bool = True
) -> Outlook:
    """A pure function of the history and the space. Without ``gain`` that is not computed."""
    if len(history.directions) != 1:
        return Outlook()
    complete = {number for number, *_ in history.complete()}
    observed = observe(history, distributions)
    counted = [at for at, number in enumerate(observed.numbers) if number in complete]
    feasible = [at for at in counted if all(value <= 0.0 for value in observed.constraints[at].values())]
    if not counted:
        return Outlook()
    eligible = feasible or counted
    if len(observed.rows) < LEAST_RESULTS:
        return Outlook(observed.numbers[min(eligible, key=lambda at: observed.values[at])])
    with one_blas_thread():
        model = Model(observed, Axes(distributions, rules), Stream(0))
        means = np.full(len(observed.rows), np.inf)
        means[model.chosen] = model.mean
        best = observed.numbers[min(eligible, key=lambda at: (float(means[at]), observed.values[at]))]
        if not gain or not feasible or len(observed.rows) < design.size(len(distributions)):
            return Outlook(best)
        from journaltune.suggest.samplers.gp.gain import expected_gain

        return Outlook(best, expected_gain(model, observed, feasible))
