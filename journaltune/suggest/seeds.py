"""The seeds of one trial, derived from the study's."""

from __future__ import annotations

from journaltune.base.seeds import REDRAW, SAMPLING, derive_seed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from journaltune.study.open_study import OpenStudy


def sampling_seed(study: OpenStudy, number: int, draw: int = 0) -> int:
    """64 bits for the ``draw``-th suggestion for a trial."""
    seed = derive_seed(study.seed, number, SAMPLING)
    return seed if draw == 0 else derive_seed(seed, draw, REDRAW)
