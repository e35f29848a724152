"""recommend: the tried configuration that a model of all results holds best, and what it expects of more trials."""

from __future__ import annotations

from journaltune.base.errors import UsageError
from journaltune.study.best import best_trials
from journaltune.study.trials import finished_trial
from journaltune.suggest.history import History
from journaltune.suggest.outlook import Outlook, outlook

TYPE_CHECKING = False
if TYPE_CHECKING:
    from journaltune.base.model import Trial
    from journaltune.journal.state import StudyState
    from journaltune.study import OpenStudy


def recommended_trial(study: OpenStudy) -> Trial:
    """The complete trial with the best posterior mean, whichever sampler ran: where results are noisy, the best observed one was
    lucky.

    Loads NumPy. UsageError for several objectives, NotFoundError while there is no best trial.
    """
    if len(study.directions) > 1:
        raise UsageError(f"study {study.name!r} has {len(study.directions)} objectives; a recommended trial is for one")

    def read(state: StudyState) -> Trial | None:
        number = outlook(study, History(state, study.failures), gain=False).recommended
        return None if number is None else finished_trial(state, number)

    best = best_trials(study)[0]
    return study.look(read) or best


def present_outlook(study: OpenStudy) -> Outlook:
    """What the model says of the study as it is now. Loads NumPy."""
    return study.look(lambda state: outlook(study, History(state, study.failures)))
