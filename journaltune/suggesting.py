"""What a trial is to try: the study's sampler, asked with the trial's own seeds."""

from __future__ import annotations

from journaltune.errors import SpaceError
from journaltune.frozen import Frozen
from journaltune.history import derive_seed
from journaltune.samplers import Suggested

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from journaltune.space import Space
    from journaltune.studies import OpenStudy

DUPLICATE_OF = "duplicate_of"  # user attribute: the number of the trial whose result this one has
REPLICATE_OF = "replicate_of"  # user attribute: the number of the first trial with these parameters
SAMPLING, TRAINER, CONSTANT, REDRAW = range(4)  # what a derived seed is for


class Twin(Frozen):
    """A trial with the same parameters, and its state, as a new trial may know it."""

    __slots__ = ("number", "state")

    number: int
    state: int

    def __init__(self, number: int, state: int) -> None:
        self._set(number=number, state=state)


class Choice(Frozen):
    """What a new trial is to try: internal values, what its record notes of the sampler, and its twin, where it has a result
    already. ``replicate_of`` is the first trial of a configuration that is asked several times."""

    __slots__ = ("attrs", "internal", "replicate_of", "twin")

    internal: dict[str, float]
    attrs: dict[str, Any]
    twin: Twin | None
    replicate_of: int | None

    def __init__(
        self, internal: dict[str, float], attrs: dict[str, Any], twin: Twin | None = None, replicate_of: int | None = None
    ) -> None:
        self._set(internal=internal, attrs=attrs, twin=twin, replicate_of=replicate_of)

    @property
    def user_attrs(self) -> dict[str, Any]:
        """What the record says of it to everybody."""
        if self.twin is not None:
            return {DUPLICATE_OF: self.twin.number}
        return {} if self.replicate_of is None else {REPLICATE_OF: self.replicate_of}


def space_of(study: OpenStudy) -> Space:
    """The study's search space. SpaceError when nobody gave it one."""
    if study.space is None:
        raise SpaceError(
            f"study {study.name!r} has no search space; give it one with "
            f"`journaltune create --exist-ok --study {study.name} --param 'NAME: SPEC'`"
        )
    return study.space


def suggest(study: OpenStudy, space: Space, number: int, draw: int = 0) -> Suggested:
    """What trial ``number`` is to try: a pure function of the study's configuration, its history, the number, and which
    ``draw`` it is, where what was drawn before was a duplicate."""
    varied, sampler = study.varied, study.sampler_object()
    found = Suggested({}, {})
    if varied or sampler.finite:
        seeds = sampling_seed(study, number, draw), derive_seed(study.seed, 0, CONSTANT)
        found = sampler.suggest(study.history(number), varied, number, *seeds)
    return Suggested(with_constants(found.internal, space), found.attrs)


def with_constants(varied: Mapping[str, float], space: Space) -> dict[str, float]:
    """Internal values of the parameters that are searched in, and with them those of the parameters with one value only."""
    return {name: varied[name] if name in varied else float(known.low) for name, known in space.distributions.items()}


def suggested(study: OpenStudy, space: Space, number: int) -> Choice:
    """The choice where any suggestion will do."""
    found = suggest(study, space, number)
    return Choice(found.internal, found.attrs)


def sampling_seed(study: OpenStudy, number: int, draw: int = 0) -> int:
    """64 bits for the ``draw``-th suggestion for a trial."""
    seed = derive_seed(study.seed, number, SAMPLING)
    return seed if draw == 0 else derive_seed(seed, draw, REDRAW)


def trainer_seed(study: OpenStudy, number: int) -> int:
    """32 bits for the trainer's own random generators, from the study's seed and the trial's number."""
    return derive_seed(study.seed, number, TRAINER) & 0xFFFFFFFF
