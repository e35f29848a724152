"""Time as trainers have it: it stands still while they are stopped."""

from __future__ import annotations

from time import monotonic


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
