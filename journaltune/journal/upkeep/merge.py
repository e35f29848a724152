"""Several records of one trial as one."""

from __future__ import annotations

from math import nan

from journaltune.base.frozen import Frozen
from journaltune.base.jsontext import dumps, loads
from journaltune.journal import records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

_RUNNING, _WAITING = 0, 4
_OTHER = "compacted"  # a trial without some of its parameters is none of ours, and replay relies on that
_EXACT = ("user_attrs", "system_attrs", "intermediate_values")


class Merged(Frozen):
    """A record that creates a trial, and the records after it that could not be made part of it."""

    record: dict[str, Any]
    rest: list[dict[str, Any]]


def merge(own: Sequence[dict[str, Any]]) -> Merged:
    """The records of one trial, all of which took effect, as few as can be. The first one creates it.

    Whatever comes after a record that can't be part of the first one stays behind it, so the order never matters.
    """
    last = own[-1]
    finishes = last["op_code"] == records.SET_TRIAL_STATE_VALUES and last["state"] not in (_RUNNING, _WAITING)
    whole = _Whole(own[0], finishes)
    taken = 1
    while taken < len(own) and whole.takes(own[taken]):
        taken += 1
    return Merged(whole.record(), list(own[taken:]))


class _Whole:
    """A trial while its records are added. ``exact`` mappings are what we read, ``plain`` ones what every other reader does:
    see ``replay``, where numbers that a record could not hold stand in its ``jt``."""

    __slots__ = ("_distributions", "_exact", "_finishes", "_first", "_jt", "_params", "_plain", "_state", "_times", "_values")

    def __init__(self, first: Mapping[str, Any], finishes: bool) -> None:
        self._first, self._finishes = first, finishes
        jt = first.get("jt") or {}
        self._jt = {key: value for key, value in jt.items() if key != "exact"}
        self._plain = {name: dict(first.get(name) or {}) for name in _EXACT}
        exact = {**first, **_exact(jt)}
        self._exact = {name: dict(exact.get(name) or {}) for name in _EXACT}
        self._params: dict[str, Any] = first.get("params") or {}
        self._distributions: dict[str, str] = first.get("distributions") or {}
        self._state = int(first.get("state", _RUNNING))
        self._times = {"datetime_start": first["datetime_start"]}
        if first.get("datetime_complete") is not None:
            self._times["datetime_complete"] = first["datetime_complete"]
        value, values = first.get("value"), first.get("values")
        self._values = [value] if value is not None else values

    def takes(self, record: Mapping[str, Any]) -> bool:
        """Add a record; False when one that creates a trial can't express it."""
        op_code, jt = record["op_code"], record.get("jt") or {}
        if "id" in jt:
            return False  # which request that was is read from this kind of record only
        if op_code == records.SET_TRIAL_PARAM:
            name = record["param_name"]
            self._params = {**self._params, name: record["param_value_internal"]}
            self._distributions = {**self._distributions, name: record["distribution"]}
        elif op_code == records.SET_TRIAL_STATE_VALUES:
            return self._takes_state(record, jt)
        elif op_code == records.SET_TRIAL_INTERMEDIATE:
            return self._takes_intermediate(record["step"], record["intermediate_value"])
        else:
            self._take_attr(record, "user_attr" if op_code == records.SET_TRIAL_USER_ATTR else "system_attr", jt)
        return True

    def _takes_state(self, record: Mapping[str, Any], jt: dict[str, Any]) -> bool:
        state = int(record["state"])
        if state == _RUNNING:
            if "id" in self._jt and not self._finishes:
                return False  # what creates a running trial is not decoded when it is replayed: the request would be forgotten
            self._times["datetime_start"] = record["datetime_start"]
            self._jt = {**jt, **{key: self._jt[key] for key in ("id",) if key in self._jt}} if jt else self._jt
        elif state != _WAITING:
            self._times["datetime_complete"] = record["datetime_complete"]
        if record["values"] is not None:
            self._values = record["values"]
        self._state = state
        return True

    def _takes_intermediate(self, step: Any, value: Any) -> bool:
        if type(step) is not int:
            return False  # keys are texts there, and read as whole numbers
        for held in (self._plain, self._exact):
            held["intermediate_values"][str(step)] = value
        return True

    def _take_attr(self, record: Mapping[str, Any], field: str, jt: Mapping[str, Any]) -> None:
        self._plain[f"{field}s"].update(record[field])
        self._exact[f"{field}s"].update({**record, **_exact(jt)}[field])
        if "nan_step" in jt:
            self._exact["intermediate_values"][str(jt["nan_step"])] = nan

    def record(self) -> dict[str, Any]:
        """The record that creates the trial as it is now."""
        found = {
            "op_code": records.CREATE_TRIAL,
            "worker_id": records.WORKER_ID if self._params.keys() == self._distributions.keys() else _OTHER,
            "study_id": self._first["study_id"],
            "state": self._state,
            "distributions": self._distributions,
            "params": self._params,
            **({} if self._values is None else {"values": self._values}),
            **self._times,
            **{name: mapping for name, mapping in self._plain.items() if mapping},
        }
        jt = self._noted()
        return {**found, "jt": jt} if jt else found

    def _noted(self) -> dict[str, Any]:
        """Owner and time to live matter while the trial runs; what identifies a request, as long as there are requests."""
        finished = self._state not in (_RUNNING, _WAITING)
        jt = {key: self._jt[key] for key in ("id", "compacted") if key in self._jt} if finished else self._jt
        exact = {name: self._exact[name] for name in _EXACT if dumps(self._exact[name]) != dumps(self._plain[name])}
        return {**jt, "exact": dumps(exact)} if exact else jt


def _exact(jt: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = loads(jt["exact"]) if "exact" in jt else {}
    return found
