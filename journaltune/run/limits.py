"""One search over a study, and its limits."""

from __future__ import annotations

import os
from threading import get_ident
from time import monotonic

from journaltune.base import checks
from journaltune.base.errors import ExhaustedError, WaitTimeoutError
from journaltune.engine.ask import DAY_S, ask
from journaltune.engine.owners import Worker
from journaltune.engine.resume import clear_leftovers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from journaltune.run.trial import AskedTrial
    from journaltune.study import OpenStudy
    from journaltune.suggest.choose import Suggestion


class Search:
    """A search that is under way.

    ``face`` is the study as callbacks get it. After ``stop_asked`` no trial starts. ``thread`` runs the search, and may not start
    another one inside. ``on_failed`` hears of trials that an ask itself fails.
    """

    __slots__ = ("face", "on_failed", "stop_asked", "study", "thread", "trial_of", "worker")

    def __init__(self, study: OpenStudy, face: object, trial_of: Callable[[Suggestion], AskedTrial]) -> None:
        self.study, self.face, self.trial_of = study, face, trial_of
        self.stop_asked, self.thread = False, get_ident()
        self.worker: Worker | None = None
        self.on_failed: Callable[[int], None] | None = None

    def __enter__(self) -> Search:
        """Be the owner of its trials, for as long as this process lives or the search goes on. Elsewhere the connection is."""
        if self.study.elsewhere is None:
            self.worker = Worker(self.study.path)
            clear_leftovers(self.study)
        return self

    def __exit__(self, *_: object) -> None:
        worker, self.worker = self.worker, None
        if worker is not None:
            worker.close()


class Limits:
    """How far a search goes: ``n_trials`` more trials, ``total_trials`` in the study, no new trial after ``timeout_s``."""

    __slots__ = ("_deadline", "exhausted", "mark", "n_trials", "started", "timeout_s", "total_trials")

    def __init__(self, n_trials: int | None, total_trials: int | None, timeout_s: float | None) -> None:
        self.n_trials = _count(n_trials, "n_trials")
        self.total_trials = _count(total_trials, "total_trials")
        self.timeout_s = None if timeout_s is None else checks.number(timeout_s, "timeout")
        self._deadline = None if self.timeout_s is None else monotonic() + self.timeout_s
        self.started, self.exhausted = 0, False
        self.mark = os.urandom(8).hex()  # in the trials' records: Ctrl-C may come between a record and the return of its ask

    def left_s(self) -> float | None:
        return None if self._deadline is None else self._deadline - monotonic()

    def may_start(self) -> bool:
        left_s = self.left_s()
        in_time = left_s is None or left_s > 0
        return in_time and not self.exhausted and (self.n_trials is None or self.started < self.n_trials)

    def ask(self, search: Search, *, busy: bool = False) -> AskedTrial | None:
        """The next trial; None when no more may start, or (with ``busy``) when a running one must finish first."""
        left_s = self.left_s()
        wait_s = 0.0 if busy else DAY_S if left_s is None else max(left_s, 0.0)
        try:
            suggestion = ask(
                search.study,
                owner=None if search.worker is None else search.worker.owner,
                max_trials=self.total_trials,
                wait_s=wait_s,
                on_failed=search.on_failed,
                mark=self.mark,
            )
        except ExhaustedError:
            self.exhausted = True
            return None
        except WaitTimeoutError:
            if not busy and self.may_start():
                raise
            return None
        self.started += 1
        return search.trial_of(suggestion)


def _count(number: int | None, what: str) -> int | None:
    return None if number is None else checks.at_least(0, number, what, "None: no limit")
