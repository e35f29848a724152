"""One draw: the study's sampler, asked with the trial's own seeds."""

from __future__ import annotations

from journaltune.base.seeds import CONSTANT, derive_seed
from journaltune.suggest.samplers.protocol import Suggested
from journaltune.suggest.seeds import sampling_seed
from journaltune.suggest.view import history, sampler_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from journaltune.space import Space
    from journaltune.study.open_study import OpenStudy


def draw(study: OpenStudy, space: Space, number: int, fixed: Mapping[str, float], redraw: int = 0) -> Suggested:
    """Internal values for every parameter of trial ``number``: the ``fixed`` ones, and the sampler's for the rest.

    A pure function of the study's configuration, of what the trial can see, of its number, and of ``redraw``: how many draws
    before this one were duplicates. A sampler that numbers its trials is asked even where all parameters are fixed.
    """
    suggested, sampler = Suggested({}, {}), sampler_of(study)
    if (study.varied or sampler.finite) and (len(fixed) < len(space.distributions) or sampler.marks_enqueued):
        seeds = sampling_seed(study, number, redraw), derive_seed(study.seed, 0, CONSTANT)
        suggested = sampler.suggest(history(study, number), study.varied, number, *seeds)
    return Suggested(with_constants({**suggested.internal, **fixed}, space), suggested.attrs)


def with_constants(varied: Mapping[str, float], space: Space) -> dict[str, float]:
    """``varied``, and for parameters that it lacks the only value that they have, all in declared order."""
    return {name: varied[name] if name in varied else float(known.low) for name, known in space.distributions.items()}
