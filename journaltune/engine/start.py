"""The configurations that a study is to begin with, as a file or a caller gives them: queued once."""

from __future__ import annotations

from hashlib import sha256

from journaltune.base.jsontext import dumps
from journaltune.engine.enqueue import enqueue_all
from journaltune.study import space_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from journaltune.space import Space
    from journaltune.study import OpenStudy


def check_start(space: Space, start: Sequence[Mapping[str, Any]]) -> list[dict[str, float]]:
    """The columns of each configuration. SpaceError, with the place in the list, for one that the space does not have."""
    from journaltune.base.errors import SpaceError

    columns = []
    for place, params in enumerate(start, 1):
        try:
            columns.append(space.encode(params, partial=True))
        except SpaceError as error:
            raise SpaceError(f"start, configuration {place}: {error}") from None
    return columns


def enqueue_start(study: OpenStudy, start: Sequence[Mapping[str, Any]]) -> int:
    """Queue what was not queued by an earlier call; how many. The same list again, or a longer one, adds what is new in it.

    A call that is killed is repeated by the next one: what a configuration holds is its request id.
    """
    if not start:
        return 0
    space, seen, ids = space_of(study), dict[str, int](), []
    for columns in check_start(space, start):
        text = dumps(sorted(space.decode(columns).items()))
        seen[text] = seen.get(text, 0) + 1
        ids.append(f"start-{sha256(text.encode()).hexdigest()[:32]}-{seen[text]}")
    before = study.look(lambda state: state.n_trials)
    numbers = enqueue_all(study, start, request_ids=ids)
    return sum(number is not None and number >= before for number in numbers)
