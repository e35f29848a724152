"""The one function that decides what a trial is to try."""

from __future__ import annotations

from journaltune.study.open_study import space_of
from journaltune.suggest.choice import Choice
from journaltune.suggest.draw import draw

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from journaltune.study.open_study import OpenStudy


def choose(study: OpenStudy, number: int, fixed: Mapping[str, float] | None = None) -> Choice:
    """What trial ``number`` is to try: a pure function of the study's configuration and of what the trial sees of it.

    ``fixed``: the internal values that an enqueued trial waits with; None: a new trial. A configuration that needs another
    replicate comes before anything new. Under the policy ``reuse`` the choice has a ``twin`` where the parameters have a result
    already, under ``resample`` parameters that were tried are drawn again. ``verify`` calls this too.

    Raises SpaceError when the study has no search space, ExhaustedError when nothing is left to suggest.
    """
    space = space_of(study)
    if fixed is None and study.replicates > 1:
        from journaltune.suggest.replicates import due

        replicate = due(study, space, number)
        if replicate is not None:
            return replicate
    if study.duplicates == "allow":
        found = draw(study, space, number, fixed or {})
        return Choice(found.internal, found.attrs)
    from journaltune.suggest import duplicates  # most studies do without its imports

    if fixed is None:
        return duplicates.new(study, space, number)
    return duplicates.completed(study, space, number, fixed)
