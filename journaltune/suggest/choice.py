"""What the room answers with: a choice for a trial, and what ``ask`` hands out."""

from __future__ import annotations

from journaltune.base.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# User attributes that hold the number of another trial: the one whose result this trial has, the first one of its configuration.
DUPLICATE_OF, REPLICATE_OF = "duplicate_of", "replicate_of"


class Suggestion(Frozen):
    """The trial's number, its parameters (external values), and a seed of 31 bits for the trainer.

    ``attempt`` is 1, and one higher each time that the trial is taken up again.
    """

    number: int
    params: dict[str, Any]
    seed: int
    attempt: int = 1


class Twin(Frozen):
    """A trial with the same parameters, and its state as the new trial may know it."""

    number: int
    state: int


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
            return {DUPLICATE_OF: self.twin.number}
        return {} if self.replicate_of is None else {REPLICATE_OF: self.replicate_of}
