"""retry: the parameters of failed trials, queued again."""

from __future__ import annotations

from journaltune.base import FAIL, checks
from journaltune.base.errors import ConflictError, NotFoundError
from journaltune.engine.enqueue import enqueue
from journaltune.study.trials import trials

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from journaltune.base.model import Trial
    from journaltune.study import OpenStudy

RETRY_OF = "retry_of"  # user attribute: the number of the failed trial whose parameters these are


def retry(study: OpenStudy, numbers: Iterable[int] | None = None, *, reason: str | None = None) -> list[tuple[int, int]]:
    """Queue the parameters of failed trials again, as new trials: pairs of a failed trial's number and the new one.

    ``numbers``: these; else all that failed, with ``reason`` if there is one, and were not retried yet. The new trial's user
    attribute ``retry_of`` holds the old number. A trial is retried once: what fails again is a failed trial of its own.

    Raises NotFoundError for an unknown number, ConflictError for a trial that did not fail: then nothing is queued.
    """
    known = {trial.number: trial for trial in trials(study)}
    retried = {trial.user_attrs.get(RETRY_OF) for trial in known.values()}
    if numbers is None:
        wanted = [trial for trial in known.values() if _failed(trial, reason) and trial.number not in retried]
    else:
        wanted = [_one(study, known, checks.whole(number, "a trial's number")) for number in numbers]
    queued = ((trial.number, _queue(study, trial)) for trial in wanted if trial.number not in retried)
    return [(failed, number) for failed, number in queued if number is not None]


def _queue(study: OpenStudy, trial: Trial) -> int | None:
    # The request id makes one of two retries at the same time.
    return enqueue(study, trial.params, attrs={RETRY_OF: trial.number}, request_id=f"retry-{trial.number}")


def _failed(trial: Trial, reason: str | None) -> bool:
    return trial.state == FAIL and reason in (None, trial.user_attrs.get("fail_reason"))


def _one(study: OpenStudy, known: dict[int, Trial], number: int) -> Trial:
    if number not in known:
        raise NotFoundError(f"study {study.name!r} has no trial {number}")
    trial = known[number]
    if trial.state != FAIL:
        raise ConflictError(
            f"trial {number} of study {study.name!r} did not fail, it is {trial.state.name.lower()}; "
            "`journaltune enqueue` queues its parameters again"
        )
    return trial
