"""prune: whether a running trial is to stop early, and what of that decision others have to see."""

from __future__ import annotations

from journaltune.base import RUNNING, checks
from journaltune.journal import records
from journaltune.study import verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from journaltune.journal.state import LiveTrial
    from journaltune.study import OpenStudy

STOPPED_ATTR = "journaltune:stop_at"  # system attribute: the step after which the study's pruner stopped the trial


@verb
def should_prune(study: OpenStudy, number: int) -> bool:
    """Whether a running trial is to stop after its last report, as the study's pruner decides; False without a pruner.

    A trial that was to stop gets the same answer until it reports a later step, whatever other trials have brought meanwhile:
    one whose process was killed before it could stop does so at its next report. UsageError for options that a damaged record
    left.
    """
    number = checks.whole(number, "a trial's number")
    with study.turn.lock, study.turn:
        study.journal.sync()
        return _is_to_stop(study, number)


def _is_to_stop(study: OpenStudy, number: int, ended: bool = False) -> bool:
    """``should_prune`` of what was read. Of a trial that has ``ended`` the pruner is only asked for what others have to see."""
    trial, name = _running(study, number), study.setting("pruner")
    if trial is None or name == "none" or not trial.intermediate:
        return False
    if trial.system_attrs.get(STOPPED_ATTR) == max(trial.intermediate):
        return True
    from journaltune.suggest.pruners import decide, leaves_rungs

    options = study.setting("pruner_options")
    if not leaves_rungs(name, options) and (ended or not decide(name, options, trial, study.state())[0]):
        return False
    with study.journal.locked():  # of trials that reach a rung at once, the later ones see the earlier
        trial = _running(study, number)
        if trial is None:
            return False
        prune, attrs = decide(name, options, trial, study.state())
        _note(study, trial, attrs | ({STOPPED_ATTR: max(trial.intermediate)} if prune else {}))
    return prune


def _running(study: OpenStudy, number: int) -> LiveTrial | None:
    trial = study.state().live.get(number)
    return trial if trial is not None and trial.state == RUNNING else None


def _note(study: OpenStudy, trial: LiveTrial, attrs: dict[str, Any]) -> None:
    if attrs:
        study.journal.append(records.attr_records(records.SET_TRIAL_SYSTEM_ATTR, attrs, trial_id=trial.trial_id))
