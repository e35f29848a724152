"""What an ask saw when it chose: all that was acknowledged before it began, the budget, and the queue."""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate
from typing import TYPE_CHECKING

from journaltune.base.seeds import TRAINER, derive_seed

if TYPE_CHECKING:
    from tortures.court import Court
    from tortures.evidence import Start, Trial
    from tortures.logged import Call


def choices(court: Court) -> None:
    """Each of our asks that made a trial a running one. Needs the effects of all calls."""
    calls = {call.asked["ttl_s"]: call for call in court.of("ask") if call.ours}
    acknowledged = sorted((effect.end, effect.offset, effect.text) for effect in court.effects if effect.end is not None)
    ends, latest = [end for end, _, _ in acknowledged], list(accumulate(acknowledged, _later))
    births = [trial.offset for trial in court.trials]
    for trial in court.trials:
        start = trial.starts[0] if trial.starts else None
        if start is None or not start.ours or start.token not in calls:
            continue
        call = calls[start.token]
        before = bisect_left(ends, call.begin)
        if before and latest[before - 1][1] >= start.saw:
            court.find("wrong", f"{call}, for what stands before byte {start.saw}: without {latest[before - 1][2]}")
        if start.meant != (trial.number if trial.born_waiting else bisect_left(births, start.saw)):
            court.find("wrong", f"{call}, suggested for trial {start.meant}, which was not the next one at byte {start.saw}")
        _seed(court, call, trial)
        _budget(court, call, start)
        _queue(court, call, trial, start)


def _later(one: tuple[int, int, str], other: tuple[int, int, str]) -> tuple[int, int, str]:
    """That of two effects which stands later in the log."""
    return max(one, other, key=lambda effect: effect[1])


def _seed(court: Court, call: Call, trial: Trial) -> None:
    seed = court.study.seed if court.study else None
    if call.acknowledged and seed is not None and call.answer["seed"] != derive_seed(seed, trial.number, TRAINER) & 0xFFFFFFFF:
        court.find("wrong", f"{call}, but trial {trial.number} of a study with seed {seed} has another one")


def _budget(court: Court, call: Call, start: Start) -> None:
    most = call.asked.get("max_trials")
    if most is not None and (there := sum(trial.counts_at(start.saw) for trial in court.trials)) >= most:
        court.find("wrong", f"{call}, but there were {there} trials already")


def _queue(court: Court, call: Call, trial: Trial, start: Start) -> None:
    """Enqueued trials come first, lowest number first. One that is enqueued meanwhile may be left to the next ask."""
    if trial.born_waiting:
        first = [other.number for other in court.trials[: trial.number] if other.waits_at(start.saw)]
    else:
        known = [
            effect.number for effect in court.effects if effect.what == "enqueue" and (effect.end or call.begin) < call.begin
        ]
        first = [number for number in known if court.trials[number].waits_at(start.offset)]
    if first:
        court.find("wrong", f"{call}, but enqueued trials {first} waited")
