"""Tell and report: what a trainer says of its trial, checked, made definite, and written once."""

from __future__ import annotations

from math import isnan

from journaltune.base import checks
from journaltune.base.errors import ConflictError, NotFoundError, UsageError
from journaltune.base.jsontext import dumps
from journaltune.engine.requests import earlier_request
from journaltune.journal.records import finishing
from journaltune.journal.state import COMPLETE, FAIL, PRUNED, WAITING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from journaltune.base.model import Trial, TrialState
    from journaltune.journal.state import LiveTrial
    from journaltune.study.open_study import OpenStudy

_LIVED_CHECK_EVERY = 256  # tells of one process, between two looks whether its journal needs a snapshot
_FINAL_STATES = {"complete": COMPLETE, "pruned": PRUNED, "fail": FAIL}


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
    """Finish a trial; what this returns for is on disk: the code of its state. The same call again changes nothing.

    ``values``: one float for each objective; NaN among them makes it a failure with reason ``nan``. ``state``: "complete",
    "pruned" or "fail"; without it, complete if there are values. A pruned trial without values takes its last intermediate one.

    Raises NotFoundError for an unknown number, ConflictError when the trial is finished with another result or still waits to
    be asked, UsageError for wrong values, MachineError when nothing could be written.
    """
    number = checks.whole(number, "a trial's number")
    told = _Told(study, number, values, state, reason, checks.constraints(constraints), checks.attrs(attrs))
    journal, request_id = study.journal, checks.request_id(request_id)
    with study.turn.lock, study.turn:
        with journal.locked():
            earlier_request(study, "tell", request_id, number)
            trial = _live_trial(study, number)
            if trial is not None:
                told.complete_from(trial)
                effects = journal.append(
                    finishing(trial.trial_id, told.state, told.values, told.attrs, told.constraints, request_id)
                )
                if not effects[-1]:
                    trial = None
        if trial is None:
            _same_again(study, number, told)
        journal.flush(again=trial is None)
        study.n_tells += 1
        if study.n_tells % _LIVED_CHECK_EVERY == 0:
            journal.save_snapshot_when_due(lived=True)
    return told.state


class _Told:
    """A result, checked and made definite."""

    __slots__ = ("attrs", "constraints", "state", "values")

    def __init__(
        self,
        study: OpenStudy,
        number: int,
        values: float | Sequence[float] | None,
        state: str | TrialState | None,
        reason: str | None,
        constraints: dict[str, float],
        attrs: dict[str, Any],
    ) -> None:
        self.values = checks.values(values, len(study.directions), number)
        self.constraints = constraints
        self.attrs = attrs
        name = state if state is None or isinstance(state, str) else str(getattr(state, "name", state)).lower()
        if name is None:
            if self.values is None and reason is None:
                raise UsageError(f"trial {number} takes a value, or --state fail or pruned")
            name = "fail" if self.values is None else "complete"
        self.state = _FINAL_STATES[checks.one_of(name, tuple(_FINAL_STATES), "a trial's final state")]
        if self.values is not None and any(isnan(value) for value in self.values):
            self.state, self.values, reason = FAIL, None, reason or "nan"
        if self.state == FAIL and self.values is not None:
            raise UsageError("a failed trial takes no value; leave it out")
        if self.state == COMPLETE and self.values is None:
            raise UsageError(f"trial {number} can't be complete without a value")
        if reason is not None:
            if self.state != FAIL:
                raise UsageError("only a failed trial has a reason; say --state fail too")
            self.attrs = {**attrs, "fail_reason": checks.text(reason, "a reason")}

    def complete_from(self, trial: LiveTrial) -> None:
        if self.state == PRUNED and self.values is None and trial.intermediate:
            last = trial.intermediate[max(trial.intermediate)]
            if not isnan(last) and len(trial.study.directions) == 1:
                self.values = [last]


def _live_trial(study: OpenStudy, number: int) -> LiveTrial | None:
    """The trial if it is running; None if it is finished."""
    state = study.state()
    if not 0 <= number < state.n_trials:
        last = f"the last one is {state.n_trials - 1}" if state.n_trials else "nothing was asked yet"
        raise NotFoundError(f"study {study.name!r} has no trial {number}; {last}")
    trial = state.live.get(number)
    if trial is not None and trial.state == WAITING:
        raise ConflictError(f"trial {number} of study {study.name!r} still waits to be asked; ask for it first")
    return trial


def _finished(study: OpenStudy, number: int) -> Trial:
    from journaltune.study.trials import finished_trial

    return finished_trial(study.state(), number)


def _bits(values: list[float] | None) -> list[str] | None:
    """Numbers with all their bits: 0.0 is another result than -0.0, although they are equal."""
    return None if values is None else [float(value).hex() for value in values]


def _same_again(study: OpenStudy, number: int, told: _Told) -> None:
    """Pass when a finished trial already holds just this result; ConflictError otherwise."""
    trial = _finished(study, number)
    if told.state == PRUNED and told.values is None and trial.intermediate_values:
        told.values = trial.values
    same = (int(trial.state), _bits(trial.values)) == (told.state, _bits(told.values))
    held = trial.user_attrs
    same = same and all(key in held and dumps(held[key]) == dumps(value) for key, value in told.attrs.items())
    constraints = trial.constraints
    same = same and all(
        name in constraints and _bits([constraints[name]]) == _bits([value]) for name, value in told.constraints.items()
    )
    if not same:
        with_what = f" with {', '.join(map(repr, trial.values))}" if trial.values else ""
        reason = trial.user_attrs.get("fail_reason")
        because = f" ({reason})" if reason else ""
        raise ConflictError(
            f"trial {number} of study {study.name!r} is already {trial.state.name.lower()}{with_what}{because}; "
            "tell it again with the same result, or ask for a new one"
        )
