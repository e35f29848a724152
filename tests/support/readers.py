"""One journal as journaltune, Optuna and Rustuna read it, in one form that compares bit for bit."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import optuna
from optuna.distributions import CategoricalDistribution, IntDistribution, distribution_to_json
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from rustuna.storages import JournalFileStorage

from journaltune.journal.journal import Journal
from journaltune.space import Distribution
from journaltune.study.trials import trials_of

_NO_NUMBERS = ("Infinity", "-Infinity", "NaN")  # how Rustuna writes them; Optuna leaves them text


def number(value: Any) -> str:
    """A number with all its bits; NaN equals NaN, and -0.0 is not 0.0."""
    assert isinstance(value, int | float), value
    return float(value).hex()


def _spelled(value: Any) -> str:
    return number(float(value) if value in _NO_NUMBERS else value)


def text(value: Any) -> str:
    """JSON data with its types: 1, 1.0 and true are three."""
    return json.dumps(value, sort_keys=True)


def moment(value: Any) -> str | None:
    """Local time without a zone, which is all that Optuna keeps."""
    if value is None:
        return None
    return str((value.astimezone() if value.tzinfo else value).replace(tzinfo=None, fold=0))


def _params(values: dict[str, Any], distributions: dict[str, str]) -> dict[str, str]:
    shown = {}
    for name, value in values.items():
        kind = optuna.distributions.json_to_distribution(distributions[name])
        if isinstance(kind, CategoricalDistribution):
            shown[name] = text(value)
        else:
            assert not isinstance(kind, IntDistribution) or type(value) is int
            shown[name] = number(value)
    return shown


def _trial(trial: Any, distributions: dict[str, str], number: Callable[[Any], str] = number) -> dict[str, Any]:
    return {
        "number": trial.number,
        "state": trial.state.name,
        "values": None if trial.values is None else list(map(number, trial.values)),
        "params": _params(trial.params, distributions),
        "distributions": distributions,
        "user_attrs": text(trial.user_attrs),
        "system_attrs": text(trial.system_attrs),
        "intermediate": {step: number(value) for step, value in trial.intermediate_values.items()},
        "began": moment(trial.datetime_start),
        "ended": moment(trial.datetime_complete),
    }


def _distributions(study: Any) -> dict[int, dict[str, str]]:
    """Optuna's JSON of each parameter by trial number, also of parameters that have no value."""
    finished = study.finished
    found = {
        number: {**finished.extras.get(number, {}).get("distributions", {}), **dict(shape)}
        for number, _, shape, _ in finished.rows()
    }
    found.update({number: trial.distributions for number, trial in study.live.items()})
    return {
        number: {name: Distribution.from_json(text).to_json() for name, text in texts.items()} for number, texts in found.items()
    }


def of_state(state: Any) -> list[dict[str, Any]]:
    """A replayed state of journaltune's."""
    seen = []
    for study in state.studies.values():
        distributions = _distributions(study)
        seen.append(
            {
                "id": study.study_id,
                "name": study.name,
                "directions": list(study.directions),
                "user_attrs": text(study.user_attrs),
                "system_attrs": text(study.system_attrs),
                "trials": [_trial(trial, distributions[trial.number]) for trial in trials_of(study, set(range(5)))],
            }
        )
    return seen


def by_us(path: Any) -> list[dict[str, Any]]:
    return of_state(Journal(str(path)).state)


def by_optuna(path: Any) -> list[dict[str, Any]]:
    storage = JournalStorage(JournalFileBackend(str(path)))
    return [
        {
            "id": study._study_id,
            "name": study.study_name,
            "directions": list(map(int, study.directions)),
            "user_attrs": text(study.user_attrs),
            "system_attrs": text(study.system_attrs),
            "trials": [
                _trial(trial, {name: distribution_to_json(d) for name, d in trial.distributions.items()}, _spelled)
                for trial in storage.get_all_trials(study._study_id)
            ],
        }
        for study in storage.get_all_studies()
    ]


def _plain(trial: Any) -> dict[str, Any]:
    """What Rustuna keeps of a trial: it makes no difference between 1 and 1.0, and drops the values of pruned trials."""
    return {
        "number": trial.number,
        "state": trial.state.name,
        "values": list(map(number, trial.values or [])) if trial.state.name == "COMPLETE" else [],
        "params": {name: number(value) if type(value) in (int, float) else value for name, value in trial.params.items()},
        "user_attrs": text(dict(trial.user_attrs)),
        "constraints": {name: number(value) for name, value in trial.constraints.items()},
        "intermediate": {step: number(value) for step, value in trial.intermediate_values.items()},
        "began": moment(trial.datetime_start),
        "ended": moment(trial.datetime_complete),
    }


def plain_by_us(path: Any) -> list[Any]:
    state = Journal(str(path)).state
    return [(study.name, [_plain(trial) for trial in trials_of(study, set(range(5)))]) for study in state.studies.values()]


def plain_by_rustuna(path: Any) -> list[Any]:
    storage = JournalFileStorage(str(path))
    return [(study.name, [_plain(trial) for trial in storage.get_trials(study.id)]) for study in storage.get_studies()]
