"""tell: the result of a trial."""

from __future__ import annotations

from journaltune.base import COMPLETE, FAIL, FINISHED, PRUNED, STATE_NAMES, WAITING, checks
from journaltune.base.errors import ConflictError, NotFoundError, UsageError
from journaltune.base.frozen import Frozen
from journaltune.base.jsontext import dumps
from journaltune.journal.records import finishing
from journaltune.journal.state import OWNER_ATTR
from journaltune.study import verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from journaltune.base.model import Trial, TrialState
    from journaltune.journal.state import LiveTrial
    from journaltune.study import OpenStudy

_TELLS_PER_SNAPSHOT_CHECK = 256  # of one process that keeps its journal open
_FINAL_STATES = {STATE_NAMES[code]: code for code in FINISHED}


class Result(Frozen):
    """What a tell brings, checked. ``state`` is the code of a final state; a failed trial has no values."""

    state: int
    values: list[float] | None
    attrs: dict[str, Any]
    constraints: dict[str, float]


@verb
def tell(
    study: OpenStudy,
    number: int,
    values: float | Sequence[float] | None = None,
    *,
    state: str | TrialState | None = None,
    reason: str | None = None,
    constraints: Mapping[str, float] | None = None,
    attrs: Mapping[str, Any] | None = None,
    request_id: str | None = None,
) -> int:
    """Finish a trial and return the code of its state; the result is on disk by then. The same call again changes nothing.

    ``values``: one float for each objective; NaN among them, or an infinity that would be best for ever (``-inf`` where it is
    minimized), makes it a failure with reason ``nan``. ``state``: "complete",
    "pruned" or "fail"; without it, complete if there are values. A pruned trial without values takes its last intermediate one.

    Raises NotFoundError for an unknown number, ConflictError when the trial is finished with another result or still waits to
    be asked, UsageError for wrong values, MachineError when nothing could be written.
    """
    number = checks.whole(number, "a trial's number")
    notes = checks.constraints(constraints), checks.attrs(attrs)
    journal, request_id = study.journal, checks.request_id(request_id)
    with study.turn.lock, study.turn:
        # In the turn: another thread may be reading the journal, and its state may be half done.
        directions = study.state().directions
        floats = checks.values(values, len(directions), number)
        result = _result(number, state, reason, floats, directions, *notes)
        with journal.locked():
            earlier_request(study, "tell", request_id, number)
            trial, recorded = running_trial(study, number), False
            if trial is not None:
                result = _with_last_report(result, trial)
                batch = finishing(trial.trial_id, result.state, result.values, result.attrs, result.constraints, request_id)
                recorded = bool(journal.append(batch)[-1])
        if not recorded:
            _require_same(study, number, result)
        journal.flush(again=not recorded)
        study.n_tells += 1
        if study.n_tells % _TELLS_PER_SNAPSHOT_CHECK == 0:
            journal.save_snapshot_when_due(lived=True)
    return result.state


def _result(
    number: int,
    state: str | TrialState | None,
    reason: str | None,
    values: list[float] | None,
    directions: Sequence[int],
    constraints: dict[str, float],
    attrs: dict[str, Any],
) -> Result:
    """The result that these checked parts make. UsageError when they don't go together."""
    code = _state_code(number, state, reason, values)
    if values is not None and not checks.are_results(values, directions):
        code, values, reason = FAIL, None, reason or "nan"
    if code == FAIL and values is not None:
        raise UsageError("a failed trial takes no value; leave it out")
    if code == COMPLETE and values is None:
        raise UsageError(f"trial {number} can't be complete without a value")
    if reason is not None:
        if code != FAIL:
            raise UsageError("only a failed trial has a reason; say --state fail too")
        attrs = {**attrs, "fail_reason": checks.text(reason, "a reason")}
    return Result(code, values, attrs, constraints)


def _state_code(number: int, state: str | TrialState | None, reason: str | None, values: list[float] | None) -> int:
    if state is None:
        if values is None and reason is None:
            raise UsageError(f"trial {number} takes a value, or --state fail or pruned")
        return FAIL if values is None else COMPLETE
    name = state if isinstance(state, str) else str(getattr(state, "name", state)).lower()
    return _FINAL_STATES[checks.one_of(name, tuple(_FINAL_STATES), "a trial's final state")]


def _with_last_report(result: Result, trial: LiveTrial) -> Result:
    """The result; when it is pruned and has no value, with the last intermediate one, as in Optuna."""
    if result.state == PRUNED and result.values is None and trial.intermediate:
        return result.but(values=last_report(trial))
    return result


def last_report(trial: LiveTrial) -> list[float] | None:
    """The value of a pruned trial that was told none, as in Optuna: its last intermediate value, if that can be a result."""
    directions = trial.study.directions
    if not trial.intermediate or len(directions) > 1:
        return None
    last = [trial.intermediate[max(trial.intermediate)]]
    return last if checks.are_results(last, directions) else None


def earlier_request(study: OpenStudy, kind: str, request_id: str | None, number: int | None = None) -> int | None:
    """The trial for which this request id was used before. ConflictError when that is another trial than ``number``."""
    known = study.state().requests.get(f"{kind}:{request_id}") if request_id is not None else None
    if known is not None and number is not None and known != number:
        raise ConflictError(f"request id {request_id!r} was used to {kind} trial {known}; take a new one for trial {number}")
    return known


def running_trial(study: OpenStudy, number: int) -> LiveTrial | None:
    """The trial if it is running; None if it is finished. NotFoundError, and ConflictError for a trial that waits."""
    state = study.state()
    if not 0 <= number < state.n_trials:
        last = f"the last one is {state.n_trials - 1}" if state.n_trials else "nothing was asked yet"
        raise NotFoundError(f"study {study.name!r} has no trial {number}; {last}")
    trial = state.live.get(number)
    if trial is not None and trial.state == WAITING:
        raise ConflictError(f"trial {number} of study {study.name!r} still waits to be asked; ask for it first")
    return trial


def _require_same(study: OpenStudy, number: int, result: Result) -> None:
    """ConflictError unless a finished trial holds just this result."""
    from journaltune.study.trials import finished_trial  # for repeated and refused calls alone

    trial = finished_trial(study.state(), number)
    if result.state == PRUNED and result.values is None and trial.intermediate_values:
        result = result.but(values=trial.values)
    if not _holds(trial, result):
        with_what = f" with {', '.join(map(repr, trial.values))}" if trial.values else ""
        reason = trial.user_attrs.get("fail_reason")
        because = f" ({reason})" if reason else ""
        raise ConflictError(
            f"trial {number} of study {study.name!r} is already {trial.state.name.lower()}{with_what}{because}{_taken(trial)}; "
            "tell it again with the same result, or ask for a new one"
        )


def _taken(trial: Trial) -> str:
    """Who took the trial up, when and why; "" for a trial that did not change hands."""
    note = trial.system_attrs.get(OWNER_ATTR)
    if not isinstance(note, dict) or trial.attempt == 1:
        return ""
    owner = note.get("owner")
    who = f"process {owner.get('pid')}" if isinstance(owner, dict) else "somebody"
    return f" (attempt {trial.attempt}: {who} took it up at {note.get('at')}, because {note.get('why')})"


def _holds(trial: Trial, result: Result) -> bool:
    """Whether the trial has this state, these values, and at least these attributes and constraints."""
    attrs, constraints = trial.user_attrs, trial.constraints
    return (
        (int(trial.state), _bits(trial.values)) == (result.state, _bits(result.values))
        and all(key in attrs and dumps(attrs[key]) == dumps(value) for key, value in result.attrs.items())
        and all(
            name in constraints and _bits([constraints[name]]) == _bits([value]) for name, value in result.constraints.items()
        )
    )


def _bits(values: list[float] | None) -> list[str] | None:
    """Numbers with all their bits: 0.0 is another result than -0.0, although they are equal."""
    return None if values is None else [float(value).hex() for value in values]


def renew(study: OpenStudy, number: int) -> None:
    """Let the time to live of a running trial count anew. UsageError if it has none, ConflictError if it does not run."""
    from journaltune.engine.resume import renewal

    number = checks.whole(number, "a trial's number")
    with study.turn.lock, study.turn, study.journal.locked():
        trial = running_trial(study, number)
        if trial is None:
            raise ConflictError(f"trial {number} of study {study.name!r} is finished; there is nothing to renew")
        record = renewal(trial)
        if not record:
            raise UsageError(f"trial {number} has no time to live; ask with --ttl to give it one")
        study.journal.append(record)
