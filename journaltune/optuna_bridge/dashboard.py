"""The storage that optuna-dashboard is given."""

from __future__ import annotations

from journaltune.base.constraints import constraints_in
from journaltune.journal.state import OWNER_ATTR
from journaltune.optuna_bridge.backend import JournaltuneStorage
from journaltune.optuna_bridge.views import copy_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container
    from typing import Any

    from optuna.trial import FrozenTrial, TrialState

_LIST = "constraints"


class DashboardStorage(JournaltuneStorage):
    """A storage whose trials show what optuna-dashboard 0.21 would leave out.

    Their constraints are there as one list too, the only form that it knows: it would show trials that break one as the best. And
    it shows user attributes alone, so who has a trial is one of them.
    """

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        trials = super().get_all_trials(study_id, deepcopy, states)
        with self._reading() as state:
            study = state.studies.get(study_id)
            live = {} if study is None else study.live
            held = {number: trial.holder for number, trial in live.items() if trial.may_have_owner()}
        return [_shown(trial, held.get(trial.number) or trial.system_attrs.get(OWNER_ATTR)) for trial in trials]


def _shown(trial: FrozenTrial, holder: Any) -> FrozenTrial:
    values = list(constraints_in(trial.system_attrs).values())
    owner = holder.get("owner") if isinstance(holder, dict) else None
    if not (values and _LIST not in trial.system_attrs) and not isinstance(owner, dict):
        return trial
    shown = copy_of(trial)
    if values:
        shown.system_attrs = {_LIST: values, **shown.system_attrs}
    if isinstance(owner, dict):
        text = f"process {owner.get('pid', 'unknown')}, attempt {holder.get('attempt', 1)}"
        shown.user_attrs = {**shown.user_attrs, OWNER_ATTR: text}
    return shown
