"""A study as one trial may see it. Results of this work stay with the open study for the next ask."""

from __future__ import annotations

from journaltune.base.errors import UsageError
from journaltune.suggest.history import History
from journaltune.suggest.samplers.registry import make

TYPE_CHECKING = False
if TYPE_CHECKING:
    from journaltune.journal.state import StudyState
    from journaltune.study.open_study import OpenStudy
    from journaltune.suggest.samplers.protocol import Sampler


def awaited(study: OpenStudy, number: int) -> int | None:
    """The trial that must finish before trial ``number`` can be asked for; None when nothing has to."""
    if study.lag is None:
        return None
    from journaltune.suggest.lag import awaited

    return awaited(study.state(), number, study.lag)


def visible(study: OpenStudy, number: int) -> StudyState:
    """The study's state, as far as trial ``number`` may know it."""
    if study.lag is None:
        return study.state()
    from journaltune.suggest.lag import Lagged

    return study.cached(Lagged).view(study.state(), number, study.lag)


def history(study: OpenStudy, number: int) -> History:
    """The history that the sampler sees for trial ``number``."""
    return History(visible(study, number), study.failures)


def by_index(study: OpenStudy) -> bool:
    """Whether samplers get grids by index, and grid values have their canonical spelling.

    A study that does not record the setting ``grid`` was made before this was so. It keeps the old arithmetic, so that ``verify``
    gets the same values. UsageError for a word of a newer version.
    """
    grid = study.config.get("grid")
    if grid not in (None, "index"):
        raise UsageError(f"study {study.name!r} needs a newer journaltune: its setting grid is {grid!r}")
    return grid == "index"


def sampler_of(study: OpenStudy) -> Sampler:
    """The study's sampler. UsageError for one that is unknown or not installed."""
    return study.cached(_made)


def _made(study: OpenStudy) -> Sampler:
    return make(study.sampler, study.setting("sampler_options"), by_index(study))
