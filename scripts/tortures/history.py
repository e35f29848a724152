"""The checker of histories: clients' logs of what they asked and were answered, held against the journal.

A call is *acknowledged* when it answered, *refused* when it raised an error that says so, and *in doubt* when its client was
killed before it answered, or was told that it is in doubt. Acknowledged calls took effect once and bit for bit, refused ones
didn't, those in doubt did at most once and whole. A tell is more than one record where it has attributes; of one in doubt the
attributes may stand without the result, and the trial is still running then.

What this can't see: that an fsync was left out. A killed process leaves its writes in the kernel; only a power cut takes them.
"""

from __future__ import annotations

import itertools
from collections import Counter
from typing import TYPE_CHECKING

from tortures.agreement import disagreements
from tortures.asking import choices
from tortures.court import Court, grouped
from tortures.evidence import Evidence, as_text
from tortures.logged import Call, Finding, read_calls
from tortures.order import in_order, looks
from tortures.refusals import refusals
from tortures.results import attribute_records, is_repeat, is_result, report_record, result_text

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tortures.evidence import Finish, Trial

__all__ = ["Call", "Finding", "check", "judge", "read_calls"]


def check(path: Path, calls: Iterable[Call], *, also: frozenset[int] = frozenset()) -> list[Finding]:
    """Everything: the calls against the journal, and every reader against every other."""
    found = judge(path.read_bytes(), calls, also=also)
    return found + [Finding("wrong", text) for text in disagreements(path)]


def judge(data: bytes, calls: Iterable[Call], *, study: str = "study", also: frozenset[int] = frozenset()) -> list[Finding]:
    """The calls of one study held against the bytes of its journal. ``also``: exit codes that the machine explains here."""
    evidence = Evidence(data)
    court = _Court(evidence, study, list(calls))
    court.findings += [Finding(kind, text) for kind, text in evidence.faults]
    court.studies()
    if court.study is not None:
        court.asks()
        court.tells()
        court.reports()
        court.enqueues()
        court.requests()
        in_order(court)
        looks(court)
        choices(court)
    elif any(call.acknowledged and call.what in ("tell", "enqueue", "ask") for call in court.calls):
        court.find("lost", f"study {study!r} is not in the journal, but calls on it were acknowledged")
    refusals(court, also)
    return court.findings


class _Court(Court):
    """What is found of each kind of call."""

    __slots__ = ()

    def studies(self) -> None:
        for what in ("create", "delete"):
            for name, calls in grouped(self.of(what), lambda call: call.asked["name"]).items():
                found = [s for s in self.evidence.named(name) if what == "create" or s.deleted is not None]
                sure, most = sum(c.acknowledged for c in calls), sum(not c.refused for c in calls)
                if len(found) < sure or (what == "create" and sure and found[-1].directions != [1]):
                    self.find("lost", f"{calls[0]}: {sure} were acknowledged, the journal has {len(found)}")
                elif len(found) > most:
                    self.find("doubled", f"{calls[0]}: {most} were called, the journal has {len(found)}")

    # -- asks --------------------------------------------------------------------------------------------------------

    def asks(self) -> None:
        calls = self.of("ask")
        by_token = grouped([t for t in self.trials if any(s.ours for s in t.starts)], lambda t: t.starts[0].token)
        for call in calls:
            if call.ours:
                self._own_ask(call, by_token.pop(call.asked["ttl_s"], []))
        for token, trials in by_token.items():
            self.find("wrong", f"trial {trials[0].number} is running by an ask (with --ttl {token}) that nobody made")
        for number, count in Counter(call.answer["number"] for call in calls if call.acknowledged).items():
            if count > 1:
                self.find("doubled", f"trial {number} was handed out {count} times")
        self._foreign_asks([call for call in calls if not call.ours])
        for trial in self.trials:
            self._claimed(trial)
        self._seen()

    def _seen(self) -> None:
        """Asks are serialised: each has seen every earlier one."""
        starts = sorted((t.starts[0].offset, t.starts[0].saw, t.number) for t in self.trials if t.starts and t.starts[0].ours)
        for (offset, _, earlier), (_, saw, number) in itertools.pairwise(starts):
            if offset >= saw:
                self.find("wrong", f"trial {number} was suggested for what stands before byte {saw}: without trial {earlier}")

    def _claimed(self, trial: Trial) -> None:
        """An enqueued trial has the parameters that it was enqueued with. Others set them after they claimed it."""
        fixed = trial.system_attrs.get("fixed_params") or {}
        wanted = {name: value for name, value in fixed.items() if trial.starts and (trial.starts[0].ours or name in trial.params)}
        if any(as_text(trial.params.get(name)) != as_text(value) for name, value in wanted.items()):
            self.find("wrong", f"trial {trial.number} was enqueued with {fixed} and claimed with {trial.params}")

    def _own_ask(self, call: Call, trials: list[Trial]) -> None:
        if len(trials) > 1:
            self.find("doubled", f"{call}: the journal has trials {[trial.number for trial in trials]} of it")
        if trials:
            self._began(call, trials[0])
        if call.refused and trials:
            self.find("wrong", f"{call}, but the journal has trial {trials[0].number} of it")
        elif call.acknowledged and not trials:
            self.find("lost", f"{call}, but the journal has no trial of it")
        elif call.acknowledged:
            self._handed_out(call, trials[0])

    def _began(self, call: Call, trial: Trial) -> None:
        self.note(trial, [call], trial.starts[0].offset, claim=trial.born_waiting)

    def _handed_out(self, call: Call, trial: Trial) -> None:
        if call.answer["number"] != trial.number:
            self.find("wrong", f"{call}, but it is trial {trial.number}")
        if trial.born_attrs and not trial.born_waiting:
            self.find("wrong", f"{call}, but the journal has attributes of it: {as_text(trial.born_attrs)}")
        if as_text(call.answer["params"]) != as_text(trial.params):
            self.find("wrong", f"{call}, but the journal has the parameters {as_text(trial.params)}")

    def _foreign_asks(self, calls: list[Call]) -> None:
        running = {trial.number: trial for trial in self.trials if trial.starts and not trial.starts[0].ours}
        for call in calls:
            if call.acknowledged:
                trial = running.pop(call.answer["number"], None)
                if trial is None:
                    self.find("lost", f"{call}, but the journal has no such trial")
                else:
                    self._began(call, trial)
                    self._handed_out(call, trial)
        most = sum(not call.acknowledged for call in calls)
        if len(running) > most:
            self.find("wrong", f"trials {sorted(running)} were created by others, but only {most} of their asks are in doubt")

    # -- tells -------------------------------------------------------------------------------------------------------

    def tells(self) -> None:
        by_number = grouped(self.of("tell"), lambda call: call.asked["number"])
        for number, calls in by_number.items():
            if not (0 <= number < len(self.trials) and self.trials[number].finishes):
                for call in calls:
                    if call.acknowledged:
                        self.find("lost", f"{call}, but the trial is not finished")
        for trial in self.trials:
            calls = by_number.get(trial.number, []) + self._taken_back(trial)
            if trial.finish is not None and calls:
                self._finished(trial, trial.finish, calls)
            elif trial.finish is not None:
                self.find("wrong", f"trial {trial.number} is finished, but nobody told it")
            self._finished_once(trial)
            self._written_once(trial, calls)

    def _taken_back(self, trial: Trial) -> list[Call]:
        """What an ``ask`` of the command line tells a trial that it could not print: whoever asked is gone."""
        asks = [c for c in self.of("ask") if c.in_doubt and c.asked.get("prints") and trial.starts and trial.starts[0].ours]
        asked = {"number": trial.number, "values": None, "state": "fail", "reason": "interrupted"}
        return [Call(c.client, c.id, "tell", asked, c.begin) for c in asks if c.asked["ttl_s"] == trial.starts[0].token]

    def _finished(self, trial: Trial, finish: Finish, calls: list[Call]) -> None:
        called = [call for call in calls if not call.refused]
        for call in called:
            if call.acknowledged and not is_repeat(trial, finish, call):
                self.find("wrong", f"{call}, but the journal has {result_text(trial, finish)}")
            elif call.acknowledged and call.answer not in (None, finish.state):
                self.find("wrong", f"{call}, but its state is {finish.state}")
        tellers = [call for call in called if is_result(trial, finish, call)]
        if not tellers:
            self.find("wrong", f"trial {trial.number} is finished with {result_text(trial, finish)}, which nobody told")
            return
        records = [trial.last_at.get(text, finish.offset) for call in tellers for text in attribute_records(call)]
        self.note(trial, tellers, finish.offset, first=min([finish.offset, *records]))
        self._asked_as(tellers, finish.request)

    def _asked_as(self, calls: list[Call], request: str | None) -> None:
        """A record has the request id of one of the calls that it may be of. An enqueue makes one up where none is given."""
        asked = {call.asked.get("request_id") for call in calls if not call.refused}
        if request not in asked and not (calls[0].what == "enqueue" and None in asked):
            self.find("wrong", f"{calls[0]}, but the journal has it with request id {request!r}")

    def _finished_once(self, trial: Trial) -> None:
        """A second finishing record changes nothing, but some readers take the last one: nobody who knew writes one."""
        for later in trial.finishes[1:]:
            known = [f for f in trial.finishes if f.offset < later.at or (f.ours and f.offset < later.offset)]
            if later.ours and known:
                self.find("doubled", f"trial {trial.number} is finished at byte {known[0].offset} and {later.offset}")

    def _written_once(self, trial: Trial, calls: list[Call]) -> None:
        """Attributes and reports as often as they were told, and each parameter of an enqueued trial once."""
        # Of the acknowledged ones, the first wrote them, and the others found them.
        said = Counter(text for call in calls if call.in_doubt for text in attribute_records(call))
        said += Counter({text for call in calls if call.acknowledged for text in attribute_records(call)})
        # A report is one record: who repeats it finds it, or it is not there.
        said += Counter({report_record(c) for c in self.of("report") if not c.refused and c.asked["number"] == trial.number})
        said += Counter(as_text([5, name]) for name in trial.params)
        for text, count in trial.written.items():
            if count > said[text]:
                kind = "doubled" if said[text] else "wrong"
                self.find(kind, f"trial {trial.number} has {count} records {text}, but it was told {said[text]} times")

    # -- reports -----------------------------------------------------------------------------------------------------

    def reports(self) -> None:
        by_step = grouped(self.of("report"), lambda call: (call.asked["number"], call.asked["step"]))
        for (number, step), calls in by_step.items():
            if 0 <= number < len(self.trials):
                self._reported(self.trials[number], step, calls)
            elif any(call.acknowledged for call in calls):
                self.find("lost", f"{calls[0]}, but the journal has no such trial")
        for trial in self.trials:
            for step in trial.intermediate:
                if (trial.number, step) not in by_step:
                    self.find("wrong", f"trial {trial.number} has a report of step {step} that nobody made")

    def _reported(self, trial: Trial, step: int, calls: list[Call]) -> None:
        """The first value of a step counts; who brings another one is told that it was not recorded."""
        there = trial.intermediate.get(step)
        same = [call for call in calls if as_text(call.asked["value"]) == as_text(there)]
        for call in calls:
            recorded = call.answer is not False and call in same
            if call.acknowledged and not recorded and (call.answer or call in same or not (trial.finishes or same)):
                self.find("lost" if there is None else "wrong", f"{call}, but the journal has {there}")
        reporters = [call for call in same if not call.refused]
        if there is not None and not reporters:
            self.find("wrong", f"trial {trial.number} has {there} at step {step}, which nobody reported")
        elif same and report_record(same[0]) in trial.written_at:
            self.note(trial, reporters, trial.written_at[report_record(same[0])])
            self._asked_as(reporters, trial.report_requests[step])

    # -- enqueued trials ---------------------------------------------------------------------------------------------

    def enqueues(self) -> None:
        waiting = [trial for trial in self.trials if trial.born_waiting]
        by_token = grouped(waiting, lambda trial: trial.user_attrs.get("token"))
        for token, calls in grouped(self.of("enqueue"), lambda call: call.asked["attrs"]["token"]).items():
            self._enqueued(calls, by_token.pop(token, []))
        for token, trials in by_token.items():
            self.find("wrong", f"trial {trials[0].number} was enqueued (token {token!r}), but nobody did")
        self._skipped()

    def _enqueued(self, calls: list[Call], trials: list[Trial]) -> None:
        """The calls that share a token are one, repeated with its request id."""
        if len(trials) > 1:
            self.find("doubled", f"{calls[0]}: the journal has trials {[trial.number for trial in trials]} of it")
        for call in calls:
            if call.acknowledged and not trials and (call.answer is not None or not call.asked.get("skip_if_exists")):
                self.find("lost", f"{call}, but the journal has no such trial")
            elif call.acknowledged and trials and call.ours and call.answer != trials[0].number:
                self.find("wrong", f"{call}, but it is trial {trials[0].number}")
        if not trials:
            return
        if all(call.refused for call in calls):
            self.find("wrong", f"{calls[0]}, but the journal has trial {trials[0].number} of it")
        there = [trials[0].system_attrs.get("fixed_params"), trials[0].born_attrs]
        if as_text(there) != as_text([calls[0].asked["params"], calls[0].asked["attrs"]]):
            self.find("wrong", f"{calls[0]}, but trial {trials[0].number} has {as_text(there)}")
        self.note(trials[0], calls, trials[0].offset)
        if trials[0].ours:
            self._asked_as(calls, trials[0].request)

    def _skipped(self) -> None:
        """``skip_if_exists`` queued nothing that was there, and skipped nothing that was not."""
        first: dict[str, int] = {}
        whole = [trial for trial in self.trials if trial.ours or trial.born_waiting]  # others set their parameters later
        careful = {call.asked["attrs"]["token"] for call in self.of("enqueue") if call.asked.get("skip_if_exists")}
        for trial in whole:
            fixed = as_text(sorted((trial.system_attrs.get("fixed_params") or trial.params).items()))
            there = first.setdefault(fixed, trial.offset)
            if trial.born_waiting and trial.ours and trial.user_attrs.get("token") in careful and there < trial.at:
                self.find("doubled", f"trial {trial.number} was enqueued if it does not exist, but it is at byte {there}")
        everything = {*first, *(as_text(sorted(trial.params.items())) for trial in self.trials)}
        for call in self.of("enqueue"):
            wanted = as_text(sorted(call.asked["params"].items()))
            if call.acknowledged and call.asked.get("skip_if_exists") and call.answer is None and wanted not in everything:
                self.find("lost", f"{call}, but no trial has these parameters")

    def requests(self) -> None:
        """A request id stands in the journal once for each kind of call."""
        told = [("tell", trial.finish.request) for trial in self.trials if trial.finish is not None]
        queued = [("enqueue", trial.request) for trial in self.trials]
        reported = [("report", request) for trial in self.trials for request in trial.report_requests.values()]
        for (what, request), count in Counter([*told, *queued, *reported]).items():
            if request is not None and count > 1:
                self.find("doubled", f"{count} records of a {what} have request id {request!r}")
