"""A study whose trials a test makes by hand, without a journal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from journaltune.base import COMPLETE, MINIMIZE, RUNNING
from journaltune.journal.state import LiveTrial, StudyState
from journaltune.space import Distribution


class Trials:
    """Its state, and the one way to add a trial to it."""

    def __init__(self, directions: Iterable[int] = (MINIMIZE,), space: Mapping[str, Distribution] | None = None) -> None:
        self.state = StudyState(0, "s", list(directions))
        self._texts = {name: known.to_json() for name, known in (space or {}).items()}

    def add(self, params: Mapping[str, float], state: int = COMPLETE, values: list[float] | None = None, **attrs: Any) -> None:
        trial = LiveTrial(self.state, self.state.n_trials, self.state.n_trials)
        self.state.enrol(trial.trial_id)
        trial.state, trial.params, trial.values, trial.system_attrs = state, dict(params), values, attrs
        trial.distributions = {name: self._texts[name] for name in params}
        if state == RUNNING:
            self.state.live[trial.number] = trial
        else:
            self.state.finished.add(trial)
