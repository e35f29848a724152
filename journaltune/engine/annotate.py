"""What is said of a whole study beside its settings: user attributes, and the names of its objectives."""

from __future__ import annotations

from journaltune.base import checks
from journaltune.base.errors import UsageError
from journaltune.base.jsontext import dumps
from journaltune.journal import records
from journaltune.study import METRIC_NAMES, verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from journaltune.study import OpenStudy


@verb
def set_user_attrs(study: OpenStudy, attrs: Mapping[str, Any]) -> None:
    """Set user attributes of the study, on disk when this returns; stock readers see them too. UsageError for a wrong value."""
    _write(study, records.SET_STUDY_USER_ATTR, checks.attrs(attrs))


@verb
def set_metric_names(study: OpenStudy, names: Sequence[str]) -> None:
    """Name the objectives, as Optuna's ``Study.set_metric_names`` does. UsageError unless there is one name for each."""
    checked = [checks.text(name, "an objective's name") for name in names]
    if len(checked) != len(study.directions):
        raise UsageError(f"study {study.name!r} has {len(study.directions)} objectives, not {len(checked)}")
    _write(study, records.SET_STUDY_SYSTEM_ATTR, {METRIC_NAMES: checked})


def _write(study: OpenStudy, op_code: int, attrs: dict[str, Any]) -> None:
    with study.turn.lock, study.turn:
        with study.journal.locked():
            state = study.state()
            present = state.user_attrs if op_code == records.SET_STUDY_USER_ATTR else state.system_attrs
            changed = {key: value for key, value in attrs.items() if key not in present or dumps(present[key]) != dumps(value)}
            if changed:
                study.journal.append(records.attr_records(op_code, changed, study_id=study.study_id))
        study.journal.flush(again=not changed)
