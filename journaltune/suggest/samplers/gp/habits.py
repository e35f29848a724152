"""How the process works, and how it worked when earlier studies were made: these go on as they began, and ``verify`` them."""

from __future__ import annotations

from journaltune.base.frozen import Frozen
from journaltune.suggest.samplers.gp.fit import RESULTS, Noise


class Habits(Frozen):
    """``sums``: the covariance has a part that is a sum over parameters. ``most_fitted``: rows that the fit sees.
    ``results``: their noise, and ``noisy`` a noise from which the lowest mean is no longer what a trial has to improve on.

    ``free_failures`` and ``free_share`` of the trials may fail before caution begins; ``bold``: until then improvement counts as
    much as the chance of success.
    """

    sums: bool
    most_fitted: int
    results: Noise
    noisy: float
    free_failures: float
    free_share: float
    bold: bool


PRESENT = Habits(sums=True, most_fitted=150, results=RESULTS, noisy=3e-3, free_failures=5.0, free_share=0.12, bold=True)
EARLIER = Habits(sums=False, most_fitted=200, results=Noise(1e-4, 2.0), noisy=1e-3, free_failures=0.0, free_share=0.1, bold=False)
