"""A journal as journaltune and as Optuna read it, in forms that compare bit for bit."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from journaltune.journal import records
from journaltune.journal.journal import Journal
from journaltune.study.trials import trials_of

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from journaltune.journal.state import JournalState

    # By study: its name, directions and attributes, and its trials by number.
    View = dict[str, list[str]]

optuna.logging.set_verbosity(optuna.logging.ERROR)
EVERY_STATE = set(range(5))


def ours(path: Path | str) -> View:
    """What we read, in the form that ``stock`` has too. JournalDamagedError as it comes."""
    journal = Journal(str(path))
    try:
        return of_state(journal.state)
    finally:
        journal.close()


def of_state(state: JournalState) -> View:
    return {
        study.name: [
            _text([list(study.directions), study.user_attrs, study.system_attrs]),
            *(_trial(trial) for trial in trials_of(study, EVERY_STATE)),
        ]
        for study in state.studies.values()
    }


def stock(path: Path | str) -> View:
    """What stock Optuna reads; its own errors as they come."""
    storage = JournalStorage(JournalFileBackend(str(path)))
    return {
        study.study_name: [
            _text([[int(direction) for direction in study.directions], study.user_attrs, study.system_attrs]),
            *(_trial(trial) for trial in storage.get_all_trials(study._study_id, deepcopy=False)),
        ]
        for study in storage.get_all_studies()
    }


def all_of(path: Path | str) -> list[Any]:
    """All that an answer of ours could depend on, also what stock Optuna doesn't read."""
    journal = Journal(str(path))
    try:
        state = journal.state
        studies = [(s.study_id, s.n_trials, _text([s.config, s.first_distributions])) for s in state.studies.values()]
        live = [(trial.trial_id, trial.state, _text([trial.metadata, trial.distributions])) for trial in state.live.values()]
        return [of_state(state), studies, live, state.n_studies, state.n_trials]
    finally:
        journal.close()


def _trial(trial: Any) -> str:
    """One trial in a line. JSON spells floats with all their bits, and tells 1, 1.0 and true apart."""
    # An intermediate value that is NaN has no spelling that stock Optuna reads, so there only the attribute speaks of it.
    noted = records.NAN_STEP_ATTR in trial.system_attrs
    intermediate = {str(step): value for step, value in trial.intermediate_values.items() if not (noted and value != value)}
    times = [_moment(trial.datetime_start), _moment(trial.datetime_complete)]
    fields = [trial.number, trial.state.name, trial.values, trial.params, trial.user_attrs, trial.system_attrs]
    return _text([*fields, intermediate, *times])


def _moment(value: datetime | None) -> str | None:
    """Local time without a zone, which is all that Optuna keeps."""
    if value is None:
        return None
    return str((value.astimezone() if value.tzinfo else value).replace(tzinfo=None, fold=0))


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
