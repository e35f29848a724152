"""``journaltune reap``: fail the running trials of dead owners."""

from __future__ import annotations

from journaltune.cli import output
from journaltune.cli.options import Argument, Command, opened
from journaltune.cli.values import whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from journaltune.cli.options import Options

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
    from journaltune.engine.reap import reap

    output.require_open()
    with opened(options) as study:
        numbers = reap(study, options["numbers"] or None)
        lines = "".join(output.json_line({"number": number}) + "\n" for number in numbers)
        output.write(lines, f"{len(numbers)} trials were reaped")
        if not numbers:
            output.note("no running trial has an owner that is proven dead; `journaltune status` lists those that run")
    return 0
