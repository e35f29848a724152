"""The checker of histories: clients' logs of what they asked and were answered, held against the journal.

A call is *acknowledged* when it answered, *refused* when it raised an error that says so, and *in doubt* when its client was
killed before it answered, or was told that it is in doubt. Acknowledged calls took effect once and bit for bit, refused ones
didn't, those in doubt did at most once and whole. A tell is more than one record where it has attributes; of one in doubt the
attributes may stand without the result, and the trial is still running then.

What this can't see: that an fsync was left out. A killed process leaves its writes in the kernel; only a power cut takes them.
"""

from __future__ import annotations

import bisect
import itertools
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from tortures.agreement import disagreements
from tortures.evidence import Evidence, Study, Trial, as_text
from tortures.logged import Call, Finding, read_calls

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable
    from pathlib import Path

    from tortures.evidence import Finish

__all__ = ["EXPECTED", "Call", "Finding", "check", "judge", "read_calls"]

_Thing = TypeVar("_Thing")
EXPECTED = frozenset({2, 3, 4, 11})
_FINAL = {"complete": 1, "pruned": 2, "fail": 3}


def check(path: Path, calls: Iterable[Call], *, expected: frozenset[int] = EXPECTED) -> list[Finding]:
    """Everything: the calls against the journal, and every reader against every other."""
    found = judge(path.read_bytes(), calls, expected=expected)
    return found + [Finding("wrong", text) for text in disagreements(path)]


def judge(data: bytes, calls: Iterable[Call], *, study: str = "study", expected: frozenset[int] = EXPECTED) -> list[Finding]:
    """The calls of one study held against the bytes of its journal. ``expected``: exit codes that are right answers here."""
    evidence = Evidence(data)
    court = _Court(evidence, study, list(calls))
    court.findings += [Finding(kind, text) for kind, text in evidence.faults]
    court.unexpected(expected)
    court.studies()
    if court.study is not None:
        court.asks()
        court.tells()
        court.reports()
        court.enqueues()
        court.order()
        court.looks()
    elif any(call.acknowledged and call.what in ("tell", "enqueue", "ask") for call in court.calls):
        court.find("lost", f"study {study!r} is not in the journal, but calls on it were acknowledged")
    return court.findings


@dataclass(slots=True)
class _Court:
    evidence: Evidence
    name: str
    calls: list[Call]
    findings: list[Finding] = field(default_factory=list)
    study: Study | None = None
    trials: list[Trial] = field(default_factory=list)
    offsets: dict[int, int] = field(default_factory=dict)  # where the effect of a call is in the log, by the call's id()
    first: dict[int, int] = field(default_factory=dict)  # where the first of several records of a call is, by the call's id()
    claims: set[int] = field(default_factory=set)  # those asks that took an enqueued trial, by the call's id()

    def __post_init__(self) -> None:
        found = self.evidence.named(self.name)
        self.study = found[-1] if found else None
        self.trials = self.study.trials if self.study else []

    def find(self, kind: str, text: str) -> None:
        self.findings.append(Finding(kind, text))

    def of(self, what: str) -> list[Call]:
        return [call for call in self.calls if call.what == what]

    def unexpected(self, expected: frozenset[int]) -> None:
        for call in self.calls:
            if call.refused and call.code not in expected:
                self.find("wrong", f"an answer that can't be right here: {call}")

    def studies(self) -> None:
        for what in ("create", "delete"):
            for name, calls in _grouped(self.of(what), lambda call: call.asked["name"]).items():
                found = [s for s in self.evidence.named(name) if what == "create" or s.deleted is not None]
                sure, most = sum(c.acknowledged for c in calls), sum(not c.refused for c in calls)
                if len(found) < sure or (what == "create" and sure and found[-1].directions != [1]):
                    self.find("lost", f"{calls[0]}: {sure} were acknowledged, the journal has {len(found)}")
                elif len(found) > most:
                    self.find("doubled", f"{calls[0]}: {most} were called, the journal has {len(found)}")

    # -- asks --------------------------------------------------------------------------------------------------------

    def asks(self) -> None:
        calls = self.of("ask")
        by_token = _grouped([t for t in self.trials if any(s.ours for s in t.starts)], lambda t: t.starts[0].token)
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
        self.offsets[id(call)] = trial.starts[0].offset
        if trial.born_waiting:
            self.claims.add(id(call))

    def _handed_out(self, call: Call, trial: Trial) -> None:
        if call.answer["number"] != trial.number:
            self.find("wrong", f"{call}, but it is trial {trial.number}")
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
        by_number = _grouped(self.of("tell"), lambda call: call.asked["number"])
        for number, calls in by_number.items():
            trial = self.trials[number] if 0 <= number < len(self.trials) else None
            if trial is None or trial.finish is None:
                for call in calls:
                    if call.acknowledged:
                        self.find("lost", f"{call}, but the trial is not finished")
            else:
                self._finished(trial, trial.finish, calls)
        for trial in self.trials:
            calls = by_number.get(trial.number, []) + self._taken_back(trial)
            if trial.finishes and not calls:
                self.find("wrong", f"trial {trial.number} is finished, but nobody told it")
            self._finished_once(trial)
            self._written_once(trial, calls)

    def _taken_back(self, trial: Trial) -> list[Call]:
        """What an ``ask`` of the command line tells a trial that it could not print: whoever asked is gone."""
        asks = [c for c in self.of("ask") if c.in_doubt and c.asked.get("prints") and trial.starts and trial.starts[0].ours]
        asked = {"number": trial.number, "values": None, "state": "fail", "reason": "interrupted"}
        return [Call(c.client, c.id, "tell", asked, c.begin) for c in asks if c.asked["ttl_s"] == trial.starts[0].token]

    def _finished(self, trial: Trial, finish: Finish, calls: list[Call]) -> None:
        tellers = [call for call in calls if not call.refused and _is_result(trial, finish, call)]
        for call in calls:
            if call.acknowledged and call not in tellers:
                self.find("wrong", f"{call}, but the journal has {_result(trial, finish)}")
        if not tellers:
            self.find("wrong", f"trial {trial.number} is finished with {_result(trial, finish)}, which only refused calls told")
        else:
            self._first_of(tellers, finish.offset)
            records = [trial.last_at.get(text, finish.offset) for call in tellers for text in _attribute_records(call)]
            self.first[id(min(tellers, key=lambda call: call.begin))] = min([finish.offset, *records])

    def _first_of(self, calls: list[Call], offset: int) -> None:
        """The same may have been called again, later: the effect is that of the first."""
        called = [call for call in calls if not call.refused]
        if called:
            self.offsets[id(min(called, key=lambda call: call.begin))] = offset

    def _finished_once(self, trial: Trial) -> None:
        """A second finishing record changes nothing, but some readers take the last one: nobody who knew writes one."""
        for later in trial.finishes[1:]:
            known = [f for f in trial.finishes if f.offset < later.at or (f.ours and f.offset < later.offset)]
            if later.ours and known:
                self.find("doubled", f"trial {trial.number} is finished at byte {known[0].offset} and {later.offset}")

    def _written_once(self, trial: Trial, calls: list[Call]) -> None:
        """Attributes and reports as often as they were told, and each parameter of an enqueued trial once."""
        # Of the acknowledged ones, the first wrote them, and the others found them.
        said = Counter(text for call in calls if call.in_doubt for text in _attribute_records(call))
        said += Counter({text for call in calls if call.acknowledged for text in _attribute_records(call)})
        reports = [c for c in self.of("report") if not c.refused and c.asked["number"] == trial.number]
        said += Counter(as_text([7, call.asked["step"]]) for call in reports)
        said += Counter(as_text([5, name]) for name in trial.params)
        for text, count in trial.written.items():
            if count > said[text]:
                kind = "doubled" if said[text] else "wrong"
                self.find(kind, f"trial {trial.number} has {count} records {text}, but it was told {said[text]} times")

    # -- reports -----------------------------------------------------------------------------------------------------

    def reports(self) -> None:
        known = {}
        for call in self.of("report"):
            number, step, value = call.asked["number"], call.asked["step"], call.asked["value"]
            there = self.trials[number].intermediate.get(step) if 0 <= number < len(self.trials) else None
            same = there is not None and as_text(there) == as_text(value)
            if call.acknowledged and not same:
                self.find("lost" if there is None else "wrong", f"{call}, but the journal has {there}")
            elif call.refused and same:
                self.find("wrong", f"{call}, but the journal has it")
            known[number, step] = call
            if same and not call.refused and as_text([7, step]) in self.trials[number].written_at:
                self.offsets[id(call)] = self.trials[number].written_at[as_text([7, step])]
        for trial in self.trials:
            for step in trial.intermediate:
                if (trial.number, step) not in known:
                    self.find("wrong", f"trial {trial.number} has a report of step {step} that nobody made")

    # -- enqueued trials ---------------------------------------------------------------------------------------------

    def enqueues(self) -> None:
        waiting = [trial for trial in self.trials if trial.born_waiting]
        by_token = _grouped(waiting, lambda trial: trial.user_attrs.get("token"))
        for token, calls in _grouped(self.of("enqueue"), lambda call: call.asked["attrs"]["token"]).items():
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
        self._first_of(calls, trials[0].offset)

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

    # -- order and reading -------------------------------------------------------------------------------------------

    def order(self) -> None:
        """A call that answered before another one began comes before it in the log."""
        effects = [call for call in self.calls if id(call) in self.offsets]
        ended = sorted((self.offsets[id(call)], call.end, str(call)) for call in effects if call.end is not None)
        began = sorted((self.first.get(id(call), self.offsets[id(call)]), call.begin, str(call)) for call in effects)
        earliest, whose = float("inf"), ""
        for offset, begin, call in reversed(began):
            while ended and ended[-1][0] > offset:
                _, end, other = ended.pop()
                if end < earliest:
                    earliest, whose = end, other
            if earliest < begin:
                self.find("wrong", f"in the log {call} comes before {whose}, which had answered before it began")

    def looks(self) -> None:
        """Who reads sees all that was acknowledged before."""
        done = [call for call in self.calls if id(call) in self.offsets and call.acknowledged and id(call) not in self.claims]
        for key, kinds in (("trials", ("ask", "enqueue")), ("finished", ("tell",))):
            ends = sorted(call.end for call in done if call.what in kinds and call.end is not None)
            for look in self.of("look"):
                least = bisect.bisect_left(ends, look.begin)
                if look.acknowledged and look.answer[key] < least:
                    self.find("lost", f"{look}, but {least} {key} had been acknowledged before")


def _is_result(trial: Trial, finish: Finish, call: Call) -> bool:
    state, values, attrs, constraints = _told(call)
    held = {f"constraints:{name}": value for name, value in constraints.items()}
    return (
        (state, values) == (finish.state, None if trial.values is None else [float(value).hex() for value in trial.values])
        and all(key in trial.user_attrs and as_text(trial.user_attrs[key]) == as_text(attrs[key]) for key in attrs)
        and all(key in trial.system_attrs and as_text(trial.system_attrs[key]) == as_text(held[key]) for key in held)
    )


def _told(call: Call) -> tuple[int, list[str] | None, dict[str, Any], dict[str, float]]:
    """State, values with all their bits, attributes and constraints that a tell stands for."""
    asked = call.asked
    values, attrs, reason = asked["values"], asked.get("attrs") or {}, asked.get("reason")
    state = _FINAL[asked.get("state") or ("fail" if values is None else "complete")]
    if values is not None and any(value != value for value in values):
        state, values, reason = _FINAL["fail"], None, reason or "nan"
    if reason is not None and call.ours:
        attrs = {**attrs, "fail_reason": reason}
    return state, None if values is None else [float(value).hex() for value in values], attrs, asked.get("constraints") or {}


def _result(trial: Trial, finish: Finish) -> str:
    return f"state {finish.state}, values {trial.values}, attributes {as_text([trial.user_attrs, trial.system_attrs])}"


def _attribute_records(call: Call) -> list[str]:
    _, _, attrs, constraints = _told(call)
    held = [{f"constraints:{name}": value} for name, value in constraints.items()]
    return [as_text([8, {key: value}]) for key, value in attrs.items()] + [as_text([9, attr]) for attr in held]


def _grouped(things: Iterable[_Thing], key: Callable[[_Thing], Hashable]) -> dict[Any, list[_Thing]]:
    found: dict[Any, list[_Thing]] = defaultdict(list)
    for thing in things:
        found[key(thing)].append(thing)
    return found
