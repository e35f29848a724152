"""Stop rules: whether a study has what it was made for, as a pure function of what the next trial may see."""

from __future__ import annotations

from journaltune.base.errors import UsageError
from journaltune.study.best import Incumbent, signs_of
from journaltune.suggest.choose import history, visible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from journaltune.space import Space
    from journaltune.study import OpenStudy


def why_stopped(study: OpenStudy, number: int) -> str:
    """Why trial ``number`` is not to be asked, in words; "" where it may be."""
    return _why_good_enough(study, number) or _why_little_gain(study, number)


def _why_good_enough(study: OpenStudy, number: int) -> str:
    target, patience = study.setting("target"), study.setting("patience")
    state = visible(study, number)
    incumbent = study.cached_for(state.finished, Incumbent).update(state)
    if incumbent.loss is None:
        return ""
    (sign, *_) = signs_of(state.directions)
    best = f"trial {incumbent.number} has {sign * incumbent.loss!r}"
    if target is not None and incumbent.loss <= sign * target:
        return f"{best}, which is as good as its target {target!r}; --target sets another"
    if patience is not None and incumbent.n_since >= patience:
        return f"{best}, and {incumbent.n_since} trials since brought nothing better; --patience sets how many may"
    return ""


def _why_little_gain(study: OpenStudy, number: int) -> str:
    """Takes about as long as a suggestion, once there are enough results."""
    least = study.setting("min_gain")
    if not least:
        return ""
    from journaltune.suggest.outlook import N_MORE, is_tried, outlook

    seen = history(study, number)
    gain = outlook(study, seen).gain if is_tried(study, seen) else None
    if gain is None or gain >= least:
        return ""
    return f"{N_MORE} more trials are expected to gain {gain:.3g}, less than {least!r}; --min-gain sets how little is enough"


def refuse_without_model(sampler: str, space: Space) -> None:
    """UsageError where nothing could say what to expect."""
    from journaltune.suggest.samplers import WITH_MODEL
    from journaltune.suggest.samplers.auto import MOST_COLUMNS

    if sampler not in WITH_MODEL:
        raise UsageError(
            f"min_gain asks a model what to expect, and the sampler {sampler} has none; take {' or '.join(WITH_MODEL)}, "
            "or say --patience (--min-gain 0 takes the rule out)"
        )
    if len(space.distributions) > MOST_COLUMNS:
        raise UsageError(
            f"min_gain asks a model what to expect, and there is none for more than {MOST_COLUMNS} columns; this space has "
            f"{len(space.distributions)}; say --patience (--min-gain 0 takes the rule out)"
        )
