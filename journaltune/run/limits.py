"""One search over a study: who runs it, and how far it goes."""

from __future__ import annotations

import os
from threading import get_ident
from time import monotonic

from journaltune.base import checks
from journaltune.base.errors import ExhaustedError, WaitTimeoutError
from journaltune.engine.ask import ask
from journaltune.engine.wait import DAY_S

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from journaltune.run.trial import AskedTrial
    from journaltune.study.open_study import OpenStudy
    from journaltune.suggest.choice import Suggestion


class Search:
    """A search under way. ``face`` is the study as objectives and callbacks get it; ``stop_asked``: nothing new is to start.

    ``thread`` runs it: a search inside of another one is refused.
    """

    __slots__ = ("face", "stop_asked", "study", "thread", "trial_of")

    def __init__(self, study: OpenStudy, face: object, trial_of: Callable[[Suggestion], AskedTrial]) -> None:
        self.study, self.face, self.trial_of = study, face, trial_of
        self.stop_asked, self.thread = False, get_ident()


class Limits:
    """How far a search goes. ``n_trials``: so many more; ``total_trials``: until the study has so many; ``timeout_s``: no new
    ones after that."""

    __slots__ = ("_deadline", "exhausted", "mark", "n_trials", "started", "timeout_s", "total_trials")

    def __init__(self, n_trials: int | None, total_trials: int | None, timeout_s: float | None) -> None:
        self.n_trials = _count(n_trials, "n_trials")
        self.total_trials = _count(total_trials, "total_trials")
        self.timeout_s = None if timeout_s is None else checks.number(timeout_s, "timeout")
        self._deadline = None if self.timeout_s is None else monotonic() + self.timeout_s
        self.started, self.exhausted = 0, False
        self.mark = os.urandom(8).hex()  # of its trials: Ctrl-C may come when one is in the journal, and nobody has it yet

    def left_s(self) -> float | None:
        return None if self._deadline is None else self._deadline - monotonic()

    def may_start(self) -> bool:
        left_s = self.left_s()
        in_time = left_s is None or left_s > 0
        return in_time and not self.exhausted and (self.n_trials is None or self.started < self.n_trials)

    def ask(self, search: Search, *, busy: bool = False) -> AskedTrial | None:
        """The next trial; None when there is none: ever, or (with ``busy``) before a running one has finished."""
        left_s = self.left_s()
        wait_s = 0.0 if busy else DAY_S if left_s is None else max(left_s, 0.0)
        try:
            found = ask(search.study, owner_pid=os.getpid(), max_trials=self.total_trials, wait_s=wait_s, mark=self.mark)
        except ExhaustedError:
            self.exhausted = True
            return None
        except WaitTimeoutError:
            if not busy and self.may_start():
                raise
            return None
        self.started += 1
        return search.trial_of(found)


def _count(number: int | None, what: str) -> int | None:
    return None if number is None else checks.at_least(0, number, what, "None: no limit")
