"""The one function that decides what a trial is to try."""

from __future__ import annotations

from journaltune.study.open_study import space_of
from journaltune.suggest.choice import Choice
from journaltune.suggest.draw import by_index, draw

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from journaltune.space import Space
    from journaltune.study.open_study import OpenStudy


def choose(study: OpenStudy, number: int, fixed: Mapping[str, float] | None = None) -> Choice:
    """The parameters of trial ``number``: a pure function of the study's configuration and of what the trial can see.

    ``fixed``: the internal values that an enqueued trial waits with; None: a new trial. A configuration that needs another
    replicate comes before anything new. With the policy ``reuse`` the choice has a ``twin`` where its parameters have a result
    already; with ``resample`` parameters that were tried are drawn again. ``verify`` calls this function too.

    Raises SpaceError when the study has no search space, ExhaustedError when nothing is left to suggest.
    """
    space = space_of(study)
    choice = _choose(study, space, number, fixed)
    if not space.has_grids or not by_index(study):
        return choice
    return choice.but(internal=space.canonical(choice.internal))


def _choose(study: OpenStudy, space: Space, number: int, fixed: Mapping[str, float] | None) -> Choice:
    if fixed is None and study.replicates > 1:
        from journaltune.suggest.replicates import due

        replicate = due(study, space, number)
        if replicate is not None:
            return replicate
    if study.duplicates == "allow":
        suggested = draw(study, space, number, fixed)
        return Choice(suggested.internal, suggested.attrs)
    from journaltune.suggest import duplicates  # most studies do without its imports

    if fixed is None:
        return duplicates.choose_new(study, space, number)
    return duplicates.choose_rest(study, space, number, fixed)
