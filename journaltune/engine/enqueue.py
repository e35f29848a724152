"""enqueue: parameters that the next ask hands out. enqueue_all: those of many asks."""

from __future__ import annotations

from os import urandom

from journaltune.base import WAITING, checks
from journaltune.base.errors import ConflictError, InDoubtError, NotFoundError
from journaltune.base.jsontext import dumps
from journaltune.engine.tell import earlier_request
from journaltune.journal import records
from journaltune.journal.exact import with_attrs
from journaltune.study import OpenStudy, space_of, verb
from journaltune.study.queue import Queue, attrs_of, grown, same_params

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from journaltune.space import Space


@verb
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
                    number = _enqueue(study, _record(study, _late(study, space), internal, fixed, user_attrs, request_id))
            study.journal.flush(again=study.journal.offset == begun)
        except InDoubtError as error:
            raise InDoubtError(f"{error}, or repeat it with --request-id {request_id}") from error
    return number


@verb
def enqueue_all(
    study: OpenStudy, rows: Sequence[Mapping[str, Any]], *, skip_if_exists: bool = False, request_ids: Sequence[str] | None = None
) -> list[int | None]:
    """Queue many sets of parameters at once, in their order. Each one's trial number, None where it was skipped.

    SpaceError for a set that the space does not have; then none is queued. A set whose request id was used before is not queued
    again; ConflictError when it was used for something else. All of them are in the journal, or none: they are one write.
    """
    with study.turn.lock, study.turn:
        study.journal.sync()
        space = space_of(study)
        internals = [space.encode(checks.mapping(row, "parameters"), partial=True) for row in rows]
        ids: Sequence[str | None] = [None] * len(rows) if request_ids is None else list(map(checks.request_id, request_ids))
        with study.journal.locked():
            begun = study.journal.offset
            numbers = _numbers(study, space, internals, ids, skip_if_exists)
        study.journal.flush(again=study.journal.offset == begun)
    return numbers


def _numbers(
    study: OpenStudy, space: Space, internals: Sequence[dict[str, float]], ids: Sequence[str | None], skip_if_exists: bool
) -> list[int | None]:
    """Write what is new in one batch. The lock is held."""
    numbers: list[int | None] = []
    places, batch, keys, late = [], [], set(), _late(study, space)
    for place, (internal, request_id) in enumerate(zip(internals, ids, strict=True)):
        fixed = space.columns_of(internal)
        earlier, key = earlier_request(study, "enqueue", request_id), dumps(sorted(fixed.items()))
        numbers.append(earlier)
        if earlier is not None and request_id is not None:
            _require_same(study, space, earlier, fixed, {}, request_id)
        if earlier is None and not (skip_if_exists and (key in keys or _exists(study, space, internal, fixed))):
            places.append(place)
            batch.append(_record(study, late, internal, fixed, {}, request_id))
            keys.add(key)
    trials = study.journal.append(batch) if batch else []
    if not all(trials):
        raise NotFoundError(f"study {study.name!r} was deleted")
    for place, trial in zip(places, trials, strict=True):
        numbers[place] = int(trial.number)
    return numbers


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


def _late(study: OpenStudy, space: Space) -> list[str]:
    """The columns that have more choices than at first: no later record could set them in a trial."""
    return list(grown(study.state(), space))


def _record(
    study: OpenStudy,
    late: Sequence[str],
    internal: Mapping[str, float],
    fixed: dict[str, Any],
    user_attrs: dict[str, Any],
    request_id: str | None,
) -> dict[str, Any]:
    """A waiting trial, which has the values of the columns ``late`` in it."""
    set_now = {name: internal[name] for name in late if name in internal}
    record = records.create_trial(study.state().study_id, study.stored_distributions, set_now, WAITING)
    record["system_attrs"] = {"fixed_params": fixed}
    return records.requested(with_attrs(record, {"user_attrs": user_attrs}), request_id)


def _enqueue(study: OpenStudy, record: dict[str, Any]) -> int:
    (trial,) = study.journal.append([record])
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
