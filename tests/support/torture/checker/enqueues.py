"""Enqueued trials, studies that were created and deleted, and request ids."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from torture.checker.court import grouped
from torture.checker.evidence import as_text

if TYPE_CHECKING:
    from torture.checker.court import Court
    from torture.checker.evidence import Trial
    from torture.checker.logged import Call


def studies(court: Court) -> None:
    for what in ("create", "delete"):
        for name, calls in grouped(court.of(what), lambda call: call.asked["name"]).items():
            there = [s for s in court.evidence.named(name) if what == "create" or s.deleted is not None]
            sure, most = sum(c.acknowledged for c in calls), sum(not c.refused for c in calls)
            if len(there) < sure or (what == "create" and sure and there[-1].directions != [1]):
                court.find("lost", f"{calls[0]}: {sure} were acknowledged, the journal has {len(there)}")
            elif len(there) > most:
                court.find("doubled", f"{calls[0]}: {most} were called, the journal has {len(there)}")


def enqueues(court: Court) -> None:
    waiting = [trial for trial in court.trials if trial.born_waiting]
    by_token = grouped(waiting, lambda trial: trial.user_attrs.get("token"))
    for token, calls in grouped(court.of("enqueue"), lambda call: call.asked["attrs"]["token"]).items():
        _enqueued(court, calls, by_token.pop(token, []))
    for token, trials in by_token.items():
        court.find("wrong", f"trial {trials[0].number} was enqueued (token {token!r}), but nobody did")
    _skipped(court)


def _enqueued(court: Court, calls: list[Call], trials: list[Trial]) -> None:
    """The calls that share a token are one, repeated with its request id."""
    if len(trials) > 1:
        court.find("doubled", f"{calls[0]}: the journal has trials {[trial.number for trial in trials]} of it")
    for call in calls:
        if call.acknowledged and not trials and (call.answer is not None or not call.asked.get("skip_if_exists")):
            court.find("lost", f"{call}, but the journal has no such trial")
        elif call.acknowledged and trials and call.ours and call.answer != trials[0].number:
            court.find("wrong", f"{call}, but it is trial {trials[0].number}")
    if not trials:
        return
    if all(call.refused for call in calls):
        court.find("wrong", f"{calls[0]}, but the journal has trial {trials[0].number} of it")
    there = [trials[0].system_attrs.get("fixed_params"), trials[0].born_attrs]
    if as_text(there) != as_text([calls[0].asked["params"], calls[0].asked["attrs"]]):
        court.find("wrong", f"{calls[0]}, but trial {trials[0].number} has {as_text(there)}")
    court.note(trials[0], calls, trials[0].offset)
    if trials[0].ours:
        court.asked_as(calls, trials[0].request)


def _skipped(court: Court) -> None:
    """``skip_if_exists`` queued nothing that was there, and skipped nothing that was not."""
    first: dict[str, int] = {}
    whole = [trial for trial in court.trials if trial.ours or trial.born_waiting]  # others set their parameters later
    careful = {call.asked["attrs"]["token"] for call in court.of("enqueue") if call.asked.get("skip_if_exists")}
    for trial in whole:
        fixed = as_text(sorted((trial.system_attrs.get("fixed_params") or trial.params).items()))
        there = first.setdefault(fixed, trial.offset)
        if trial.born_waiting and trial.ours and trial.user_attrs.get("token") in careful and there < trial.at:
            court.find("doubled", f"trial {trial.number} was enqueued if it does not exist, but it is at byte {there}")
    everything = {*first, *(as_text(sorted(trial.params.items())) for trial in court.trials)}
    for call in court.of("enqueue"):
        wanted = as_text(sorted(call.asked["params"].items()))
        if call.acknowledged and call.asked.get("skip_if_exists") and call.answer is None and wanted not in everything:
            court.find("lost", f"{call}, but no trial has these parameters")


def requests(court: Court) -> None:
    """A request id stands in the journal once for each kind of call."""
    told = [("tell", trial.finish.request) for trial in court.trials if trial.finish is not None]
    queued = [("enqueue", trial.request) for trial in court.trials]
    reported = [("report", request) for trial in court.trials for request in trial.report_requests.values()]
    for (what, request), count in Counter([*told, *queued, *reported]).items():
        if request is not None and count > 1:
            court.find("doubled", f"{count} records of a {what} have request id {request!r}")
