"""Many trials into one of Optuna's relational databases by one transaction.

Optuna 5.0 inserts each trial by a transaction of its own, and each of its parameters by an object of the mapper: 10,000 trials
take minutes. Its tables are those of ``optuna.storages._rdb.models``, whose version Optuna checks when it opens a database.
"""

from __future__ import annotations

from optuna.distributions import distribution_to_json
from optuna.storages._rdb import models
from sqlalchemy import insert, select

from journaltune.base.jsontext import dumps_as_python

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from optuna.storages import RDBStorage
    from optuna.trial import FrozenTrial

    Row = dict[str, Any]

_BATCH = 1_000  # trials of whose rows one statement is made


def add_trials(storage: RDBStorage, study_id: int, trials: Sequence[FrozenTrial]) -> None:
    """Insert the trials, numbered from 0. The study must have none. All of them are there when this returns, or none."""
    table = models.TrialModel
    with storage.engine.begin() as connection:
        for start in range(0, len(trials), _BATCH):
            batch = trials[start : start + _BATCH]
            connection.execute(insert(table), [_trial(study_id, start + place, trial) for place, trial in enumerate(batch)])
            end = start + len(batch)
            wanted = select(table.trial_id).where(table.study_id == study_id, table.number >= start, table.number < end)
            ids = connection.execute(wanted.order_by(table.number)).scalars().all()
            for model, rows_of in _DETAILS:
                rows = [{"trial_id": known, **row} for known, trial in zip(ids, batch, strict=True) for row in rows_of(trial)]
                if rows:
                    connection.execute(insert(model), rows)


def _trial(study_id: int, number: int, trial: FrozenTrial) -> Row:
    times = {"datetime_start": trial.datetime_start, "datetime_complete": trial.datetime_complete}
    return {"study_id": study_id, "number": number, "state": trial.state, **times}


def _params(trial: FrozenTrial) -> Iterator[Row]:
    for name, value in trial.params.items():
        kind = trial.distributions[name]
        yield {
            "param_name": name,
            "param_value": kind.to_internal_repr(value),
            "distribution_json": distribution_to_json(kind),
        }


def _values(trial: FrozenTrial) -> Iterator[Row]:
    for objective, value in enumerate(trial.values or ()):
        stored, kind = models.TrialValueModel.value_to_stored_repr(value)
        yield {"objective": objective, "value": stored, "value_type": kind}


def _intermediate_values(trial: FrozenTrial) -> Iterator[Row]:
    for step, value in trial.intermediate_values.items():
        stored, kind = models.TrialIntermediateValueModel.intermediate_value_to_stored_repr(value)
        yield {"step": step, "intermediate_value": stored, "intermediate_value_type": kind}


def _attrs(attrs: dict[str, Any]) -> Iterator[Row]:
    for key, value in attrs.items():
        yield {"key": key, "value_json": dumps_as_python(value)}


_DETAILS = (
    (models.TrialParamModel, _params),
    (models.TrialValueModel, _values),
    (models.TrialIntermediateValueModel, _intermediate_values),
    (models.TrialUserAttributeModel, lambda trial: _attrs(trial.user_attrs)),
    (models.TrialSystemAttributeModel, lambda trial: _attrs(trial.system_attrs)),
)
