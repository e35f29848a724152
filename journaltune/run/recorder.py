"""From what came of an attempt to the journal, and then to the listener, who shows how a run goes.

A result stands nowhere else, so it is kept and tried again for as long as the journal can't be written: the disk may have room
again before the other trainers have ended.
"""

from __future__ import annotations

from time import monotonic

from journaltune.base.errors import InDoubtError, JournaltuneError, LockTimeoutError, MachineError
from journaltune.base.frozen import Frozen
from journaltune.run.outcome import Outcome, failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    from journaltune.run.children import Child
    from journaltune.run.ledger import Ledger
    from journaltune.run.rules import Rules

    Result = tuple[Child, Outcome, list[str]]

    class Listener(Protocol):
        """Who shows how a run goes."""

        def ended(self, ended: Ended) -> None: ...

        def note(self, text: str) -> None: ...

        def look(self, progress: Progress) -> float:
            """Show how far it is; after how many seconds again."""
            ...

        def redraw(self) -> None: ...


_AGAIN_S = 5.0  # until what could not be recorded is tried again
# Of trouble, until a run starts nothing more, and once more after its last trainer has ended. A machine may start anew.
_LONGEST_S, _LONGEST_ELSEWHERE_S = 60.0, 600.0


class Ended(Frozen):
    """An attempt at a trial that ended; ``n_finished`` trials have by then. ``next_attempt``: it failed, and is made again.

    ``is_best``: no trial before was better. ``stderr``: what a failed one wrote there last.
    """

    number: int
    attempt: int
    params: dict[str, Any]
    outcome: Outcome
    wall_s: float
    n_finished: int
    next_attempt: int | None = None
    is_best: bool = False
    stderr: list[str] | None = None


class Progress(Frozen):
    """How far a study is. ``n_ended_here`` trials of this run took ``elapsed_s`` seconds; ``best`` is a value and a number."""

    n_finished: int
    n_trials: int | None
    n_running: int
    reasons: dict[str, int]
    best: tuple[float, int] | None
    n_ended_here: int
    elapsed_s: float
    stopping: str


class Recorder:
    """The results of one run on their way into the journal. ``trouble``: why nothing can be recorded now."""

    def __init__(self, ledger: Ledger, rules: Rules, listener: Listener) -> None:
        self._ledger, self._rules, self._listener = ledger, rules, listener
        self._waiting: list[Result] = []
        self._unannounced: list[Ended] = []
        self.trouble: JournaltuneError | None = None
        self.again_at_s = 0.0
        self._since_s: float | None = None

    @property
    def _longest_s(self) -> float:
        return _LONGEST_S if self._ledger.study.elsewhere is None else _LONGEST_ELSEWHERE_S

    @property
    def has_waiting(self) -> bool:
        return bool(self._waiting)

    def add(self, child: Child, outcome: Outcome, stderr: list[str]) -> None:
        self._waiting.append((child, outcome, stderr))

    def record(self) -> None:
        """Record what waits. JournaltuneError where that is hopeless, or was tried for long enough."""
        if self.trouble is not None and monotonic() < self.again_at_s:
            return
        has_waiting = self.has_waiting
        try:
            while self._waiting:
                self._record(*self._waiting[0])
                self._waiting.pop(0)
            self._ledger.store()
        except InDoubtError:
            raise
        except (MachineError, LockTimeoutError) as error:
            self.meet(error)
            return
        self.trouble = None
        if has_waiting:
            self.went_well()

    def went_well(self) -> None:
        """Something was written: the trouble is over."""
        if self._since_s is not None:
            self._since_s = None
            self._listener.note("the journal can be written again")

    def meet(self, error: JournaltuneError) -> None:
        """The journal, or what is beside it, can't be written: it is tried again, for a while."""
        now_s = monotonic()
        self.trouble, self.again_at_s = error, now_s + _AGAIN_S
        if self._since_s is None:
            self._since_s = now_s
            how_long = "a minute" if self._longest_s < 100 else f"{self._longest_s / 60:.0f} minutes"
            self._listener.note(f"{error}; this is tried again for {how_long}, and nothing new starts meanwhile")
        elif now_s - self._since_s >= self._longest_s:
            raise error

    def _record(self, child: Child, outcome: Outcome, stderr: list[str]) -> None:
        self._ledger.report(child, ended=True)
        recorded, next_attempt = self._ledger.record(child, outcome, may_retry=not self._rules.is_halted)
        if not recorded:
            text = f"trial {child.number} was told, or given to somebody else, meanwhile: its result here is dropped"
            self._listener.note(text)
            return
        if next_attempt is None:
            self.count(outcome, child.peak_bytes)
        filling, tally = child.filling, self._ledger.tally()
        is_best = tally.best is not None and tally.best[1] == child.number
        params, wall_s = dict(filling.params), child.usage.wall_s
        self._unannounced.append(
            Ended(child.number, filling.attempt, params, outcome, wall_s, tally.n_finished, next_attempt, is_best, stderr)
        )

    def crash_looped(self, number: int, attempts: int) -> None:
        """A trial that the ask itself failed."""
        outcome = failure("crash-loop", f"{attempts} runners died of it, as many as the study's attempts allow")
        self._unannounced.append(Ended(number, attempts, {}, outcome, 0.0, self._ledger.tally().n_finished))
        self.count(outcome)

    def count(self, outcome: Outcome, peak_bytes: int = 0) -> None:
        if self._rules.ended(outcome.state == "fail", peak_bytes):
            self._listener.note(f"{self._rules.stopping}: nothing new starts")

    def announce(self) -> bool:
        """Tell the listener what is on disk; whether there was anything."""
        ended, self._unannounced = self._unannounced, []
        for each in ended:
            self._listener.ended(each)
        return bool(ended)

    def give_up(self) -> None:
        """Show what could not be recorded, with the command that does."""
        for child, outcome, _ in self._waiting:
            self._listener.note(self._ledger.untold(child, outcome))
        self._waiting.clear()
