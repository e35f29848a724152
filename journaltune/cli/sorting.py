"""The order of ``trials --sort``: by any column of the table, or of the CSV."""

from __future__ import annotations

from journaltune.base import MAXIMIZE
from journaltune.base.errors import UsageError
from journaltune.cli.shell import text_of
from journaltune.cli.trials import facts, param_names, value_names
from journaltune.cli.values import did_you_mean, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from journaltune.base.model import Trial
    from journaltune.study import OpenStudy

    Read = Callable[[Trial], Any]

_FACTS = ("number", "state", "seed", "attempt", "datetime_start", "datetime_complete", "duration_s")
_OTHER_NAMES = {"duration": "duration_s", "cpu": "usage_cpu_s", "memory": "usage_peak_bytes"}
_GROUPS: dict[str, Read] = {  # by the prefix that their names have in the CSV
    "params_": lambda trial: trial.fixed_params,
    "user_attrs_": lambda trial: trial.user_attrs,
    "constraints_": lambda trial: trial.constraints,
    "usage_": lambda trial: trial.usage or {},
}
_ABSENT = object()


def ordered(study: OpenStudy, listed: Sequence[Trial], column: str | None) -> list[Trial]:
    """The trials, the least first, and of a value the best; those without one last, and equal ones by number.

    Without ``column`` they are sorted by the only objective's value. UsageError for a column that there is not.
    """
    values = value_names(study)
    if column is None and len(values) > 1:
        raise UsageError(f"trials: --top needs --sort in a study with several objectives, such as --sort {values[0]}")
    columns = _columns(study, listed, values)
    column = column or values[0]
    if column not in columns and column in study.objective_names:
        column = values[study.objective_names.index(column)]
    if column not in columns:
        hint = did_you_mean(column, columns) or f"; there are {', '.join(columns)}"
        raise UsageError(f"trials: there is no column {shown(column)}{hint}")
    read = columns[column]
    is_best_first = column in values and study.state().directions[values.index(column)] == MAXIMIZE
    there = [trial for trial in listed if read(trial) is not _ABSENT]
    rest = [trial for trial in listed if read(trial) is _ABSENT]
    return sorted(there, key=lambda trial: _key(read(trial), is_best_first)) + rest


def _columns(study: OpenStudy, listed: Sequence[Trial], values: Sequence[str]) -> dict[str, Read]:
    """How to read each column; its own name wins over a parameter's, which the CSV's ``params_`` tells apart."""
    columns: dict[str, Read] = {name: _value(place) for place, name in enumerate(values)}
    columns |= {name: _fact(name) for name in _FACTS}
    names = {("params_", name): None for name in param_names(study, listed)}
    names |= {(prefix, name): None for prefix, group in _GROUPS.items() for trial in listed for name in group(trial)}
    for prefix, name in names:
        columns.setdefault(prefix + name, _member(_GROUPS[prefix], name))
        if prefix == "params_":
            columns.setdefault(name, columns[prefix + name])
    for name, other in _OTHER_NAMES.items():
        if other in columns:
            columns.setdefault(name, columns[other])
    return columns


def _value(place: int) -> Read:
    return lambda trial: trial.values[place] if trial.values else _ABSENT


def _fact(name: str) -> Read:
    def read(trial: Trial) -> Any:
        value = facts(trial, {})[name]
        return _ABSENT if value is None else value

    return read


def _member(group: Read, name: str) -> Read:
    return lambda trial: group(trial).get(name, _ABSENT)


def _key(value: Any, is_best_first: bool) -> tuple[int, float, str]:
    """Numbers, NaN, then all else by its text."""
    if not isinstance(value, int | float):
        return 2, 0.0, text_of(value)
    return (1, 0.0, "") if value != value else (0, -value if is_best_first else value, "")
