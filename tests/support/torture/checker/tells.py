"""Tells and reports: each finished trial has the result that was told, once, and each step the value that was reported first."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from torture.checker.court import grouped
from torture.checker.evidence import as_text
from torture.checker.logged import Call
from torture.checker.results import attribute_records, is_repeat, is_result, report_record, result_text

if TYPE_CHECKING:
    from torture.checker.court import Court
    from torture.checker.evidence import Finish, Trial


_OWNER = "journaltune:owner"


def tells(court: Court) -> None:
    by_number = grouped(court.of("tell"), lambda call: call.asked["number"])
    for number, calls in by_number.items():
        if not (0 <= number < len(court.trials) and court.trials[number].finishes):
            for call in calls:
                if call.acknowledged:
                    court.find("lost", f"{call}, but the trial is not finished")
    for trial in court.trials:
        calls = by_number.get(trial.number, []) + _taken_back(court, trial)
        if trial.finish is not None and calls:
            _finished(court, trial, trial.finish, calls)
        elif trial.finish is not None:
            court.find("wrong", f"trial {trial.number} is finished, but nobody told it")
        _finished_once(court, trial)
        _written_once(court, trial, calls)


def _taken_back(court: Court, trial: Trial) -> list[Call]:
    """What an ``ask`` of the command line tells a trial that it could not print: whoever asked is gone."""
    asks = [c for c in court.of("ask") if c.in_doubt and c.asked.get("prints") and trial.starts and trial.starts[0].ours]
    asked = {"number": trial.number, "values": None, "state": "fail", "reason": "interrupted"}
    return [Call(c.client, c.id, "tell", asked, c.begin) for c in asks if c.asked["ttl_s"] == trial.starts[0].token]


def _finished(court: Court, trial: Trial, finish: Finish, calls: list[Call]) -> None:
    called = [call for call in calls if not call.refused]
    for call in called:
        if call.acknowledged and not is_repeat(trial, finish, call):
            court.find("wrong", f"{call}, but the journal has {result_text(trial, finish)}")
        elif call.acknowledged and call.answer not in (None, finish.state):
            court.find("wrong", f"{call}, but its state is {finish.state}")
    tellers = [call for call in called if is_result(trial, finish, call)]
    if not tellers:
        court.find("wrong", f"trial {trial.number} is finished with {result_text(trial, finish)}, which nobody told")
        return
    records = [trial.last_at.get(text, finish.offset) for call in tellers for text in attribute_records(call)]
    court.note(trial, tellers, finish.offset, first=min([finish.offset, *records]))
    court.asked_as(tellers, finish.request)


def _finished_once(court: Court, trial: Trial) -> None:
    """A second finishing record changes nothing, but some readers take it. A writer that knows of the first one writes none."""
    for later in trial.finishes[1:]:
        known = [f for f in trial.finishes if f.offset < later.at or (f.ours and f.offset < later.offset)]
        if later.ours and known:
            court.find("doubled", f"trial {trial.number} is finished at byte {known[0].offset} and {later.offset}")


def _renewed_by_reports(court: Court, trial: Trial) -> None:
    """A report lets a time to live count anew, by a record of who has the trial: at most one for each report."""
    n_records = sum(count for text, count in trial.written.items() if _OWNER in text)
    n_reports = sum(not call.refused and call.asked["number"] == trial.number for call in court.of("report"))
    if n_records > n_reports:
        court.find("wrong", f"trial {trial.number} changed hands {n_records} times, with {n_reports} reports")


def _written_once(court: Court, trial: Trial, calls: list[Call]) -> None:
    """Attributes and reports as often as they were told, and each parameter of an enqueued trial once."""
    # Of the acknowledged ones, the first wrote them, and the others found them.
    said = Counter(text for call in calls if call.in_doubt for text in attribute_records(call))
    said += Counter({text for call in calls if call.acknowledged for text in attribute_records(call)})
    # A report is one record: a repeated call finds it, or it is not there.
    said += Counter({report_record(c) for c in court.of("report") if not c.refused and c.asked["number"] == trial.number})
    said += Counter(as_text([5, name]) for name in trial.params)
    _renewed_by_reports(court, trial)
    for text, count in trial.written.items():
        if _OWNER in text:
            continue
        if count > said[text]:
            kind = "doubled" if said[text] else "wrong"
            court.find(kind, f"trial {trial.number} has {count} records {text}, but it was told {said[text]} times")


def reports(court: Court) -> None:
    by_step = grouped(court.of("report"), lambda call: (call.asked["number"], call.asked["step"]))
    for (number, step), calls in by_step.items():
        if 0 <= number < len(court.trials):
            _reported(court, court.trials[number], step, calls)
        elif any(call.acknowledged for call in calls):
            court.find("lost", f"{calls[0]}, but the journal has no such trial")
    for trial in court.trials:
        for step in trial.intermediate:
            if (trial.number, step) not in by_step:
                court.find("wrong", f"trial {trial.number} has a report of step {step} that nobody made")


def _reported(court: Court, trial: Trial, step: int, calls: list[Call]) -> None:
    """The first value of a step counts; a call with another one is told that it was not recorded."""
    there = trial.intermediate.get(step)
    same = [call for call in calls if as_text(call.asked["value"]) == as_text(there)]
    for call in calls:
        recorded = call.answer is not False and call in same
        if call.acknowledged and not recorded and (call.answer or call in same or not (trial.finishes or same)):
            court.find("lost" if there is None else "wrong", f"{call}, but the journal has {there}")
    reporters = [call for call in same if not call.refused]
    if there is not None and not reporters:
        court.find("wrong", f"trial {trial.number} has {there} at step {step}, which nobody reported")
    elif same and report_record(same[0]) in trial.written_at:
        court.note(trial, reporters, trial.written_at[report_record(same[0])])
        court.asked_as(reporters, trial.report_requests[step])
