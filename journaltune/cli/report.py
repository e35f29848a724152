"""``journaltune report``: an intermediate value of a running trial."""

from __future__ import annotations

from journaltune.cli import output
from journaltune.cli.options import REQUEST_ID, Argument, Command, opened
from journaltune.cli.values import number, whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from journaltune.cli.options import Opener, Options

_PRUNE = 10

COMMAND = Command(
    "report",
    """Records an intermediate value of a trial, and prints `continue` (exit 0), or
`prune` (exit 10) when it is not worth going on: end the trainer then, and tell
the trial with --state pruned.

The study's pruner decides (`journaltune create --pruner NAME`); without a pruner
each trial goes on. The first value of a step counts; a trainer that resumed from
a checkpoint may report steps again.""",
    (REQUEST_ID,),
    (
        Argument("NUMBER", "number", whole()),
        Argument("STEP", "step", whole()),
        Argument("VALUE", "value", number),
    ),
    examples="""journaltune report 3 10 0.482
journaltune report 3 11 0.47 --request-id epoch-11""",
)


def run(options: Options) -> int:
    output.require_open()
    word = answer(options)
    output.write(f"{word}\n")
    return _PRUNE if word == "prune" else 0


def answer(options: Options, opener: Opener = opened) -> str:
    """``continue`` or ``prune``."""
    from journaltune.engine.prune import should_prune
    from journaltune.engine.report import is_first, report

    trial, step = options["number"], options["step"]
    with opener(options) as study:
        if not report(study, trial, step, options["value"], request_id=options["request_id"]):
            output.note(f"ignored: trial {trial} has another value at step {step} already")
        prune = should_prune(study, trial)
        if study.setting("pruner") == "none" and is_first(study):
            call = "`journaltune create --exist-ok --pruner median` gives it a pruner"
            output.note(f"study {study.name!r} has no pruner, so no trial stops early; {call} (this is said once)")
    return "prune" if prune else "continue"
