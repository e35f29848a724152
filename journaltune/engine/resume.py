"""Taking up the trials of dead owners: the same number, parameters and seed again, ``attempt`` one higher.

Who has a trial stands in its ask's record, and after that in the system attribute ``journaltune:owner``. The trial stays RUNNING
all the while, so stock readers notice nothing.
"""

from __future__ import annotations

from journaltune.base import FAIL, RUNNING, trainer_seed
from journaltune.base.errors import ConflictError
from journaltune.base.frozen import Frozen
from journaltune.engine.owners import ALIVE, DEAD, NONE, Probe, boot_id, remove_leftovers
from journaltune.journal import records
from journaltune.journal.state import OWNER_ATTR, to_microseconds, to_moment
from journaltune.space import Distribution
from journaltune.study import verb
from journaltune.suggest.choose import Suggestion

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from journaltune.journal.state import LiveTrial, StudyState
    from journaltune.study import OpenStudy


class Holder(Frozen):
    """Who has a running trial, since when, and for the how manieth time it is tried.

    ``owner``: see ``owners.describe``; None: nobody said. ``ttl_s`` counts from ``clock``: the boot and the seconds since it.
    ``deaths``: how many owners of this trial died. ``released``: it was given back, and is free to be taken.
    """

    owner: Mapping[str, Any] | None = None
    attempt: int = 1
    deaths: int = 0
    since_us: int | None = None
    ttl_s: float | None = None
    clock: Mapping[str, Any] | None = None
    mark: str | None = None
    released: bool = False


def holder_of(trial: LiveTrial) -> Holder:
    """Who has a running trial. What damage or another program left in its place counts as nobody."""
    known = trial.holder
    owner, ttl_s, clock = known.get("owner"), known.get("ttl_s"), known.get("clock")
    return Holder(
        owner if isinstance(owner, dict) else None,
        _whole(known.get("attempt"), 1),
        _whole(known.get("deaths"), 0),
        to_microseconds(known["at"]) if known is not trial.metadata and isinstance(known.get("at"), str) else trial.began,
        ttl_s if isinstance(ttl_s, int | float) else None,
        clock if isinstance(clock, dict) else None,
        known.get("mark"),
        known.get("released") is True,
    )


def _whole(value: object, default: int) -> int:
    return value if isinstance(value, int) and value > 0 else default


def standing(holder: Holder, probe: Probe) -> str:
    """``alive``, ``dead`` (proven, released, or beyond its time to live), ``unknown``, or ``none``: nobody owns the trial."""
    if holder.released or _has_expired(holder):
        return DEAD
    if holder.owner is None:
        return NONE if holder.ttl_s is None else ALIVE
    return probe.standing(holder.owner)


def clock() -> dict[str, Any]:
    """The time that a time to live counts from: that of the boot goes on when somebody sets the clock."""
    from time import CLOCK_BOOTTIME, clock_gettime, time

    try:
        return {"boot": boot_id(), "boot_s": clock_gettime(CLOCK_BOOTTIME), "unix_s": time()}
    except OSError:
        return {"unix_s": time()}


def _has_expired(holder: Holder) -> bool:
    if holder.ttl_s is None or holder.clock is None:
        return False
    then, now = holder.clock, clock()
    unit = "boot_s" if then.get("boot") is not None and then.get("boot") == now.get("boot") else "unix_s"
    began = then.get(unit)
    return isinstance(began, int | float) and now[unit] - began > holder.ttl_s


def owned(state: StudyState) -> list[LiveTrial]:
    """The running trials of which somebody said who owns them, lowest number first."""
    return [trial for trial in state.live.values() if trial.state == RUNNING and trial.may_have_owner()]


def orphans(study: OpenStudy, own: Mapping[str, Any] | None = None) -> Iterator[tuple[LiveTrial, Holder]]:
    """The running trials whose owner is proven dead, lowest number first. ``own``: a worker who asks, so lives."""
    probe = Probe(study.path)
    for trial in owned(study.state()):
        known = trial.holder
        owner = known.get("owner")
        is_plain = not ("ttl_s" in known or "released" in known)
        if is_plain and isinstance(owner, dict) and (owner == own or probe.standing(owner) != DEAD):
            continue  # the one path that an ask among a thousand running trials takes a thousand times
        holder = holder_of(trial)
        if standing(holder, probe) == DEAD:
            yield trial, holder


@verb
def n_orphans(study: OpenStudy) -> int:
    """How many running trials the next asks hand out again, as far as the journal was read."""
    return sum(1 for _ in orphans(study))


@verb
def are_held_by_others(study: OpenStudy) -> bool:
    """Whether a running trial has an owner who lives, so that it may be free before it is finished. As far as the journal was
    read."""
    probe = Probe(study.path)
    return any(standing(holder_of(trial), probe) == ALIVE for trial in owned(study.state()))


def take_up(study: OpenStudy, claim: Mapping[str, Any], failed: list[int]) -> Suggestion | None:
    """The first trial of a dead owner, for the one that ``claim`` names; None when there is none.

    One that killed as many owners as the study allows fails with reason ``crash-loop``, which samplers see as a bad result; its
    number is added to ``failed``.
    """
    owner = claim.get("owner")
    for trial, holder in orphans(study, owner if owner and "lock" in owner else None):
        deaths = holder.deaths + (not holder.released)
        if deaths >= study.attempts:
            if fail(study, trial.number, holder, "crash-loop"):
                failed.append(trial.number)
        elif assign(study, trial.number, holder, {**claim, "attempt": holder.attempt + 1, "deaths": deaths}, why_free(holder)):
            return suggestion_of(study, trial, holder.attempt + 1)
    return None


def started_again(study: OpenStudy, number: int, owner: Mapping[str, Any], why: str) -> int:
    """Count one more attempt of a trial that somebody ran for ``owner`` and that is run anew; the attempt's number.

    ConflictError where the trial does not run any more, or ``owner`` does not have it.
    """
    with study.turn.lock, study.turn:
        study.journal.sync()
        trial = study.state().live.get(number)
        holder = Holder() if trial is None or trial.state != RUNNING else holder_of(trial)
        claim = {"owner": owner, "attempt": holder.attempt + 1, "deaths": holder.deaths + 1, "mark": holder.mark}
        if holder.owner != owner or holder.released or not assign(study, number, holder, claim, why):
            raise ConflictError(f"trial {number} of study {study.name!r} was taken away, or has finished; leave it")
        return holder.attempt + 1


def suggestion_of(study: OpenStudy, trial: LiveTrial, attempt: int) -> Suggestion:
    """What a running trial was handed out with. Its own distributions count, whatever became of the study's space."""
    distributions = {name: Distribution.from_json(text) for name, text in trial.distributions.items()}
    params = {name: distributions[name].decoder(value) for name, value in trial.params.items()}
    params = params if study.space is None else study.space.shown(params)
    return Suggestion(trial.number, params, trainer_seed(study.config, trial.number), attempt)


def why_free(holder: Holder) -> str:
    """Why somebody else may have the trial, in words for people."""
    if holder.released:
        return "it was released"
    if _has_expired(holder):
        return f"its time to live of {holder.ttl_s:g} s was over"
    return f"its owner {name_of(holder.owner)} died"


def name_of(owner: Mapping[str, Any] | None) -> str:
    return "nobody" if owner is None else f"process {owner.get('pid')}"


def in_words(holder: Holder, found: str) -> str:
    """Who has a trial, for people: ``process 12, alive``."""
    if holder.released:
        return "released, the next ask takes it"
    if holder.owner is None:
        return "nobody said who" if holder.ttl_s is None else f"for {holder.ttl_s:g} s"
    return f"{name_of(holder.owner)}, {found}"


def pending(study: OpenStudy) -> list[tuple[int, Holder, str]]:
    """Every running trial: its number, who has it, and whether that owner is ``alive``, ``dead``, ``unknown`` or ``none``."""

    def read(state: StudyState) -> list[tuple[int, Holder, str]]:
        probe = Probe(study.path)
        holders = [(trial.number, holder_of(trial)) for trial in state.live.values() if trial.state == RUNNING]
        return [(number, holder, standing(holder, probe)) for number, holder in holders]

    return study.look(read)


def clear_leftovers(study: OpenStudy) -> None:
    """Remove the lock files of dead workers that no running trial of the journal needs as a proof."""

    def needed(_: StudyState) -> set[str]:
        live = study.journal.state.live.values()
        return {
            str((trial.holder.get("owner") or {}).get("lock"))
            for trial in live
            if trial.state == RUNNING and trial.may_have_owner()
        }

    remove_leftovers(study.path, study.look(needed))


def assign(study: OpenStudy, number: int, before: Holder, claim: Mapping[str, Any], why: str) -> bool:
    """Write who has a running trial now. False when it finished, or changed hands, meanwhile."""
    with study.journal.locked():
        trial = _held(study, number, before)
        if trial is None:
            return False
        note = {**claim, "at": records.now_iso(), "why": why}
        record = records.trial_record(records.SET_TRIAL_SYSTEM_ATTR, trial.trial_id, system_attr={OWNER_ATTR: note})
        (effect,) = study.journal.append([record])
    return bool(effect)


def fail(study: OpenStudy, number: int, before: Holder, reason: str) -> bool:
    """Finish a dead owner's trial as failed. False when it finished, or changed hands, meanwhile."""
    with study.journal.locked():
        trial = _held(study, number, before)
        if trial is None:
            return False
        *_, effect = study.journal.append(records.finishing(trial.trial_id, FAIL, None, {"fail_reason": reason}, {}))
    study.journal.flush()
    return bool(effect)


def _held(study: OpenStudy, number: int, by: Holder) -> LiveTrial | None:
    trial = study.state().live.get(number)
    return trial if trial is not None and trial.state == RUNNING and holder_of(trial) == by else None


def renewal(trial: LiveTrial) -> list[dict[str, Any]]:
    """The record that makes a trial's time to live count anew; none for a trial without one."""
    known = trial.holder
    if known.get("ttl_s") is None:
        return []
    note = {key: known[key] for key in ("owner", "attempt", "deaths", "ttl_s", "mark", "why") if key in known}
    # In the metadata of an ask, "at" is an offset.
    began = to_moment(trial.began)
    at = known["at"] if known is not trial.metadata else began.isoformat() if began else records.now_iso()
    attr = {OWNER_ATTR: {**note, "at": at, "clock": clock()}}
    return [records.trial_record(records.SET_TRIAL_SYSTEM_ATTR, trial.trial_id, system_attr=attr)]
