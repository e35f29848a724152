"""Results that were withdrawn: their trials stay as they finished, and an attribute of the study says that they count no more."""

from __future__ import annotations

from journaltune.journal.records import WITHDRAWN
from journaltune.journal.state import HIDDEN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from journaltune.journal.state import StudyState


def hide(study: StudyState, attrs: Mapping[str, Any]) -> None:
    """Hide the results of the finished trials that these attributes name. What was worked out from results holds no more."""
    for number in map(_number_in, attrs):
        try:
            row = study.finished.row_of(number)
        except KeyError:  # it is not finished: another program wrote this
            continue
        study.finished.column("codes")[row] |= HIDDEN
        study.withdrawn.add(number)
        study.config = None if study.config is None else dict(study.config)  # another object: whoever has caches drops them


def _number_in(name: str) -> int:
    text = name.removeprefix(WITHDRAWN)
    return int(text) if name.startswith(WITHDRAWN) and text.isascii() and text.isdigit() and len(text) < 19 else -1
