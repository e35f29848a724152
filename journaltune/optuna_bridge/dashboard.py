"""The storage that optuna-dashboard is given."""

from __future__ import annotations

from journaltune.base.constraints import constraints_in
from journaltune.optuna_bridge.backend import JournaltuneStorage
from journaltune.optuna_bridge.views import copy_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container

    from optuna.trial import FrozenTrial, TrialState

_LIST = "constraints"


class DashboardStorage(JournaltuneStorage):
    """A storage whose trials have their constraints as one list too: optuna-dashboard 0.21 knows only this older form, and would
    show trials that break a constraint as the best ones."""

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        return [_with_list(trial) for trial in super().get_all_trials(study_id, deepcopy, states)]


def _with_list(trial: FrozenTrial) -> FrozenTrial:
    values = list(constraints_in(trial.system_attrs).values())
    if not values or _LIST in trial.system_attrs:
        return trial
    shown = copy_of(trial)
    shown.system_attrs = {**shown.system_attrs, _LIST: values}
    return shown
