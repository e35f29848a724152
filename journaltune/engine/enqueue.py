"""enqueue: parameters that the next ask hands out."""

from __future__ import annotations

from os import urandom

from journaltune.base import checks
from journaltune.base.codes import WAITING
from journaltune.base.errors import ConflictError, InDoubtError, NotFoundError
from journaltune.base.jsontext import dumps
from journaltune.engine.tell import earlier_request
from journaltune.journal import records
from journaltune.journal.exact import with_attrs
from journaltune.study.open_study import OpenStudy, space_of
from journaltune.study.queue import Queue, attrs_of, grown, same_params

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from journaltune.space import Space


def enqueue(
    study: OpenStudy,
    params: Mapping[str, Any],
    *,
    skip_if_exists: bool = False,
    attrs: Mapping[str, Any] | None = None,
    request_id: str | None = None,
) -> int | None:
    """Queue parameters for the next ask, which suggests those that are left out. The new trial's number, None when skipped.

    The same ``request_id`` again queues nothing and answers the same number; ConflictError when it is used for something else.
    Without a ``request_id`` one is made up, which an InDoubtError names.
    """
    params, user_attrs = checks.mapping(params, "parameters"), checks.attrs(attrs)
    request_id = checks.request_id(request_id) or urandom(8).hex()
    with study.turn.lock, study.turn:
        study.journal.sync()
        space = space_of(study)
        internal = space.encode(params, partial=True)
        fixed = space.columns_of(internal)
        try:
            with study.journal.locked():
                begun, number = study.journal.offset, earlier_request(study, "enqueue", request_id)
                if number is not None:
                    _require_same(study, space, number, fixed, user_attrs, request_id)
                elif skip_if_exists and _exists(study, space, internal, fixed):
                    return None
                else:
                    grown_ones = {name: internal[name] for name in grown(study.state(), space) if name in internal}
                    number = _enqueue(study, fixed, grown_ones, user_attrs, request_id)
            study.journal.flush(again=study.journal.offset == begun)
        except InDoubtError as error:
            raise InDoubtError(f"{error}, or repeat it with --request-id {request_id}") from error
    return number


def _require_same(
    study: OpenStudy, space: Space, number: int, fixed: dict[str, Any], user_attrs: dict[str, Any], request_id: str
) -> None:
    """ConflictError when trial ``number`` was enqueued with something else, as far as the journal still says with what."""
    state = study.state()
    same, live = same_params(attrs_of(state, number), fixed, space), state.live.get(number)
    if live is not None and live.state == WAITING:  # once it runs, others may have been added to its attributes
        same = same and dumps(sorted(live.user_attrs.items())) == dumps(sorted(user_attrs.items()))
    if not same:
        raise ConflictError(
            f"request id {request_id!r} was used to enqueue trial {number} with other parameters or attributes; "
            "take a new one for each trial"
        )


def _enqueue(
    study: OpenStudy, fixed: dict[str, Any], grown_ones: dict[str, float], user_attrs: dict[str, Any], request_id: str
) -> int:
    """``grown_ones``: internal values of columns that have more choices than at first, which no later record could set."""
    record = records.create_trial(study.state().study_id, study.stored_distributions, grown_ones, WAITING)
    record["system_attrs"] = {"fixed_params": fixed}
    record = with_attrs(record, {"user_attrs": user_attrs})
    (trial,) = study.journal.append([records.requested(record, request_id)])
    if not trial:
        raise NotFoundError(f"study {study.name!r} was deleted")
    return int(trial.number)


def _exists(study: OpenStudy, space: Space, internal: dict[str, float], fixed: dict[str, Any]) -> bool:
    """Whether some trial has these parameters, or was enqueued with them."""
    from journaltune.suggest.duplicates import Tried

    state = study.state()
    if space.is_whole(internal) and Tried(study, state).twin(internal) is not None:
        return True
    return study.cached_for(state.finished, Queue).holds(state, fixed, space)
