"""When a run starts nothing more, when one more trial fits into memory, how long an attempt may take, and by which clock."""

from __future__ import annotations

from time import monotonic

from journaltune.run import processes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from journaltune.run.children import Children
    from journaltune.run.plan import Plan
    from journaltune.run.tally import Tally

_APART_S = 1.0  # between two starts, while nobody knows how large a trainer gets
_FEWEST_FAILURES = 3  # a share of fewer says nothing


class Clock:
    """Seconds since some moment, without those of pauses. The kernel's clock leaves out a suspended machine by itself."""

    __slots__ = ("_lost_s", "_stopped_at")

    def __init__(self) -> None:
        self._lost_s, self._stopped_at = 0.0, -1.0

    def now(self) -> float:
        at = self._stopped_at if self.is_stopped else monotonic()
        return at - self._lost_s

    @property
    def is_stopped(self) -> bool:
        return self._stopped_at >= 0

    def stop(self) -> None:
        if not self.is_stopped:
            self._stopped_at = monotonic()

    def go_on(self) -> None:
        if self.is_stopped:
            self._lost_s += monotonic() - self._stopped_at
            self._stopped_at = -1.0


class Rules:
    """The rules of one run. ``stopping`` says why nothing more starts; ``is_halted``: because too much failed."""

    __slots__ = ("_began_s", "_clock", "_n_failed", "_plan", "_started_s", "_typical_bytes", "is_halted", "n_ended", "stopping")

    def __init__(self, plan: Plan, clock: Clock) -> None:
        self._plan, self._clock, self._began_s = plan, clock, clock.now()
        self.stopping, self.is_halted = "", False
        self.n_ended = self._n_failed = self._typical_bytes = 0
        self._started_s = float("-inf")

    @property
    def elapsed_s(self) -> float:
        return self._clock.now() - self._began_s

    def stop(self, why: str) -> None:
        """Start nothing more; the first reason stays."""
        self.stopping = self.stopping or why

    def started(self) -> None:
        self._started_s = self._clock.now()

    def allow_start(self, children: Children) -> bool:
        timeout_s = self._plan.timeout_s
        if timeout_s is not None and self.elapsed_s >= timeout_s:
            self.stop(f"the time of {timeout_s:g} s is over")
        return not self.stopping and not self._clock.is_stopped and self._is_memory_free(children)

    def _is_memory_free(self, children: Children) -> bool:
        """Whether as much is free as is wanted, once the trainers that run have grown to what others had."""
        wanted = self._plan.memory_free_bytes
        if wanted is None or not children:
            return True
        if not self._typical_bytes and self._clock.now() - self._started_s < _APART_S:
            return False
        free = processes.available_bytes()
        to_come = sum(max(0, self._typical_bytes - child.seen_bytes) for child in children)
        return free is None or free - to_come >= wanted

    def ended(self, has_failed: bool, peak_bytes: int = 0) -> bool:
        """Count a trial that ended; whether that halts the run: more failures than are allowed, or too large a share."""
        self.n_ended += 1
        self._n_failed += has_failed
        self._typical_bytes = max(self._typical_bytes, peak_bytes)
        if not has_failed or self.is_halted:
            return False
        plan, share = self._plan, 100.0 * self._n_failed / self.n_ended
        if plan.max_failures is not None and self._n_failed > plan.max_failures:
            self.stop(f"{self._n_failed} trials failed, and --max-failures allows {plan.max_failures}")
            self.is_halted = True
        elif plan.halt_percent is not None and self._n_failed >= _FEWEST_FAILURES and share >= plan.halt_percent:
            self.stop(f"{self._n_failed} of {self.n_ended} trials failed, and --halt is fail={plan.halt_percent:g}%")
            self.is_halted = True
        return self.is_halted

    def limit_s(self, tally: Tally) -> float | None:
        """How long an attempt may take; None for no limit, also before a share of the median means something."""
        limit = self._plan.trial_timeout
        if limit is None or limit.percent is None:
            return None if limit is None else limit.seconds
        median_s = tally.median_wall_s()
        return None if median_s is None else median_s * limit.percent / 100
