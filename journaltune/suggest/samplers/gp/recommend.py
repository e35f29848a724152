"""The tried configuration that the model holds best, and what it expects of more trials.

Where results are noisy, the best observed trial is the luckiest one.
"""

from __future__ import annotations

import numpy as np

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


def believed(
    history: History, distributions: Mapping[str, Distribution], rules: Rules | None, n_more: int
) -> tuple[int | None, float | None]:
    """The number of the complete trial with the best posterior mean, and what ``n_more`` more trials are expected to gain.

    Whichever sampler suggested the trials, for one objective. Trials that break their constraints are recommended only where all
    do, and then there is no gain to speak of: None, as with ``n_more`` = 0.
    """
    complete = {number for number, *_ in history.complete()}
    observed = observe(history, distributions)
    counted = [at for at, number in enumerate(observed.numbers) if number in complete]
    feasible = [at for at in counted if all(value <= 0.0 for value in observed.constraints[at].values())]
    if not counted:
        return None, None
    eligible = feasible or counted
    if len(observed.rows) < LEAST_RESULTS:
        return observed.numbers[min(eligible, key=lambda at: observed.values[at])], None
    with one_blas_thread():
        model = Model(observed, Axes(distributions, rules), Stream(0))
        means = np.full(len(observed.rows), np.inf)
        means[model.chosen] = model.mean
        best = observed.numbers[min(eligible, key=lambda at: (float(means[at]), observed.values[at]))]
        if not n_more or not feasible:
            return best, None
        from journaltune.suggest.samplers.gp.gain import expected_gain

        return best, expected_gain(model, observed, feasible, n_more)
