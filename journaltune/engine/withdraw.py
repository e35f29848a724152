"""withdraw: take the results of finished trials out of the search."""

from __future__ import annotations

from journaltune.base import checks
from journaltune.base.errors import ConflictError
from journaltune.engine.tell import running_trial
from journaltune.journal import records
from journaltune.journal.records import WITHDRAWN
from journaltune.study import verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from journaltune.study import OpenStudy


@verb
def withdraw(study: OpenStudy, numbers: Iterable[int], reason: str) -> None:
    """Have samplers, ``best``, look-ups, pruners, counts and budgets leave out the results of finished trials.

    Their records stay, and stock Optuna still shows them: no reader of the format changes a finished trial, so this is an
    attribute of the study. On disk when this returns; for a trial that was withdrawn before, nothing changes.

    Raises NotFoundError for an unknown number, ConflictError for a trial that is not finished, or was withdrawn for another
    reason: then no trial is withdrawn.
    """
    wanted = dict.fromkeys(checks.whole(number, "a trial's number") for number in numbers)
    reason = checks.text(reason, "a reason")
    with study.turn.lock, study.turn:
        with study.journal.locked():
            batch = [record for number in wanted for record in _records(study, number, reason)]
            if batch:
                study.journal.append(batch)
        study.journal.flush(again=not batch)


def _records(study: OpenStudy, number: int, reason: str) -> list[dict[str, Any]]:
    if running_trial(study, number) is not None:
        raise ConflictError(
            f"trial {number} of study {study.name!r} still runs, so it has no result to withdraw; end it with "
            f"`journaltune tell {number} --state fail`"
        )
    before = study.state().system_attrs.get(f"{WITHDRAWN}{number}")
    if before is None:
        attr = {f"{WITHDRAWN}{number}": {"reason": reason, "at": records.now_iso()}}
        return records.attr_records(records.SET_STUDY_SYSTEM_ATTR, attr, study_id=study.study_id)
    known = reason_in(before)
    if known != reason:
        raise ConflictError(f"trial {number} of study {study.name!r} was withdrawn already, because of {known!r}; leave it out")
    return []


def reason_in(noted: object) -> str | None:
    """Why a trial was withdrawn, from the study's attribute that says so; None where damage left something else."""
    reason = noted.get("reason") if isinstance(noted, dict) else None
    return reason if isinstance(reason, str) else None


def withdrawn(study: OpenStudy) -> dict[int, str | None]:
    """The withdrawn trials and why, by number."""
    return study.look(
        lambda state: {number: reason_in(state.system_attrs.get(f"{WITHDRAWN}{number}")) for number in sorted(state.withdrawn)}
    )
