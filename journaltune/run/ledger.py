"""What a runner asks of its study and records in it. Every contact of ``run`` with the engine is here."""

from __future__ import annotations

import os
from collections import deque
from time import monotonic

from journaltune.base import COMPLETE, FAIL, PRUNED
from journaltune.base.errors import ExhaustedError, JournaltuneError, WaitTimeoutError
from journaltune.engine import own_trials
from journaltune.engine.ask import ask
from journaltune.engine.reap import release
from journaltune.engine.resume import are_held_by_others
from journaltune.journal.state import STATE_MASK
from journaltune.run.loop import unrecorded
from journaltune.run.tally import Tally, tally_of
from journaltune.study.trials import running_with
from journaltune.suggest.choose import Suggestion

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from journaltune.run.children import Child
    from journaltune.run.outcome import Outcome
    from journaltune.study import OpenStudy

_RETRIED = ("exit", "signal", "timeout", "oom", "result")  # a trainer that answers nan would do so again
_LOOK_AGAIN_S, _OTHERS_S = 0.25, 1.0  # until another process may have brought what is waited for
_REPORTS_AT_ONCE, _REPORTING_S = 50, 0.1  # under one lock; of one trainer, until others have their turn
_FINAL = {"complete": COMPLETE, "pruned": PRUNED, "fail": FAIL}


class Ledger:
    """One run's trials, from the ask to the result. ``worker`` is the runner, as this machine's records name it."""

    def __init__(self, study: OpenStudy, worker: Mapping[str, Any], n_trials: int | None, retries: int) -> None:
        self.study, self._worker, self._n_trials, self._retries = study, worker, n_trials, retries
        self._mark = os.urandom(8).hex()  # of its trials: a signal may come when one is in the journal, and nobody has it yet
        self._again: deque[Suggestion] = deque()  # attempts that failed and are made again
        self._is_stored, self._is_exhausted, self.why_done = True, False, ""
        self.ask_at_s = 0.0  # on the kernel's clock
        self.awaited: int | None = None
        self._crash_looped: list[int] = []

    @property
    def owner(self) -> Mapping[str, Any]:
        """Who has the run's trials: the runner, or elsewhere the connection, which may be another one after a while."""
        return self._worker if self.study.elsewhere is None else self.study.elsewhere.owner

    # -- how far the study is ----------------------------------------------------------------------------------------

    @property
    def prunes(self) -> bool:
        return bool(self.study.setting("pruner") != "none")

    @property
    def directions(self) -> list[int]:
        return list(self.study.state().directions)

    def tally(self) -> Tally:
        return tally_of(self.study)

    @property
    def is_complete(self) -> bool:
        return self._n_trials is not None and self.tally().n_finished >= self._n_trials

    @property
    def has_next(self) -> bool:
        """Whether there is, or may come, a trial to run: while other processes have trials, theirs may become ours."""
        if self._again:
            return True
        return not self.is_complete and (not self._is_exhausted or are_held_by_others(self.study))

    # -- asking ------------------------------------------------------------------------------------------------------

    def next(self) -> Suggestion | None:
        """The next attempt to make; None when there is none now, or before ``ask_at_s``."""
        if self._again:
            return self._again.popleft()
        if monotonic() < self.ask_at_s:
            return None
        self.awaited = None
        try:
            suggestion = ask(
                self.study,
                owner=self.owner,
                max_trials=self._n_trials,
                wait_s=0.0,
                on_wait=self._note_wait,
                on_failed=self._crash_looped.append,
                mark=self._mark,
            )
        except ExhaustedError as error:
            self.why_done = str(error)
            self._is_exhausted, self.ask_at_s = True, monotonic() + _OTHERS_S
            return None
        except WaitTimeoutError:
            self.ask_at_s = monotonic() + _LOOK_AGAIN_S
            return None
        self._is_exhausted = False
        return suggestion

    def take_crash_looped(self) -> list[int]:
        """The trials that asks have failed since the last time, because they killed too many runners."""
        numbers, self._crash_looped = self._crash_looped, []
        return numbers

    def put_back(self, suggestion: Suggestion) -> None:
        """An attempt that could not be started is the next one."""
        self._again.appendleft(suggestion)

    def _note_wait(self, _: int, awaited: int) -> None:
        self.awaited = awaited

    def began_us(self, number: int) -> int | None:
        """The time of a running trial's first ask. None if somebody else has told it meanwhile."""
        trial = self.study.state().live.get(number)
        return None if trial is None else trial.began

    # -- recording ---------------------------------------------------------------------------------------------------

    def report(self, child: Child, *, ended: bool = False) -> bool:
        """Record what a trainer reported since the last time; whether its trial is to be pruned.

        What it reports after it was to stop, until it has ended, is left out: that depends on how soon it does. Where a trainer
        reports faster than a pruner thinks, some wait for the next time: others want the journal meanwhile.
        """
        if child.ending == "pruned":
            return False
        until_s = monotonic() + _REPORTING_S
        while child.unreported:
            self._is_stored = False
            some = child.unreported[:_REPORTS_AT_ONCE]
            if own_trials.report_all(self.study, child.number, self.owner, some, ended):
                child.unreported.clear()
                return True
            del child.unreported[: len(some)]
            if not ended and monotonic() > until_s:
                break
        return False

    def record(self, child: Child, outcome: Outcome, *, may_retry: bool) -> tuple[bool, int | None]:
        """Write a result, or that a next attempt is made: whether that counts, and the next attempt.

        False: the trial was told, or given to somebody else, meanwhile. On disk after ``store``.
        """
        self.ask_at_s, self._is_stored = 0.0, False
        if may_retry and self._is_retried(child.number, outcome):
            filling, reason = child.filling, str(outcome.reason)
            attempt = own_trials.rerun(self.study, child.number, filling.attempt, self.owner, self._mark, reason)
            if attempt is not None:
                self._again.append(Suggestion(child.number, dict(filling.params), filling.seed, attempt))
            return attempt is not None, attempt
        return own_trials.settle(self.study, _settled(child, outcome), self.owner), None

    def _is_retried(self, number: int, outcome: Outcome) -> bool:
        if outcome.state != "fail" or outcome.reason not in _RETRIED:
            return False
        return own_trials.n_failures(self.study, number) < self._retries

    def untold(self, child: Child, outcome: Outcome) -> str:
        """What came of a trial that could not be recorded, and the command that records it."""
        return unrecorded(self.study.path, self.study.name, child.number, outcome)

    def store(self) -> None:
        """Make what was recorded survive a power cut."""
        if not self._is_stored:
            own_trials.flush(self.study)
            self._is_stored = True

    # -- what others do ----------------------------------------------------------------------------------------------

    def sync(self) -> None:
        self.study.look(lambda state: None)

    def owns(self, number: int) -> bool:
        return own_trials.owns(self.study, number, self.owner)

    def is_unwanted(self, number: int) -> bool:
        """Whether somebody else told one of our trials as failed or pruned, so that its trainer need not go on.

        One that was told a value goes on: its trainer may have told it itself, and have something left to do.
        """
        state = self.study.state()
        return number not in state.live and state.finished.column("codes")[state.finished.row_of(number)] & STATE_MASK != COMPLETE

    # -- giving back -------------------------------------------------------------------------------------------------

    def give_back(self, number: int) -> None:
        """Have the next ask hand a trial out again."""
        if self.owns(number):
            release(self.study, number)

    def give_all_back(self, say: Callable[[str], None]) -> None:
        """All that were not told. Where that can't be written, the end of this process says the same."""
        try:
            for number in running_with(self.study, self._mark):
                self.give_back(number)
        except (JournaltuneError, OSError) as error:
            say(f"trials could not be given back, the next run finds them: {error}")


def _settled(child: Child, outcome: Outcome) -> own_trials.Settled:
    return own_trials.Settled(
        child.number,
        _FINAL[outcome.state],
        outcome.values,
        outcome.reason,
        outcome.attrs,
        outcome.constraints,
        child.usage.facts(),
    )
