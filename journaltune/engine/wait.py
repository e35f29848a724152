"""wait: for the result of another trial, in a study with a lag."""

from __future__ import annotations

from os import stat

from journaltune.base.errors import WaitTimeoutError
from journaltune.study import OpenStudy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


_LOOK_S = 1.0  # between two looks whether the owner of the awaited trial still lives


class Waiting:
    """Waits until the journal changes; in all its calls together as long as one ask may wait."""

    __slots__ = ("_awaited", "_deadline", "_is_wanted", "_on_wait", "_pause_s", "_study", "_wait_s")

    def __init__(
        self,
        study: OpenStudy,
        wait_s: float,
        on_wait: Callable[[int, int], None] | None,
        is_wanted: Callable[[], bool] | None = None,
    ) -> None:
        self._study, self._wait_s, self._on_wait, self._is_wanted = study, wait_s, on_wait, is_wanted
        self._awaited, self._pause_s = -1, 0.0
        self._deadline: float | None = None

    def for_result(self, number: int, awaited: int, offset: int) -> None:
        """Return when the journal's size is no longer ``offset``, or an owner may have died. WaitTimeoutError after the time, or
        when nobody wants the suggestion any more."""
        from time import monotonic, sleep

        if self._deadline is None:
            self._deadline = monotonic() + self._wait_s
        if awaited != self._awaited:
            self._awaited, self._pause_s = awaited, 0.002
            if self._on_wait is not None:
                self._on_wait(number, awaited)
        look_again = monotonic() + _LOOK_S
        while True:
            if monotonic() >= self._deadline:
                raise WaitTimeoutError(
                    f"trial {number} of study {self._study.name!r} needs the result of trial {awaited}, which is still running "
                    f"after {self._wait_s:g} s; tell it, or `journaltune release {awaited}` if its trainer is gone"
                )
            if self._is_wanted is not None and not self._is_wanted():
                raise WaitTimeoutError(f"nobody waits for trial {number} of study {self._study.name!r} any more")
            sleep(self._pause_s)
            self._pause_s = min(self._pause_s * 1.5, 0.25)
            if self._changed(offset) or monotonic() >= look_again:
                return

    def _changed(self, offset: int) -> bool:
        try:
            return stat(self._study.path).st_size != offset
        except OSError:
            return True  # the next sync says what is wrong
