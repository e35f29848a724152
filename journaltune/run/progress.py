"""The progress bar of a search."""

from __future__ import annotations

from importlib import import_module
from time import monotonic

from journaltune.base.errors import NotFoundError
from journaltune.study.best import best_trials
from journaltune.study.trials import n_counted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from journaltune.run.limits import Limits
    from journaltune.study.open_study import OpenStudy


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
