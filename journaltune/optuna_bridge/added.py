"""Trials that were run elsewhere, recorded with their results; and a study's trials as pandas shows them."""

from __future__ import annotations

import optuna
from optuna.distributions import distribution_to_json
from optuna.trial import FrozenTrial, TrialState

from journaltune.base import checks
from journaltune.base.errors import SpaceError, UsageError
from journaltune.base.model import Trial
from journaltune.base.model import optunas as optunas_of
from journaltune.optuna_bridge import storage
from journaltune.space import Distribution, compatible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime
    from typing import Any

    from journaltune.study import OpenStudy


def optunas(study: OpenStudy) -> optuna.Study:
    """Optuna's study on the same file, to read and annotate it; it is not meant to ask."""
    study.require_here("what Optuna reads or writes itself")
    opened = storage(study.path, **study.access)
    return optuna.load_study(study_name=study.name, storage=opened, sampler=optuna.samplers.RandomSampler())


def add(study: OpenStudy, trial: Trial | FrozenTrial) -> None:
    """See ``Study.add_trial``."""
    frozen = _frozen(study, trial) if isinstance(trial, Trial) else trial
    if not isinstance(frozen, FrozenTrial):
        raise UsageError(f"a trial is one of journaltune or of Optuna (optuna.trial.create_trial), not {trial!r}")
    _check_params(study, frozen)
    directions = study.look(lambda state: list(state.directions))
    if frozen.values is not None and not checks.are_results(frozen.values, directions):
        raise UsageError(f"{frozen.values} of trial {frozen.number} is no result; add it with state FAIL and without values")
    try:
        optunas(study).add_trial(frozen)
    except (ValueError, TypeError) as error:
        raise UsageError(f"trial {frozen.number} can't be added: {error}") from error


def _check_params(study: OpenStudy, frozen: FrozenTrial) -> None:
    """SpaceError for parameters that are not those of the study. Bounds may differ, as they can change in a study."""
    if study.space is None or (not frozen.params and frozen.state != TrialState.COMPLETE):
        return
    study.space.check_columns(frozen.params)
    for name in frozen.params:
        declared = study.space.distributions[name]
        own = Distribution.from_json(distribution_to_json(frozen.distributions[name]))
        if not compatible(declared, own):
            raise SpaceError(f"{name}: the trial has another kind, scale or other choices than the study; give it those")


def _frozen(study: OpenStudy, trial: Trial) -> FrozenTrial:
    params, distributions, space = trial.params, trial.distributions, study.space
    if space is not None and not space.is_plain and trial.params:
        params = space.columns_of(space.encode(trial.params, bounded=False))
        distributions = optunas_of({name: space.distributions[name].to_json() for name in params})
    return FrozenTrial(
        number=trial.number,
        trial_id=trial.number,
        state=TrialState(int(trial.state)),
        value=None,
        values=trial.values,
        datetime_start=_local(trial.datetime_start),
        datetime_complete=_local(trial.datetime_complete),
        params=params,
        distributions=distributions,
        user_attrs=trial.user_attrs,
        # Who had it, and what a run measured of it, are true of the trial there.
        system_attrs={key: value for key, value in trial.system_attrs.items() if not key.startswith("journaltune:")},
        intermediate_values=trial.intermediate_values,
    )


def _local(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.astimezone().replace(tzinfo=None)


def trials_dataframe(study: OpenStudy, attrs: tuple[str, ...] | None, multi_index: bool) -> Any:
    """See ``Study.trials_dataframe``."""
    try:
        import pandas  # noqa: F401
    except ImportError as error:
        raise UsageError(f"trials_dataframe needs pandas ({error}); install it, or take study.trials") from error
    opened = optunas(study)
    return opened.trials_dataframe(multi_index=multi_index) if attrs is None else opened.trials_dataframe(attrs, multi_index)
