"""What the room answers with: a choice for a trial, and what `ask` hands out."""

from __future__ import annotations

from journaltune.base.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Suggestion(Frozen):
    """What ``ask`` hands out: the trial's number, its parameters (external values) and a 32-bit seed for the trainer."""

    number: int
    params: dict[str, Any]
    seed: int


DUPLICATE_OF = "duplicate_of"  # user attribute: the number of the trial whose result this one has


REPLICATE_OF = "replicate_of"  # user attribute: the number of the first trial with these parameters


class Twin(Frozen):
    """A trial with the same parameters, and its state, as a new trial may know it."""

    number: int
    state: int


class Choice(Frozen):
    """What a new trial is to try: internal values, what its record notes of the sampler, and its twin, where it has a result
    already. ``replicate_of`` is the first trial of a configuration that is asked several times."""

    internal: dict[str, float]
    attrs: dict[str, Any]
    twin: Twin | None = None
    replicate_of: int | None = None

    @property
    def user_attrs(self) -> dict[str, Any]:
        """What the record says of it to everybody."""
        if self.twin is not None:
            return {DUPLICATE_OF: self.twin.number}
        return {} if self.replicate_of is None else {REPLICATE_OF: self.replicate_of}
