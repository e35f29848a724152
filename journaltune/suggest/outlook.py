"""What the Gaussian process says of a study: which trial it holds best, and what more trials are expected to gain."""

from __future__ import annotations

from journaltune.base.frozen import Frozen
from journaltune.suggest.samplers.auto import MOST_COLUMNS
from journaltune.suggest.samplers.gp import design

TYPE_CHECKING = False
if TYPE_CHECKING:
    from journaltune.study import OpenStudy
    from journaltune.suggest.history import History

N_MORE = 10


class Outlook(Frozen):
    """The number of the ``recommended`` trial, and what ``N_MORE`` more trials are expected to ``gain``.

    ``gain`` is on the results' own scale, 0 or more; None while there are too few results for the sampler's model, and where no
    result counts. Both are None for several objectives.
    """

    recommended: int | None = None
    gain: float | None = None


def outlook(study: OpenStudy, seen: History, *, gain: bool = True) -> Outlook:
    """A pure function of the study's configuration and of what is ``seen``. Loads NumPy. ``gain``: whether to compute that."""
    if len(seen.directions) != 1:
        return Outlook()
    from journaltune.suggest.samplers.gp.recommend import believed

    rules = None if study.space is None else study.space.rules
    return Outlook(*believed(seen, study.varied, rules, N_MORE if gain and has_model(study, seen) else 0))


def has_model(study: OpenStudy, seen: History) -> bool:
    """Whether there are enough results for what the samplers ``auto`` and ``gp`` learn from, and not too many columns."""
    n_columns = len(study.varied)
    return 0 < n_columns <= MOST_COLUMNS and seen.n_observed() >= design.size(n_columns)


def is_tried(study: OpenStudy, seen: History) -> bool:
    """Whether the model may end a search: there are results of as many trials of its own as it speaks of. Of a handful of results
    it may be very wrong: one search in eight on a bowl ended after 7 trials, with seven times the gain left that it was to bring.
    """
    return has_model(study, seen) and seen.n_observed() >= design.size(len(study.varied)) + N_MORE
