"""claim: an enqueued trial becomes a running one, with its fixed parameters and suggestions for the rest."""

from __future__ import annotations

from journaltune.base import FAIL, RUNNING, WAITING
from journaltune.base.errors import InfeasibleError, SpaceError
from journaltune.journal import records
from journaltune.journal.records import finishing
from journaltune.study import environment, space_of
from journaltune.study.queue import fixed_internal, grown
from journaltune.suggest.choose import choose

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from journaltune.journal.state import LiveTrial
    from journaltune.space import Space
    from journaltune.study import OpenStudy
    from journaltune.suggest.choose import Choice


def decide(study: OpenStudy, trial: LiveTrial) -> Choice | None:
    """The choice for an enqueued trial. None when it can't run now.

    Either its parameters are impossible, and it is failed here; or another trial with the same ones is running, and the study
    does not allow two.
    """
    try:
        fixed = fixed_internal(trial, space_of(study))
    except SpaceError:
        _fail_infeasible(study, trial.number)
        return None
    try:
        choice = choose(study, trial.number, fixed)
    except InfeasibleError:
        _fail_infeasible(study, trial.number)
        return None
    return None if choice.twin is not None and choice.twin.state == RUNNING else choice


def claim(study: OpenStudy, number: int, choice: Choice, space: Space, metadata: Mapping[str, Any]) -> bool:
    """Make an enqueued trial a running one, or with a twin a finished one.

    False when another process was faster, or the space changed meanwhile.
    """
    journal = study.journal
    # Alone, or stock Optuna could claim the trial between our reading and our writing, and run it with our parameters.
    with journal.locked(alone=True):
        trial = study.state().live.get(number)
        if trial is None or trial.state != WAITING or study.space is not space:
            return False
        if choice.twin is not None and choice.twin.study_state(study) is None:  # its study was deleted meanwhile
            return False
        # Parameters first: no reader sets those of a finished trial.
        new = {name: value for name, value in choice.internal.items() if trial.params.get(name) != value}
        counts = grown(study.state(), space)
        batch = [_set_param(study, trial, name, value, name in counts) for name, value in new.items()]
        batch += [_set_attr(trial, key, value) for key, value in choice.attrs.items()]
        *batch, last = [*batch, *_start(study, trial, choice)]
        effects = journal.append([*environment.records_of_change(study), *batch, {**last, "jt": metadata}])
    return bool(effects[-1])


def _start(study: OpenStudy, trial: LiveTrial, choice: Choice) -> list[dict[str, Any]]:
    """The records that make a waiting trial a running one, or with a twin a finished one."""
    if choice.twin is not None:
        from journaltune.study.trials import result_of

        state, values, constraints = result_of(choice.twin.study_state(study) or study.state(), choice.twin.number)
        return finishing(trial.trial_id, state, values, choice.user_attrs, constraints)
    start = {"state": RUNNING, "values": None, "datetime_start": records.now_iso()}
    return [records.trial_record(records.SET_TRIAL_STATE_VALUES, trial.trial_id, **start)]


def _set_param(study: OpenStudy, trial: LiveTrial, name: str, value: float, is_grown: bool) -> dict[str, Any]:
    return records.trial_record(
        records.SET_TRIAL_PARAM,
        trial.trial_id,
        param_name=name,
        param_value_internal=value,
        distribution=study.state().first_distributions[name][1] if is_grown else study.stored_distributions[name],
    )


def _set_attr(trial: LiveTrial, key: str, value: Any) -> dict[str, Any]:
    return records.trial_record(records.SET_TRIAL_SYSTEM_ATTR, trial.trial_id, system_attr={key: value})


def _fail_infeasible(study: OpenStudy, number: int) -> None:
    with study.journal.locked(alone=True):
        trial = study.state().live.get(number)
        if trial is not None and trial.state == WAITING:
            study.journal.append(finishing(trial.trial_id, FAIL, None, {"fail_reason": "infeasible"}, {}))
    study.journal.flush()
