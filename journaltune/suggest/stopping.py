"""Stop rules: whether a study has what it was made for, as a pure function of what the next trial may see."""

from __future__ import annotations

from journaltune.base import MAXIMIZE
from journaltune.study.best import Incumbent
from journaltune.suggest.choose import visible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from journaltune.study.open_study import OpenStudy


def why_stopped(study: OpenStudy, number: int) -> str:
    """Why trial ``number`` is not to be asked, in words; "" where it may be."""
    target, patience = study.setting("target"), study.setting("patience")
    state = visible(study, number)
    incumbent = study.cached_for(state.finished, Incumbent).update(state)
    if incumbent.loss is None:
        return ""
    sign = -1.0 if state.directions[0] == MAXIMIZE else 1.0
    best = f"trial {incumbent.number} has {sign * incumbent.loss!r}"
    if target is not None and incumbent.loss <= sign * target:
        return f"{best}, which is as good as its target {target!r}; --target sets another"
    if patience is not None and incumbent.n_since >= patience:
        return f"{best}, and {incumbent.n_since} trials since brought nothing better; --patience sets how many may"
    return ""
