"""The loop of ``run``: it alone asks, starts trainers, waits for them, and records what came of them.

One round: reap what ended; record it; start what may start; one fsync for all that was recorded; tell the listener; sleep until a
child ends, the terminal says something, or a time is up. No thread, and no pipe from a trainer.
"""

from __future__ import annotations

from time import monotonic, perf_counter

from journaltune.base.errors import JournaltuneError, LockTimeoutError, MachineError, NotFoundError
from journaltune.engine.owners import Worker
from journaltune.run import pair, processes
from journaltune.run.children import Child, Children
from journaltune.run.launch import Launcher, ProgramError
from journaltune.run.ledger import Ledger
from journaltune.run.recorder import Progress, Recorder
from journaltune.run.roster import Entry, Roster, sweep
from journaltune.run.rules import Clock, Rules
from journaltune.run.slots import Slots
from journaltune.run.verdict import INTERRUPTED, last_words, verdict
from journaltune.study import space_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from journaltune.run.pair import Link
    from journaltune.run.plan import Plan
    from journaltune.run.recorder import Listener
    from journaltune.study import OpenStudy
    from journaltune.suggest.choose import Suggestion


# Between looks for reports; where a pruner waits for them, a share of the time since a trainer began or reported, up to that.
_REPORTS_S, _REPORTS_LEAST_S, _REPORTS_SHARE = 0.25, 0.02, 0.25
_MEASURE_S, _MEASURE_LIMITED_S, _JOURNAL_S, _MEMORY_FREE_S = 1.0, 0.25, 1.0, 0.25
_MEASURE_SHARE = 100.0  # times as long as a look at the memory took, until the next one
_PATIENCE_S = 3.0  # for answers of another machine that has the journal, once somebody wants an end
_OOM_GRACE_S = 1.0  # a leak goes on meanwhile


class Trainers:
    """One run over a study, from the first ask to the last result."""

    def __init__(self, study: OpenStudy, plan: Plan, link: Link, listener: Listener) -> None:
        self._study, self._plan, self._link, self._listener = study, plan, link, listener
        self._clock = Clock()
        self._children, self._slots, self._rules = Children(self._clock), Slots(plan.devices), Rules(plan, self._clock)
        self._n_interrupts, self._awaited = 0, -1
        self._error: JournaltuneError | None = None
        self._due = {"reports": 0.0, "measure": 0.0, "journal": 0.0}
        self._show_at_s = self._heard_s = 0.0

    def run(self) -> int:
        """The exit code: 0; 1 where too much failed; 130 where it was interrupted before it was done.

        What the machine or the journal refused is raised once the trainers that ran have ended.
        """
        study, plan = self._study, self._plan
        try:
            with Worker(study.local_path) as worker:
                self._ledger = Ledger(study, worker.owner, plan.n_trials, plan.retries)
                self._recorder = Recorder(self._ledger, self._rules, self._listener)
                self._launcher = Launcher(study, plan, self._children, space_of(study).shell_names(), worker.owner)
                self._roster = Roster(worker.fileno(), worker.owner)
                if worker.fileno() >= 0:
                    self._link.share_lock(worker.fileno())
                self._run()
        finally:
            self._children.close()
        if self._error is not None:
            raise self._error
        if self._ledger.why_done and not self._ledger.is_complete:
            self._listener.note(self._ledger.why_done)
        if self._rules.is_halted:
            return 1
        return 130 if self._n_interrupts and not self._ledger.is_complete else 0

    def _run(self) -> None:
        try:
            self._sweep()
            while not self._is_over():
                for word in self._link.wait(self._timeout_s()):
                    self._hear(bytes((word,)))
                self._look()
        finally:
            processes.bury()
            self._recorder.give_up()
            self._ledger.give_all_back(self._listener.note)

    def _is_over(self) -> bool:
        """One round; whether it was the last one. What runs may finish whatever is wrong with the journal or the machine."""
        for child in [*self._children.reap(), *self._children.kill_overdue()]:
            self._settle(child)
        for step in (self._recorder.record, self._fill, self._recorder.record):
            try:
                step()
            except JournaltuneError as error:
                self._fail(error)
        if self._recorder.announce():
            self._show_at_s = 0.0
        if self._children:
            return False
        if self._recorder.has_waiting:
            return self._error is not None or self._n_interrupts > 1
        try:
            return bool(self._rules.stopping) or not self._ledger.has_next
        except (MachineError, LockTimeoutError) as error:
            self._meet(error)
            return False

    def _fail(self, error: JournaltuneError) -> None:
        self._error = self._error or error
        self._rules.stop(str(error))

    # -- starting ----------------------------------------------------------------------------------------------------

    def _fill(self) -> None:
        while self._slots.has_room and self._recorder.trouble is None and self._rules.allow_start(self._children):
            try:
                suggestion = self._ledger.next()
            except (MachineError, LockTimeoutError) as error:
                self._recorder.meet(error)
                return
            for number in self._ledger.take_crash_looped():
                self._recorder.crash_looped(number, self._study.attempts)
            if suggestion is None:
                self._note_wait()
                return
            self._start(suggestion)

    def _note_wait(self) -> None:
        awaited = self._ledger.awaited
        if awaited is not None and awaited != self._awaited and not self._children:
            self._listener.note(f"the next trial waits for the result of trial {awaited}, which another process has")
            self._awaited = awaited

    def _start(self, suggestion: Suggestion) -> None:
        if suggestion.attempt > 1:
            self._sweep()  # two trainers must not be in one folder
        began_us = self._ledger.began_us(suggestion.number)
        if began_us is None:
            return
        slot = self._slots.take()
        try:
            child, outcome = self._launcher.start(slot, suggestion, began_us)
        except BaseException as error:
            self._slots.give_back(slot)
            self._ledger.put_back(suggestion)
            if isinstance(error, MachineError) and not isinstance(error, ProgramError):
                self._recorder.meet(error)
                return
            raise
        if outcome is not None:
            self._slots.give_back(slot)
            self._recorder.add(child, outcome, [])
            return
        self._rules.started()
        self._heard_s = self._clock.now()
        self._look_sooner()
        self._recorder.went_well()
        self._show_at_s = 0.0
        self._enrol(child)

    def _enrol(self, child: Child) -> None:
        entry = Entry(child.number, child.filling.attempt, child.pid, child.start_ticks, child.peak_bytes or None)
        self._roster.put(child.filling.slot, entry)

    def _sweep(self) -> None:
        ended = sweep(self._study.local_path)
        if ended:
            self._listener.note(f"ended what a killed runner left: processes {', '.join(map(str, ended))}")

    # -- what came of it ---------------------------------------------------------------------------------------------

    def _settle(self, child: Child) -> None:
        self._free_slot(child)
        try:
            child.read_reports(ended=True)
            outcome = verdict(child, self._plan, self._ledger.directions, self._rules.limit_s(self._ledger.tally()))
            if outcome is not None:
                self._recorder.add(child, outcome, last_words(child) if outcome.state == "fail" else [])
        except JournaltuneError as error:
            self._fail(error)
        finally:
            child.close()

    def _free_slot(self, child: Child) -> None:
        slot = child.filling.slot
        self._roster.clear(slot)
        if not child.is_stuck:
            self._slots.give_back(slot)
            return
        self._slots.lose()
        self._listener.note(f"process {child.pid} of trial {child.number} can't be ended, so slot {slot} is not used again")
        if self._slots.n_lost == len(self._slots):
            self._fail(MachineError("no slot is left: what runs in them can't be ended, not even with SIGKILL"))

    # -- while they run ----------------------------------------------------------------------------------------------

    def _is_due(self, what: str, every_s: float) -> bool:
        now_s = self._clock.now()
        if now_s < self._due[what]:
            return False
        self._due[what] = now_s + every_s
        return True

    def _timeout_s(self) -> float:
        """Until the next thing is due."""
        wait_s = self._show_at_s - monotonic()
        if self._recorder.trouble is not None:
            wait_s = min(wait_s, self._recorder.again_at_s - monotonic())
        if self._clock.is_stopped:
            return wait_s
        moments = [self._children.next_kill_s()]
        if self._children.running:
            moments += [*self._due.values(), *self._time_limits()]
        wait_s = min(wait_s, min(moments) - self._clock.now())
        if self._slots.has_room and not self._rules.stopping and self._recorder.trouble is None:
            wait_s = min(
                wait_s, max(self._ledger.ask_at_s - monotonic(), _MEMORY_FREE_S if self._plan.memory_free_bytes else 0.0)
            )
        return wait_s

    def _time_limits(self) -> Iterator[float]:
        limit_s = self._rules.limit_s(self._ledger.tally())
        if limit_s is not None:
            yield from (child.began_s + limit_s for child in self._children.running.values() if not child.ending)

    def _look(self) -> None:
        try:
            if self._children.running and not self._clock.is_stopped:
                self._end_late()
                self._measure()
                self._look_at_reports()
                self._look_at_journal()
            if monotonic() >= self._show_at_s:
                self._show_at_s = monotonic() + self._listener.look(self._progress())
        except NotFoundError as error:  # the study was deleted
            self._fail(error)
            self._end_all()
        except (MachineError, LockTimeoutError) as error:
            self._meet(error)
        except JournaltuneError as error:
            self._fail(error)

    def _meet(self, error: JournaltuneError) -> None:
        try:
            self._recorder.meet(error)
        except JournaltuneError:
            self._fail(error)

    def _end_late(self) -> None:
        limit_s = self._rules.limit_s(self._ledger.tally())
        if limit_s is None:
            return
        for child in list(self._children.running.values()):
            if not child.ending and self._clock.now() - child.began_s >= limit_s:
                self._children.end(child, "timeout")

    def _measure(self) -> None:
        limit_bytes = self._plan.memory_bytes
        if not self._is_due("measure", _MEASURE_S if limit_bytes is None else _MEASURE_LIMITED_S):
            return
        began_s = perf_counter()
        for child in self._children.measure(limit_bytes):
            if not child.ending:
                self._children.end(child, "oom", _OOM_GRACE_S)
        for child in self._children.running.values():
            self._enrol(child)
        took_s = perf_counter() - began_s
        self._due["measure"] = max(self._due["measure"], self._clock.now() + took_s * _MEASURE_SHARE)

    def _look_at_reports(self) -> None:
        if not self._is_due("reports", _REPORTS_S):
            return
        for child in list(self._children.running.values()):
            child.read_reports()
            if child.unreported:
                self._heard_s = self._clock.now()
            if self._ledger.report(child) and not child.ending:
                self._children.end(child, "pruned")
        self._look_sooner()

    def _look_sooner(self) -> None:
        if self._ledger.prunes:
            now_s = self._clock.now()
            wait_s = max(_REPORTS_LEAST_S, _REPORTS_SHARE * (now_s - self._heard_s))
            self._due["reports"] = min(self._due["reports"], now_s + wait_s)

    def _look_at_journal(self) -> None:
        """A trial that somebody else has now must not go on here: both trainers would be in one folder."""
        if not self._is_due("journal", _JOURNAL_S):
            return
        self._ledger.sync()
        for child in list(self._children.running.values()):
            if child.ending or self._ledger.owns(child.number):
                continue
            if child.number in self._study.state().live:
                self._children.end(child, INTERRUPTED, 0.0)
            elif self._ledger.is_unwanted(child.number):
                self._children.end(child, INTERRUPTED)

    def _progress(self) -> Progress:
        tally, rules = self._ledger.tally(), self._rules
        return Progress(
            tally.n_finished,
            self._plan.n_trials,
            len(self._children.running),
            tally.reasons,
            tally.best,
            rules.n_ended,
            rules.elapsed_s,
            rules.stopping,
        )

    # -- the terminal ------------------------------------------------------------------------------------------------

    def _hear(self, word: bytes) -> None:
        if word == pair.INTERRUPT:
            self._interrupt()
        elif word == pair.TERMINATE:
            self._n_interrupts += 2
            self._rules.stop("ended from outside")
            self._end_all()
        elif word == pair.STOP:
            self._children.stop()
            self._link.stopped()
        elif word == pair.GO_ON:
            self._children.go_on()
            self._listener.redraw()
        elif word == pair.RESIZE:
            self._listener.redraw()

    def _interrupt(self) -> None:
        """Ctrl-C: once, nothing new starts; twice, the trainers are ended; once more, at once."""
        self._n_interrupts += 1
        self._rules.stop("interrupted")
        n = len(self._children)
        trials = f"{n} running {'trial' if n == 1 else 'trials'}"
        if self._n_interrupts == 1:
            self._listener.note(f"finishing {trials}; Ctrl-C again ends {'it' if n == 1 else 'them'}")
        else:
            self._listener.note(f"ending {trials}; the next run makes {'it' if n == 1 else 'them'} again")
            self._end_all(None if self._n_interrupts == 2 else 0.0)

    def _end_all(self, grace_s: float | None = None) -> None:
        self._link.patience_s = _PATIENCE_S
        for child in list(self._children.running.values()):
            self._children.end(child, INTERRUPTED, grace_s)
