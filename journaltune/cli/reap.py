"""``journaltune reap``: fail the running trials of dead owners."""

from __future__ import annotations

from journaltune.cli import output
from journaltune.cli.options import Argument, Command, opened
from journaltune.cli.values import whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from journaltune.cli.options import Opener, Options

COMMAND = Command(
    "reap",
    """Fails the running trials whose owner is proven dead, with reason owner-died, instead of asking them again. Samplers
don't see such failures, and --trials does not count them. Trials whose owner lives, is unknown or was never said stay.
Prints {"number": N} for each.""",
    (),
    (Argument("NUMBER", "numbers", whole(), required=False, repeats=True),),
    examples="""journaltune reap
journaltune reap 3 4""",
    usage="[NUMBER ...]",
)


def run(options: Options) -> int:
    output.require_open()
    reaped = answer(options)
    output.write_lines(reaped, f"{len(reaped)} trials were reaped")
    if not reaped:
        output.note("no running trial has an owner that is proven dead; `journaltune status` lists those that run")
    return 0


def answer(options: Options, opener: Opener = opened) -> list[dict[str, int]]:
    from journaltune.engine.reap import reap

    with opener(options) as study:
        return [{"number": number} for number in reap(study, options["numbers"] or None)]
