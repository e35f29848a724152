"""What a trial is to try: a pure function of what its ask could see. Nothing here writes."""

from __future__ import annotations

from journaltune.base.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Suggested(Frozen):
    """Internal values by column, and the attributes that go into the trial's system attributes."""

    internal: dict[str, float]
    attrs: dict[str, Any]
