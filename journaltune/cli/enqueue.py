"""``journaltune enqueue``: parameters to be suggested next."""

from __future__ import annotations

from journaltune.base.errors import UsageError
from journaltune.cli import output
from journaltune.cli.options import REQUEST_ID, Command, Option, opened
from journaltune.cli.values import json_object, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from journaltune.cli.options import Options

COMMAND = Command(
    "enqueue",
    """Puts parameters into the queue: the next ask hands them out before the sampler suggests anything. Parameters
that are left out are suggested then. Prints the waiting trial as {"number": N}.""",
    (
        Option("--params", "params", "JSON", "the parameters, as a JSON object", json_object),
        Option("--skip-if-exists", "skip_if_exists", None, "do nothing when a trial has these parameters; prints number null"),
        REQUEST_ID,
    ),
    examples="""journaltune enqueue --params '{"lr": 0.01, "opt": "sgd"}'
journaltune enqueue --params '{"lr": 0.1}' --skip-if-exists""",
    usage="--params JSON [--skip-if-exists] [--request-id ID]",
)


def run(options: Options) -> int:
    from journaltune.engine.enqueue import enqueue

    params = options["params"]
    if params is None:
        raise UsageError("""enqueue: --params is missing; for example --params '{"lr": 0.01}'""")
    output.require_open()
    with opened(options) as study:
        number = enqueue(study, params, skip_if_exists=options["skip_if_exists"], request_id=options["request_id"])
        done = "" if number is None else f"trial {number} was queued"
        output.write_json({"number": number}, done)
        if number is None:
            output.note(f"skipped: study {shown(study.name)} has a trial with these parameters")
    return 0
