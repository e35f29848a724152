"""``journaltune withdraw``: take wrong results out of the search."""

from __future__ import annotations

from journaltune.base.errors import UsageError
from journaltune.cli import output
from journaltune.cli.options import Argument, Command, Option, opened
from journaltune.cli.values import plain, whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from journaltune.cli.options import Options

COMMAND = Command(
    "withdraw",
    """Takes the results of finished trials out of the search: of a trainer with a bug, of a wrong data set. The sampler, the
pruner, `best`, `lookup`, the counts of `status` and the total of -n leave them out from now on. The record stays, `trials`
and stock Optuna still show it, and `status` says what was withdrawn and why. Prints {"number": N} for each.""",
    (Option("--reason", "reason", "TEXT", "why: for whoever looks at the study later (required)", plain),),
    (Argument("NUMBER", "numbers", whole(), repeats=True),),
    examples="""journaltune withdraw 7 --reason 'labels were shuffled'
journaltune withdraw 7 8 9 --reason 'driver bug on node 3'""",
    usage="NUMBER... --reason TEXT",
)


def run(options: Options) -> int:
    from journaltune.engine.withdraw import withdraw

    if not options["reason"]:
        raise UsageError("withdraw: --reason is missing; say why, for whoever looks at the study later")
    output.require_open()
    with opened(options) as study:
        withdraw(study, options["numbers"], options["reason"])
        lines = "".join(output.json_line({"number": number}) + "\n" for number in options["numbers"])
        output.write(lines, "the trials are withdrawn")
    return 0
