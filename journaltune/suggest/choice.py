"""What the room answers with: a choice for a trial, and what ``ask`` hands out."""

from __future__ import annotations

from journaltune.base.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from journaltune.journal.state import StudyState
    from journaltune.study.open_study import OpenStudy

# User attributes that hold the number of another trial: the one whose result this trial has, the first one of its configuration.
DUPLICATE_OF, REPLICATE_OF = "duplicate_of", "replicate_of"
DUPLICATE_IN = "duplicate_in"  # the name of the study whose trial DUPLICATE_OF means, where that is another one


class Suggestion(Frozen):
    """The trial's number, its parameters (external values), and a seed of 31 bits for the trainer.

    ``attempt`` is 1, and one higher each time that the trial is taken up again.
    """

    number: int
    params: dict[str, Any]
    seed: int
    attempt: int = 1


class Twin(Frozen):
    """A trial with the same parameters, and its state as the new trial may know it. ``sibling`` is the id and the name of its
    study, where that is another one of the journal."""

    number: int
    state: int
    sibling: tuple[int, str] | None = None

    def study_state(self, study: OpenStudy) -> StudyState | None:
        """The replayed study that the trial belongs to; None when it was deleted."""
        return study.state() if self.sibling is None else study.journal.state.studies.get(self.sibling[0])


class Choice(Frozen):
    """Internal values for a trial, and the sampler's notes for its record.

    ``twin`` is a trial with these parameters, where one is finished or running. ``replicate_of`` is the first trial of a
    configuration that is asked several times.
    """

    internal: dict[str, float]
    attrs: dict[str, Any]
    twin: Twin | None = None
    replicate_of: int | None = None

    @property
    def user_attrs(self) -> dict[str, Any]:
        """The attributes of the trial that everybody may read."""
        if self.twin is not None:
            where = {} if self.twin.sibling is None else {DUPLICATE_IN: self.twin.sibling[1]}
            return {DUPLICATE_OF: self.twin.number, **where}
        return {} if self.replicate_of is None else {REPLICATE_OF: self.replicate_of}
