"""Replay: a pure fold of records into a state, with the verdicts of Optuna's ``JournalStorageReplayResult``.

A record that cannot take effect (a finished trial is told again, an unknown trial is reported to) changes nothing, as there.
``apply`` answers whether the record took effect, with the trial where the record creates one. It raises ValueError, TypeError,
KeyError and the like for a record that no reader could apply; the state is not to be used after that.
"""

from __future__ import annotations

from math import nan

from journaltune.base import DIRECTIONS, FINISHED, RUNNING, STATES, array, le
from journaltune.base.jsontext import loads
from journaltune.journal import records as r
from journaltune.journal.state import ODD, JournalState, LiveTrial, StudyState, to_microseconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from journaltune.journal.state import Bounds


def apply(state: JournalState, record: Mapping[str, Any]) -> LiveTrial | bool:
    """Fold one record into ``state``; true when it took effect."""
    op_code = record["op_code"]
    if op_code == r.DISCARD_TRIALS:
        state.n_records += 1
        return False
    if type(op_code) is not int or not 0 <= op_code < len(_APPLY):
        raise ValueError(f"unknown op code {op_code!r}")
    if "worker_id" not in record:
        raise KeyError("worker_id")
    effect: LiveTrial | bool = _APPLY[op_code](state, record)
    state.n_records += 1
    return effect


def _create_study(state: JournalState, record: Mapping[str, Any]) -> bool:
    name, directions = _text(record["study_name"]), [_one_of(d, DIRECTIONS) for d in record["directions"]]
    if state.study_named(name) is not None:
        return False
    study = state.studies[state.n_studies] = StudyState(state.n_studies, name, directions)
    study.config = _config(record.get("jt", {}).get("config"))
    state.n_studies += 1
    return True


def _delete_study(state: JournalState, record: Mapping[str, Any]) -> bool:
    study = state.studies.pop(record["study_id"], None)
    for trial in study.live.values() if study else ():
        state.live.pop(trial.trial_id, None)
    return study is not None


def _set_study_user_attr(state: JournalState, record: Mapping[str, Any]) -> bool:
    study, attr = state.studies.get(record["study_id"]), _single(_exact(record)["user_attr"])
    if study is not None:
        study.user_attrs.update(attr)
    return study is not None


def _set_study_system_attr(state: JournalState, record: Mapping[str, Any]) -> bool:
    study, attr = state.studies.get(record["study_id"]), _single(_exact(record)["system_attr"])
    if study is None:
        return False
    study.system_attrs.update(attr)
    if r.CONFIG_ATTR in attr:
        study.config = _config(attr[r.CONFIG_ATTR])
    if any(name.startswith(r.WITHDRAWN) for name in attr):
        from journaltune.journal.withdrawals import hide  # most studies have none

        hide(study, attr)
    return True


def _config(value: object) -> dict[str, Any] | None:
    """A study's configuration; None where a damaged record left something else in its place."""
    return value if isinstance(value, dict) else None


def _create_trial(state: JournalState, record: Mapping[str, Any]) -> LiveTrial | bool:
    study = state.studies.get(record["study_id"])
    if study is None:
        return False
    trial = LiveTrial(study, state.n_trials, study.n_trials)
    trial.state = _one_of(record.get("state", RUNNING), STATES)
    fill(trial, record)
    _take_params(state, trial, trial.params)
    study.enrol(trial.trial_id)
    state.n_trials += 1
    if trial.state in FINISHED:
        study.finished.add(trial)
    else:
        study.live[trial.number] = state.live[trial.trial_id] = trial
    _remember("enqueue", trial, record)
    return trial


def _remember(kind: str, trial: LiveTrial, record: Mapping[str, Any]) -> None:
    """Which trial a request was for. A compacted journal has all requests for a trial in the record that creates it."""
    metadata = record.get("jt")
    if not metadata:
        return
    if "id" in metadata:
        trial.study.requests[f"{kind}:{metadata['id']}"] = trial.number
    elif "requests" in metadata:
        trial.study.requests.update(dict.fromkeys(metadata["requests"], trial.number))


def fill(trial: LiveTrial, record: Mapping[str, Any]) -> None:
    """What a record that creates a trial says of it, apart from its state."""
    trial.distributions = _mapping(record.get("distributions") or {})
    trial.params = _mapping(record.get("params") or {})
    trial.began = to_microseconds(record["datetime_start"])
    if "datetime_complete" in record:
        trial.ended = to_microseconds(record["datetime_complete"])
    trial.metadata = record.get("jt") or trial.metadata
    trial.values = _values(record)
    if "user_attrs" in record or "system_attrs" in record or "intermediate_values" in record:
        _rare_fields(trial, record)


def _rare_fields(trial: LiveTrial, record: Mapping[str, Any]) -> None:
    record = _exact(record)
    trial.user_attrs = _mapping(record.get("user_attrs", {}))
    trial.system_attrs = _mapping(record.get("system_attrs", {}))
    trial.intermediate = {int(step): _number(value) for step, value in record.get("intermediate_values", {}).items()}


def _values(record: Mapping[str, Any]) -> list[float] | None:
    value, values = record.get("value"), record.get("values")
    if value is not None and values is not None:
        raise ValueError("a trial has either `value` or `values`")
    return _numbers([value] if value is not None else values)


def _numbers(values: list[float] | None) -> list[float] | None:
    """Objective values. TypeError for something else."""
    if values is None:
        return None
    if not isinstance(values, list):
        raise TypeError(f"a list of values expected, not {values!r}")
    try:
        array("d", values)
    except TypeError:
        return [_number(value) for value in values]
    return values


def _number(value: Any) -> float:
    """A number, or one of the words that Rustuna writes where JSON has no number."""
    if value in ("NaN", "Infinity", "-Infinity"):
        return float(value)
    array("d", (value,))
    number: float = value
    return number


class Familiar:
    """The distributions of a study's latest trial; the next one nearly always has the same.

    Their bounds are read when a value is compared with them first: a process that tells a result compares none.
    """

    __slots__ = ("_highs", "_known", "_lows", "_names", "distributions")

    def __init__(self, distributions: dict[str, str], known: dict[str, Bounds]) -> None:
        self.distributions = distributions
        self._names = list(distributions)
        self._known = known
        self._lows: list[float] | None = None
        self._highs: list[float] = []

    def has(self, distributions: dict[str, str]) -> bool:
        """Whether these are the same distributions in the same order: for records of one study nearly always the same object."""
        known = self.distributions
        return known is distributions or (known == distributions and list(known) == list(distributions))

    def covers(self, distributions: dict[str, str], params: Mapping[str, float]) -> bool:
        """Whether these are the same distributions (the same object: see ``RecordReader``), and every value lies inside."""
        return distributions is self.distributions and self.covered([params]) is not None

    def covered(self, several: Sequence[Mapping[str, float]]) -> list[float] | None:
        """The values of some trials with these distributions, one after the other; None unless every one lies inside."""
        names, n = self._names, len(several)
        if any(list(params) != names for params in several):
            return None
        if self._lows is None:
            bounds = [_bounds(text, self._known) for text in self.distributions.values()]
            self._highs = [high for _, high, _ in bounds]
            self._lows = [low for low, _, _ in bounds]
        values = [value for params in several for value in params.values()]
        return values if all(map(le, self._lows * n, values)) and all(map(le, values, self._highs * n)) else None

    def oddness(self, params: Mapping[str, float]) -> int:
        """ODD if a value lies outside. KeyError, TypeError or IndexError for parameters that no reader could apply."""
        if self.covers(self.distributions, params):
            return 0
        if params.keys() != self.distributions.keys():
            raise KeyError(str(params.keys() ^ self.distributions.keys()))
        return _oddness(self.distributions, params, self._known)


def foresee(state: JournalState, record: Mapping[str, Any]) -> bool:
    """Make the distributions of a new running trial its study's familiar ones; False for another record, or another trial.

    For a record that a program of ours wrote for certain: its values are compared with the bounds when somebody reads them.
    """
    if record["op_code"] != r.CREATE_TRIAL or record.get("state") != RUNNING:
        return False
    study, distributions, params = state.studies.get(record["study_id"]), record.get("distributions"), record.get("params")
    if study is None or not isinstance(distributions, dict) or not isinstance(params, dict):
        return False
    if distributions.keys() != params.keys():
        return False
    for name, text in distributions.items():
        study.first_distributions.setdefault(name, (study.n_trials, text))
    study.familiar = Familiar(distributions, state.known_distributions)
    return True


def _take_params(state: JournalState, trial: LiveTrial, params: Mapping[str, float]) -> None:
    """Check new parameters of a trial as every reader would, and remember what later ones have to be compatible with."""
    familiar = trial.study.familiar
    if familiar is not None and familiar.covers(trial.distributions, params):
        return
    known, first, number = state.known_distributions, trial.study.first_distributions, trial.number
    if params:
        array("d", params.values())  # every value is a number that fits a double
    trial.odd |= _oddness(trial.distributions, params, known)
    for name in params:
        if name not in first or number <= first[name][0]:
            first[name] = (number, trial.distributions[name])
    if params and params.keys() == trial.distributions.keys():
        trial.study.familiar = Familiar(trial.distributions, known)


def _oddness(distributions: Mapping[str, str], params: Mapping[str, float], known: dict[str, Bounds]) -> int:
    """ODD if a value lies outside its distribution, else 0. IndexError for a category that there is not."""
    odd = 0
    for name, value in params.items():
        low, high, categorical = _bounds(distributions[name], known)
        if not low <= value <= high:
            if categorical:
                raise IndexError(f"parameter {name!r} has no category {value!r}")
            odd = ODD
    return odd


def _bounds(text: str, known: dict[str, Bounds]) -> Bounds:
    bounds = known.get(text)
    if bounds is None:
        from journaltune.space import Distribution

        read = Distribution.from_json(_text(text))
        bounds = (0, len(read.choices) - 1, True) if read.kind == "categorical" else (read.low, read.high, False)
        known[text] = bounds
    return bounds


def _set_trial_param(state: JournalState, record: Mapping[str, Any]) -> bool:
    trial = state.live.get(record["trial_id"])
    name, value, distribution = _text(record["param_name"]), record["param_value_internal"], _text(record["distribution"])
    if trial is None:
        return False
    first = trial.study.first_distributions.get(name)
    if first is not None and first[1] != distribution and not _compatible(first[1], distribution):
        return False
    before = trial.params, trial.distributions
    trial.params = {**trial.params, name: value}
    trial.distributions = {**trial.distributions, name: distribution}
    try:
        _take_params(state, trial, {name: value})
    except Exception:
        trial.params, trial.distributions = before
        raise
    return True


def _compatible(old: str, new: str) -> bool:
    from journaltune.space import Distribution, compatible

    return compatible(Distribution.from_json(old), Distribution.from_json(new))


def _set_trial_state_values(state: JournalState, record: Mapping[str, Any]) -> bool:
    trial = state.live.get(record["trial_id"])
    new_state, values = _one_of(record["state"], STATES), _numbers(record["values"])
    if trial is None or (new_state == RUNNING and trial.state == RUNNING):
        return False
    trial.decode()
    if new_state == RUNNING:
        trial.began = to_microseconds(record["datetime_start"])
        trial.metadata = record.get("jt") or trial.metadata
    if new_state in FINISHED:
        finish(trial, record)
        leave(state, trial)
        _remember("tell", trial, record)
    elif values is not None:
        trial.values = values
    trial.state = new_state
    return True


def finish(trial: LiveTrial, record: Mapping[str, Any]) -> None:
    """What a record that finishes a trial says of it, apart from its state."""
    values = _numbers(record["values"])
    trial.ended = to_microseconds(record["datetime_complete"])
    if values is not None:
        trial.values = values


def leave(state: JournalState, trial: LiveTrial) -> None:
    """A trial is live no more: it goes to the finished ones of its study."""
    del state.live[trial.trial_id], trial.study.live[trial.number]
    trial.study.finished.add(trial)


def _set_trial_intermediate(state: JournalState, record: Mapping[str, Any]) -> bool:
    trial = state.live.get(record["trial_id"])
    step, value = record["step"], _number(record["intermediate_value"])
    if trial is not None:
        trial.intermediate[step] = value
        _remember("report", trial, record)
    return trial is not None


def _set_trial_user_attr(state: JournalState, record: Mapping[str, Any]) -> bool:
    trial, attr = state.live.get(record["trial_id"]), _single(_exact(record)["user_attr"])
    if trial is not None:
        trial.user_attrs = {**trial.user_attrs, **attr}
    return trial is not None


def _set_trial_system_attr(state: JournalState, record: Mapping[str, Any]) -> bool:
    trial, attr = state.live.get(record["trial_id"]), _single(_exact(record)["system_attr"])
    if trial is not None:
        trial.system_attrs = {**trial.system_attrs, **attr}
        if "nan_step" in record.get("jt", {}):
            trial.intermediate[record["jt"]["nan_step"]] = nan
            _remember("report", trial, record)
    return trial is not None


def _exact(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """The record with its NaNs. Rustuna's reader gives up at a NaN, so they stand as a text in the metadata."""
    metadata = record.get("jt")
    if not metadata or "exact" not in metadata:
        return record
    return {**record, **_mapping(loads(metadata["exact"]))}


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"text expected, not {value!r}")
    return value


def _mapping(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"an object expected, not {value!r}")
    return value


def _single(value: object) -> dict[str, Any]:
    attr = _mapping(value)
    if len(attr) != 1:
        raise ValueError("an attribute record holds one attribute")
    return attr


def _one_of(value: Any, allowed: range) -> int:
    if value not in allowed:
        raise ValueError(f"unknown code {value!r}")
    return int(value)


_APPLY = (
    _create_study,
    _delete_study,
    _set_study_user_attr,
    _set_study_system_attr,
    _create_trial,
    _set_trial_param,
    _set_trial_state_values,
    _set_trial_intermediate,
    _set_trial_user_attr,
    _set_trial_system_attr,
)
