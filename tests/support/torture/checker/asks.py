"""Asks: the trial that each one handed out, and what the ask had seen when it chose."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from torture.checker.court import grouped
from torture.checker.evidence import as_text

if TYPE_CHECKING:
    from torture.checker.court import Court
    from torture.checker.evidence import Start, Trial
    from torture.checker.logged import Call


def asks(court: Court) -> None:
    calls = court.of("ask")
    by_token = grouped([t for t in court.trials if any(s.ours for s in t.starts)], lambda t: t.starts[0].token)
    for call in calls:
        if call.ours:
            _own_ask(court, call, by_token.pop(call.asked["ttl_s"], []))
    for token, trials in by_token.items():
        court.find("wrong", f"trial {trials[0].number} is running by an ask (with --ttl {token}) that nobody made")
    for number, count in Counter(call.answer["number"] for call in calls if call.acknowledged).items():
        if count > 1:
            court.find("doubled", f"trial {number} was handed out {count} times")
    _foreign_asks(court, [call for call in calls if not call.ours])
    for trial in court.trials:
        _claimed(court, trial)
    _seen(court)


def _seen(court: Court) -> None:
    """Asks are serialised: each has seen every earlier one."""
    starts = sorted((t.starts[0].offset, t.starts[0].saw, t.number) for t in court.trials if t.starts and t.starts[0].ours)
    for (offset, _, earlier), (_, saw, number) in pairwise(starts):
        if offset >= saw:
            court.find("wrong", f"trial {number} was suggested for what stands before byte {saw}: without trial {earlier}")


def _claimed(court: Court, trial: Trial) -> None:
    """An enqueued trial has the parameters that it was enqueued with. Others set them after they claimed it."""
    fixed = trial.system_attrs.get("fixed_params") or {}
    wanted = {name: value for name, value in fixed.items() if trial.starts and (trial.starts[0].ours or name in trial.params)}
    if any(as_text(trial.params.get(name)) != as_text(value) for name, value in wanted.items()):
        court.find("wrong", f"trial {trial.number} was enqueued with {fixed} and claimed with {trial.params}")


def _own_ask(court: Court, call: Call, trials: list[Trial]) -> None:
    if len(trials) > 1:
        court.find("doubled", f"{call}: the journal has trials {[trial.number for trial in trials]} of it")
    if trials:
        _began(court, call, trials[0])
    if call.refused and trials:
        court.find("wrong", f"{call}, but the journal has trial {trials[0].number} of it")
    elif call.acknowledged and not trials:
        court.find("lost", f"{call}, but the journal has no trial of it")
    elif call.acknowledged:
        _handed_out(court, call, trials[0])


def _began(court: Court, call: Call, trial: Trial) -> None:
    court.note(trial, [call], trial.starts[0].offset, claim=trial.born_waiting)


def _handed_out(court: Court, call: Call, trial: Trial) -> None:
    if call.answer["number"] != trial.number:
        court.find("wrong", f"{call}, but it is trial {trial.number}")
    if trial.born_attrs and not trial.born_waiting:
        court.find("wrong", f"{call}, but the journal has attributes of it: {as_text(trial.born_attrs)}")
    if as_text(call.answer["params"]) != as_text(trial.params):
        court.find("wrong", f"{call}, but the journal has the parameters {as_text(trial.params)}")


def _foreign_asks(court: Court, calls: list[Call]) -> None:
    running = {trial.number: trial for trial in court.trials if trial.starts and not trial.starts[0].ours}
    for call in calls:
        if call.acknowledged:
            trial = running.pop(call.answer["number"], None)
            if trial is None:
                court.find("lost", f"{call}, but the journal has no such trial")
            else:
                _began(court, call, trial)
                _handed_out(court, call, trial)
    most = sum(not call.acknowledged for call in calls)
    if len(running) > most:
        court.find("wrong", f"trials {sorted(running)} were created by others, but only {most} of their asks are in doubt")


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
    if call.acknowledged and seed is not None and call.answer["seed"] != _trainer_seed(seed, trial.number):
        court.find("wrong", f"{call}, but trial {trial.number} of a study with seed {seed} has another one")


def _trainer_seed(study_seed: int, number: int) -> int:
    """Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014."""
    state = 0
    for part in (study_seed, number, 1):
        state = (state + part + 0x9E3779B97F4A7C15) % 2**64
        state = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        state = (state ^ state >> 27) * 0x94D049BB133111EB % 2**64
        state ^= state >> 31
    return state % 2**31


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
