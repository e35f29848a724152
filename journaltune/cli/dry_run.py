"""``run --dry-run``: the commands, as a shell would take them. The study is asked in a copy, so nothing is recorded."""

from __future__ import annotations

import os

from journaltune.base.errors import ExhaustedError, UsageError, WaitTimeoutError
from journaltune.base.words import quote, quoted
from journaltune.cli import output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from journaltune.run.plan import Plan
    from journaltune.run.prepare import Call
    from journaltune.study import OpenStudy
    from journaltune.suggest.choose import Suggestion


def dry_run(call: Call) -> int:
    from shutil import copyfile
    from tempfile import TemporaryDirectory

    from journaltune.run.places import is_elsewhere
    from journaltune.run.prepare import prepare

    if is_elsewhere(call.path):
        raise UsageError("run: --dry-run asks in a copy of the journal's file; call it on the machine that has the journal")
    path = os.path.abspath(call.path)
    with TemporaryDirectory() as folder:
        copy = os.path.join(folder, os.path.basename(path))
        if os.path.exists(path):
            copyfile(path, copy)
        study, plan = prepare(call.but(path=copy))
        with study:
            n = _print(study, plan, path)
    output.note(
        f"{n} commands; each is suggested as if those before it were running, so a run's own differ from number {_first(plan)} on"
    )
    return 0


def _first(plan: Plan) -> int:
    return len(plan.devices) + 1


def _print(study: OpenStudy, plan: Plan, path: str) -> int:
    from journaltune.engine.ask import ask
    from journaltune.run.tally import tally_of

    left = len(plan.devices) if plan.n_trials is None else plan.n_trials - tally_of(study).n_finished
    for place in range(left):
        try:
            suggestion = ask(study, max_trials=plan.n_trials, wait_s=0.0)
        except (ExhaustedError, WaitTimeoutError):
            return place
        output.write(f"{_line(study, plan, path, suggestion, place % len(plan.devices))}\n")
    return max(left, 0)


def _line(study: OpenStudy, plan: Plan, path: str, suggestion: Suggestion, slot: int) -> str:
    from journaltune.run.folders import folder_of
    from journaltune.run.placeholders import Filling
    from journaltune.run.slots import VISIBLE

    folder = folder_of(path, study.study_id, suggestion.number)
    filling = Filling(suggestion.number, suggestion.seed, suggestion.attempt, slot, folder.path, folder.params, suggestion.params)
    device = plan.devices[slot]
    words = quoted(plan.command.fill(filling))
    return words if device is None else f"{VISIBLE}={quote(device)} {words}"
