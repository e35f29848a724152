"""One journal as journaltune, Optuna and Rustuna read it, in one form that compares bit for bit."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from functools import cache
from types import SimpleNamespace
from typing import Any

from optuna.distributions import CategoricalDistribution, IntDistribution, distribution_to_json, json_to_distribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from rustuna.storages import JournalFileStorage

from journaltune.journal import records
from journaltune.journal.exact import without_nan
from journaltune.journal.journal import Journal
from journaltune.space import Distribution
from journaltune.study.trials import trials_of

_NO_NUMBERS = ("Infinity", "-Infinity", "NaN")  # how Rustuna writes them; Optuna leaves them text
_encode = json.JSONEncoder(sort_keys=True).encode
_kind = cache(json_to_distribution)


def number(value: Any) -> str:
    """A number with all its bits; NaN equals NaN, and -0.0 is not 0.0."""
    assert isinstance(value, int | float), value
    return float(value).hex()


def _spelled(value: Any) -> str:
    return number(float(value) if value in _NO_NUMBERS else value)


def text(value: Any) -> str:
    """JSON data with its types: 1, 1.0 and true are three."""
    return _encode(value)


def attributes(value: Any) -> str:
    """User attributes as every reader sees them: where we read NaN, stock readers find the word."""
    return text(without_nan(value))


@cache
def _spelled_alike(distribution: str) -> str:
    return Distribution.from_json(distribution).to_json()


def moment(value: Any) -> str | None:
    """Local time without a zone, which is all that Optuna keeps."""
    if value is None:
        return None
    return str((value.astimezone() if value.tzinfo else value).replace(tzinfo=None, fold=0))


def _intermediate(trial: Any, number: Callable[[Any], str]) -> dict[int, str]:
    """NaN has no spelling that stock Optuna reads as a value: there only our attribute of the trial speaks of it."""
    noted = records.NAN_STEP_ATTR in trial.system_attrs
    return {step: number(value) for step, value in trial.intermediate_values.items() if not (noted and value != value)}


def on_grid(value: Any, kind: Any) -> Any:
    """The number nearest to a grid's decimal, which we show; other readers show the rounding error of whoever wrote it."""
    if not isinstance(value, float) or kind.step is None or not kind.low <= value <= kind.high:
        return value
    steps = (value - kind.low) / kind.step
    if abs(steps - round(steps)) >= 1e-8:
        return value
    return float(Decimal(str(kind.low)) + round(steps) * Decimal(str(kind.step)))


def _params(values: dict[str, Any], distributions: dict[str, str], show: Callable[[Any, Any], Any]) -> dict[str, str]:
    shown = {}
    for name, value in values.items():
        kind = _kind(distributions[name])
        if isinstance(kind, CategoricalDistribution):
            shown[name] = text(value)
        else:
            assert not isinstance(kind, IntDistribution) or type(value) is int
            shown[name] = number(show(value, kind))
    return shown


def _as_it_is(value: Any, _: Any) -> Any:
    return value


def _trial(
    trial: Any,
    distributions: dict[str, str],
    number: Callable[[Any], str] = number,
    show: Callable[[Any, Any], Any] = _as_it_is,
) -> dict[str, Any]:
    return {
        "number": trial.number,
        "state": trial.state.name,
        "values": None if trial.values is None else list(map(number, trial.values)),
        "params": _params(trial.params, distributions, show),
        "distributions": distributions,
        "user_attrs": attributes(trial.user_attrs),
        "system_attrs": text(trial.system_attrs),
        "intermediate": _intermediate(trial, number),
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
    return {number: {name: _spelled_alike(text) for name, text in texts.items()} for number, texts in found.items()}


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
                "user_attrs": attributes(study.user_attrs),
                "system_attrs": text(study.system_attrs),
                "trials": [_trial(trial, distributions[trial.number]) for trial in trials_of(study, set(range(5)))],
            }
        )
    return seen


def by_us(path: Any) -> list[dict[str, Any]]:
    with closing(Journal(str(path))) as journal:
        return of_state(journal.state)


def by_optuna(path: Any) -> list[dict[str, Any]]:
    storage = JournalStorage(JournalFileBackend(str(path)))
    return [
        {
            "id": study._study_id,
            "name": study.study_name,
            "directions": list(map(int, study.directions)),
            "user_attrs": attributes(study.user_attrs),
            "system_attrs": text(study.system_attrs),
            "trials": [
                _trial(trial, {name: distribution_to_json(d) for name, d in trial.distributions.items()}, _spelled, on_grid)
                for trial in storage.get_all_trials(study._study_id)
            ],
        }
        for study in storage.get_all_studies()
    ]


def _plain(trial: Any, show: Callable[[Any, Any], Any] = _as_it_is) -> dict[str, Any]:
    """What Rustuna keeps of a trial: it makes no difference between 1 and 1.0, and drops the values of pruned trials."""
    return {
        "number": trial.number,
        "state": trial.state.name,
        "values": list(map(number, trial.values or [])) if trial.state.name == "COMPLETE" else [],
        "params": {
            name: number(show(value, name)) if type(value) in (int, float) else value for name, value in trial.params.items()
        },
        "user_attrs": attributes(dict(trial.user_attrs)),
        "constraints": {name: number(value) for name, value in trial.constraints.items()},
        "intermediate": _intermediate(trial, number),
        "began": moment(trial.datetime_start),
        "ended": moment(trial.datetime_complete),
    }


def plain_by_us(path: Any) -> list[Any]:
    with closing(Journal(str(path))) as journal:
        return [(s.name, [_plain(trial) for trial in trials_of(s, set(range(5)))]) for s in journal.state.studies.values()]


def plain_by_rustuna(path: Any) -> list[Any]:
    storage = JournalFileStorage(str(path))
    return [(study.name, list(map(_plain_rustuna, storage.get_trials(study.id)))) for study in storage.get_studies()]


def _plain_rustuna(trial: Any) -> dict[str, Any]:
    def show(value: Any, name: str) -> Any:
        return on_grid(value, SimpleNamespace(**{"step": None, **trial.distributions[name].to_dict()}))

    return _plain(trial, show)
