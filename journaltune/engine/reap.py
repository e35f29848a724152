"""reap and release: running trials whose owner is gone, failed or given back."""

from __future__ import annotations

from journaltune.base import RUNNING, checks
from journaltune.base.errors import ConflictError, NotFoundError
from journaltune.engine.owners import DEAD, NONE, Probe
from journaltune.engine.resume import assign, fail, holder_of, orphans, standing
from journaltune.study import verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from journaltune.journal.state import LiveTrial
    from journaltune.study import OpenStudy


@verb
def reap(study: OpenStudy, numbers: Iterable[int] | None = None) -> list[int]:
    """Fail the running trials of owners that are proven dead, with reason ``owner-died``; their numbers.

    Samplers don't see such failures, and no budget counts them. ``numbers``: these trials only. NotFoundError for one that does
    not exist, ConflictError for one that does not run, or whose owner is not proven dead: then nothing is failed.
    """
    with study.turn.lock, study.turn:
        study.journal.sync()
        if numbers is not None:
            wanted = [checks.whole(number, "a trial's number") for number in numbers]
            probe = Probe(study.path)
            for number in wanted:
                _check_dead(study, _running(study, number), probe)
        found = [(trial.number, holder) for trial, holder in orphans(study) if numbers is None or trial.number in wanted]
        return [number for number, holder in found if fail(study, number, holder, "owner-died")]


@verb
def release(study: OpenStudy, numbers: int | Iterable[int]) -> None:
    """Give a running trial back, or several, whoever has them: the next asks hand them out again, as the same trials.

    Raises NotFoundError for an unknown number, ConflictError for a trial that does not run: then none is given back.
    """
    several = numbers if hasattr(numbers, "__iter__") else [numbers]
    wanted = [checks.whole(number, "a trial's number") for number in several]
    with study.turn.lock, study.turn:
        study.journal.sync()
        for number in wanted:
            _running(study, number)
        for number in wanted:
            _give_back(study, number)
        study.journal.flush()


def _give_back(study: OpenStudy, number: int) -> None:
    while True:
        holder = holder_of(_running(study, number))
        note = {"owner": holder.owner, "attempt": holder.attempt, "deaths": holder.deaths, "released": True}
        if holder.released or assign(study, number, holder, note, "it was released"):
            return


def _running(study: OpenStudy, number: int) -> LiveTrial:
    state = study.state()
    if not 0 <= number < state.n_trials:
        raise NotFoundError(f"study {study.name!r} has no trial {number}; `journaltune status` lists those that run")
    trial = state.live.get(number)
    if trial is None or trial.state != RUNNING:
        is_now = "finished" if trial is None else "waiting to be asked"
        raise ConflictError(f"trial {number} of study {study.name!r} does not run, it is {is_now}; leave it out")
    return trial


def _check_dead(study: OpenStudy, trial: LiveTrial, probe: Probe) -> None:
    found = standing(holder_of(trial), probe)
    if found == DEAD:
        return
    what = "nobody said who owns it" if found == NONE else f"its owner is {found}"
    raise ConflictError(
        f"trial {trial.number} of study {study.name!r} can't be reaped: {what}; `journaltune release {trial.number}` gives it "
        f"back, `journaltune tell {trial.number} --state fail` ends it"
    )
