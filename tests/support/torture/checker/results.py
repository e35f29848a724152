"""What a tell or a report stands for, and whether a finished trial is as one told it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from torture.checker.evidence import NAN_STEP, as_text

if TYPE_CHECKING:
    from torture.checker.evidence import Finish, Trial
    from torture.checker.logged import Call

_FINAL = {"complete": 1, "pruned": 2, "fail": 3}


def is_result(trial: Trial, finish: Finish, call: Call) -> bool:
    """Whether a tell has just this result."""
    state, values, attrs, constraints = _told(call)
    if values is None and state == _FINAL["pruned"]:
        values = _last_reported(trial)
    held = {f"constraints:{name}": value for name, value in constraints.items()}
    return (
        (state, _bits(values)) == (finish.state, _bits(trial.values))
        and all(key in trial.user_attrs and as_text(trial.user_attrs[key]) == as_text(attrs[key]) for key in attrs)
        and all(key in trial.system_attrs and as_text(trial.system_attrs[key]) == as_text(held[key]) for key in held)
    )


def is_repeat(trial: Trial, finish: Finish, call: Call) -> bool:
    """Whether a tell changes nothing of this result. Pruned without a value means any, where something was reported."""
    if call.asked["values"] is None and call.asked.get("state") == "pruned" and trial.intermediate and trial.values:
        return is_result(trial, finish, _with_values(call, trial.values))
    return is_result(trial, finish, call)


def result_text(trial: Trial, finish: Finish) -> str:
    return f"state {finish.state}, values {trial.values}, attributes {as_text([trial.user_attrs, trial.system_attrs])}"


def attribute_records(call: Call) -> list[str]:
    """The records that a tell writes before its last one."""
    _, _, attrs, constraints = _told(call)
    held = [{f"constraints:{name}": value} for name, value in constraints.items()]
    return [as_text([8, {key: value}]) for key, value in attrs.items()] + [as_text([9, attr]) for attr in held]


def report_record(call: Call) -> str:
    """The record that a report writes: NaN has one of its own, as no spelling of it suits every reader."""
    step, value = call.asked["step"], call.asked["value"]
    return as_text([7, step]) if value == value else as_text([9, {NAN_STEP: step}])


def _with_values(call: Call, values: list[Any]) -> Call:
    return replace(call, asked={**call.asked, "values": values})


def _last_reported(trial: Trial) -> list[float] | None:
    last = trial.intermediate[max(trial.intermediate)] if trial.intermediate else float("nan")
    return [last] if last == last else None


def _told(call: Call) -> tuple[int, list[float] | None, dict[str, Any], dict[str, float]]:
    """State, values, attributes and constraints that a tell stands for."""
    asked = call.asked
    values, attrs, reason = asked["values"], asked.get("attrs") or {}, asked.get("reason")
    state = _FINAL[asked.get("state") or ("fail" if values is None else "complete")]
    # Every study here minimizes, and only our tell takes an infinity that would be best for ever for an overflow.
    if values is not None and any(value != value or (call.ours and value == float("-inf")) for value in values):
        state, values, reason = _FINAL["fail"], None, reason or "nan"
    if reason is not None and call.ours:
        attrs = {**attrs, "fail_reason": reason}
    return state, values, attrs, asked.get("constraints") or {}


def _bits(values: list[Any] | None) -> list[str] | None:
    """Numbers with all their bits."""
    return None if values is None else [float(value).hex() for value in values]
