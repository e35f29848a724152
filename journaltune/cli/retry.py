"""``journaltune retry``: queue the parameters of failed trials again."""

from __future__ import annotations

from journaltune.base.errors import UsageError
from journaltune.cli import output
from journaltune.cli.options import Argument, Command, Option, opened
from journaltune.cli.values import whole, word

TYPE_CHECKING = False
if TYPE_CHECKING:
    from journaltune.cli.options import Opener, Options

COMMAND = Command(
    "retry",
    """Queues the parameters of failed trials again: all that failed, those with one reason, or those that are named. The
next asks hand them out as new trials, whose user attribute retry_of holds the old number. A trial is retried once.
Prints {"number": NEW, "retry_of": OLD} for each.""",
    (Option("--reason", "reason", "WORD", "only trials that failed for this reason, such as oom", word),),
    (Argument("NUMBER", "numbers", whole(), required=False, repeats=True),),
    examples="""journaltune retry
journaltune retry --reason timeout
journaltune retry 3 7""",
    usage="[NUMBER ... | --reason WORD]",
)


def run(options: Options) -> int:
    output.require_open()
    queued = answer(options)
    output.write_lines(queued, f"{len(queued)} trials were queued")
    left = len(set(options["numbers"])) - len(queued)
    if options["numbers"] and left:
        output.note(f"{left} of these trials were retried before")
    elif not queued:
        output.note("there is no failed trial to retry")
    return 0


def answer(options: Options, opener: Opener = opened) -> list[dict[str, int]]:
    from journaltune.engine.retry import retry

    if options["numbers"] and options["reason"] is not None:
        raise UsageError("retry: name trials or a reason, not both")
    with opener(options) as study:
        queued = retry(study, options["numbers"] or None, reason=options["reason"])
    return [{"number": new, "retry_of": old} for old, new in queued]
