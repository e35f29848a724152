"""Request ids: a call that is repeated is answered, not done twice."""

from __future__ import annotations

from journaltune.base.errors import ConflictError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from journaltune.study.open_study import OpenStudy


def earlier_request(study: OpenStudy, kind: str, request_id: str | None, number: int | None = None) -> int | None:
    """The trial that a request id was used for already. ConflictError when that is another one than ``number``."""
    known = study.state().requests.get(f"{kind}:{request_id}") if request_id is not None else None
    if known is not None and number is not None and known != number:
        raise ConflictError(f"request id {request_id!r} was used to {kind} trial {known}; take a new one for trial {number}")
    return known
