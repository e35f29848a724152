"""The progress of a search, where somebody wants to see it: a bar, or a line for each trial in the program's own log."""

from __future__ import annotations

import sys
from importlib import import_module
from time import monotonic

from journaltune.base.errors import NotFoundError
from journaltune.study.best import best_trials, was_best
from journaltune.study.trials import finished_trial, n_counted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from journaltune.run.limits import Limits
    from journaltune.study import OpenStudy


def log_finished(study: OpenStudy, number: int) -> None:
    """A line at the level INFO of the logger ``journaltune``, for a program that has set that level.

    Whether the trial is better than all before is decided by the journal's order, so that of several processes just those that
    improved the study say so.
    """
    logging = sys.modules.get("logging")  # a program that has not imported it wants no lines
    if logging is None or not (logger := logging.getLogger("journaltune")).isEnabledFor(logging.INFO):
        return
    trial = study.look(lambda state: finished_trial(state, number))
    state, reason = trial.state.name.lower(), trial.user_attrs.get("fail_reason")
    what = f" with {', '.join(map(repr, trial.values))}" if trial.values else f" ({reason})" if reason else ""
    best = "; better than all before" if state == "complete" and was_best(study, number) else ""
    logger.info("trial %d is %s%s: %s%s", number, state, what, trial.params, best)


class Progress:
    """Optuna's bar (tqdm, on stderr). It counts trials, up to a limit if there is one; or seconds if only the time is limited."""

    __slots__ = ("_bar", "_began", "_limits", "_study")

    def __init__(self, study: OpenStudy, limits: Limits) -> None:
        tqdm: Any = import_module("tqdm.auto").tqdm  # one of Optuna's dependencies; it has no type hints
        self._study, self._limits, self._began = study, limits, monotonic()
        self._bar: Any = tqdm(total=self._total(), unit=" trials" if not self._counts_time() else " s")

    def _total(self) -> float | None:
        limits = self._limits
        left = None
        if limits.total_trials is not None:
            left = max(limits.total_trials - self._study.look(n_counted), 0)
        known = [total for total in (limits.n_trials, left) if total is not None]
        return min(known) if known else limits.timeout_s

    def _counts_time(self) -> bool:
        return self._limits.n_trials is None and self._limits.total_trials is None and self._limits.timeout_s is not None

    def update(self) -> None:
        """One more trial has finished."""
        if self._counts_time():
            self._bar.update(min(monotonic() - self._began, self._limits.timeout_s or 0.0) - self._bar.n)
        else:
            self._bar.update(1)
        if len(self._study.directions) == 1:
            try:
                best = best_trials(self._study)[0]
            except NotFoundError:
                return
            self._bar.set_description(f"Best trial: {best.number}. Best value: {best.value:.6g}")

    def close(self) -> None:
        self._bar.close()
