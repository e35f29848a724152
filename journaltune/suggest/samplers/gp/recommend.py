"""The tried configuration that the model holds best. Where results are noisy, the best observed trial is the luckiest one."""

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


def recommended(history: History, distributions: Mapping[str, Distribution], rules: Rules | None = None) -> int | None:
    """The number of the complete trial with the best posterior mean; None where there is none, or several objectives.

    Whichever sampler suggested the trials. Trials that break their constraints are recommended only where all do.
    """
    if len(history.directions) != 1:
        return None
    complete = {number for number, *_ in history.complete()}
    observed = observe(history, distributions)
    feasible = [all(value <= 0.0 for value in told.values()) for told in observed.constraints]
    counted = [at for at, number in enumerate(observed.numbers) if number in complete]
    counted = [at for at in counted if feasible[at]] or counted
    if not counted:
        return None
    if len(observed.rows) < LEAST_RESULTS:
        return observed.numbers[min(counted, key=lambda at: observed.values[at])]
    with one_blas_thread():
        model = Model(observed, Axes(distributions, rules), Stream(0))
    means = np.full(len(observed.rows), np.inf)
    means[model.chosen] = model.mean
    return observed.numbers[min(counted, key=lambda at: (float(means[at]), observed.values[at]))]
