"""``journaltune release``: give running trials back."""

from __future__ import annotations

from journaltune.cli import output
from journaltune.cli.options import Argument, Command, opened
from journaltune.cli.values import whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from journaltune.cli.options import Opener, Options

COMMAND = Command(
    "release",
    """Gives running trials back, whoever has them: the next ask hands out the same trial again (number, parameters, seed),
with "attempt" one higher. For trials whose owner is gone, but can't be proven dead: `journaltune status` lists them.
If its trainer still tells a result, the first result counts. Prints {"number": N} for each.""",
    (),
    (Argument("NUMBER", "numbers", whole(), repeats=True),),
    examples="""journaltune release 3
journaltune release 3 4 5""",
)


def run(options: Options) -> int:
    output.require_open()
    output.write_lines(answer(options), "the trials are released")
    return 0


def answer(options: Options, opener: Opener = opened) -> list[dict[str, int]]:
    from journaltune.engine.reap import release

    with opener(options) as study:
        release(study, options["numbers"])
    return [{"number": number} for number in options["numbers"]]
