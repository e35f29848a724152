"""Enqueued trials: claiming the first one that waits, with its fixed parameters and suggestions for the rest."""

from __future__ import annotations

from struct import error as StructError
from struct import unpack

from journaltune.errors import SpaceError
from journaltune.journal import records
from journaltune.journal.state import FAIL, RUNNING, WAITING
from journaltune.samplers import Suggested
from journaltune.space import Distribution

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from journaltune.journal.state import LiveTrial, StudyState
    from journaltune.space import Space
    from journaltune.studies import OpenStudy

_RUSTUNA_PREFIX = "fixed_params:"


def first_waiting(state: StudyState) -> LiveTrial | None:
    """The enqueued trial with the lowest number."""
    return next((trial for trial in state.live.values() if trial.state == WAITING), None)


def fixed_params(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that a trial was enqueued with, from its system attributes as Optuna or Rustuna writes them."""
    fixed: dict[str, Any] = dict(attrs.get("fixed_params") or {})
    for key, text in attrs.items():
        if key.startswith(_RUSTUNA_PREFIX):
            fixed[key.removeprefix(_RUSTUNA_PREFIX)] = _from_rustuna(text)
    return fixed


def _from_rustuna(text: str) -> Any:
    """A value as Rustuna 0.2 tags it: ``f:0x<bits>``, ``i:1``, ``s:text``, ``true``, ``false``, ``None``."""
    kind, colon, rest = text.partition(":")
    if not colon:
        return {"true": True, "false": False}.get(text)
    if kind == "f":
        return unpack(">d", bytes.fromhex(rest.removeprefix("0x")))[0]
    return int(rest) if kind == "i" else rest


def claim_waiting(
    study: OpenStudy, waiting: LiveTrial, claim: Mapping[str, Any], suggest: Callable[[OpenStudy, Space, int], Suggested]
) -> tuple[int, dict[str, float]] | None:
    """Make an enqueued trial a running one: its number and internal values.

    None when another process was faster, the space changed meanwhile, or its parameters turned out to be impossible.
    """
    journal, number, saw, space = study.journal, waiting.number, study.journal.offset, study.space
    if space is None:
        return None
    try:
        fixed = fixed_internal(waiting, space)
    except (SpaceError, ValueError, IndexError, TypeError, AttributeError, StructError):  # whatever another program left there
        _fail_infeasible(study, number)
        return None
    suggested = completed(study, number, fixed, space, suggest)
    internal = suggested.internal
    # Alone: where stock Optuna claims the trial between our reading and our writing, it keeps it, and gets our parameters too.
    with journal.locked(alone=True):
        trial = study.state().live.get(number)
        if trial is None or trial.state != WAITING or study.space is not space:
            return None
        # Parameters first: should the write break off between them, the trial still waits, and the next claim finds them set.
        batch = [_set_param(study, trial, name, internal[name]) for name in internal if name not in trial.params]
        batch += [_set_attr(trial, key, value) for key, value in suggested.attrs.items()]
        start = records.trial_record(
            records.SET_TRIAL_STATE_VALUES, trial.trial_id, state=RUNNING, values=None, datetime_start=records.now_iso()
        )
        effects = journal.append([*study.environment_records(), *batch, {**start, "jt": {"n": number, "saw": saw, **claim}}])
    return (number, internal) if effects[-1] else None


def completed(
    study: OpenStudy,
    number: int,
    fixed: dict[str, float],
    space: Space,
    suggest: Callable[[OpenStudy, Space, int], Suggested],
) -> Suggested:
    """Internal values for an enqueued trial: what it was enqueued with, and suggestions for the rest.

    A sampler that counts its trials is asked even where nothing is left to suggest, so that this one counts too.
    """
    found = Suggested(fixed, {})
    if len(fixed) < len(space.distributions) or study.sampler_object().marks_enqueued:
        found = suggest(study, space, number)
    internal = {**found.internal, **fixed}
    return Suggested({name: internal[name] for name in space.distributions}, found.attrs)


def fixed_internal(waiting: LiveTrial, space: Space) -> dict[str, float]:
    given = fixed_params(waiting.system_attrs)
    for name, value in waiting.params.items():
        given[name] = Distribution.from_json(waiting.distributions[name]).to_external(value)
    return space.encode({name: value for name, value in given.items() if name in space.distributions}, partial=True)


def _set_param(study: OpenStudy, trial: LiveTrial, name: str, value: float) -> dict[str, Any]:
    return records.trial_record(
        records.SET_TRIAL_PARAM,
        trial.trial_id,
        param_name=name,
        param_value_internal=value,
        distribution=study.stored_distributions[name],
    )


def _set_attr(trial: LiveTrial, key: str, value: Any) -> dict[str, Any]:
    return records.trial_record(records.SET_TRIAL_SYSTEM_ATTR, trial.trial_id, system_attr={key: value})


def _fail_infeasible(study: OpenStudy, number: int) -> None:
    with study.journal.locked(alone=True):
        trial = study.state().live.get(number)
        if trial is not None and trial.state == WAITING:
            study.journal.append(finishing(trial.trial_id, FAIL, None, {"fail_reason": "infeasible"}, {}))
    study.journal.flush()


def finishing(
    trial_id: int,
    state: int,
    values: list[float] | None,
    attrs: Mapping[str, Any],
    constraints: Mapping[str, float],
    request_id: str | None = None,
) -> list[dict[str, Any]]:
    """The records that finish a trial. Attributes first: no reader changes a finished trial."""
    batch = [records.trial_record(records.SET_TRIAL_USER_ATTR, trial_id, user_attr={key: value}) for key, value in attrs.items()]
    for name, value in constraints.items():
        batch.append(records.trial_record(records.SET_TRIAL_SYSTEM_ATTR, trial_id, system_attr={f"constraints:{name}": value}))
    return [*batch, records.requested(records.finish_trial(trial_id, state, values), request_id)]
