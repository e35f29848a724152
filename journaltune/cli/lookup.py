"""``journaltune lookup``: the trials that have given parameters already."""

from __future__ import annotations

from journaltune.base.errors import UsageError
from journaltune.cli import output
from journaltune.cli.options import Argument, Command, Option, opened
from journaltune.cli.trials import STATES
from journaltune.cli.values import json_object, list_of, plain, whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from journaltune.cli.options import Opener, Options
    from journaltune.study.lookup import Match

COMMAND = Command(
    "lookup",
    """Prints the trials that have just these parameters, newest first, one JSON object a line; exits 1 when there is none.
With NUMBER it looks for the parameters of that trial, and leaves out the trial itself.

Parameters are equal when the search space takes them for equal: true, 1 and "1" are three values of a choice, and a
float with a step is its place on the grid. All parameters have to be given.

With --all-studies or --also, lines tell the study and the journal too; studies with other parameters are passed over.""",
    (
        Option("--params", "params", "JSON", "the parameters, as a JSON object", json_object),
        Option(
            "--states",
            "states",
            "STATE,...",
            f"which trials count (default complete,pruned,fail): {', '.join(STATES)}",
            list_of(*STATES),
        ),
        Option("--all-studies", "all_studies", None, "look in the journal's other studies too"),
        Option("--also", "also", "FILE", "look in all studies of another journal too", plain, repeats=True),
    ),
    (Argument("NUMBER", "number", whole(), required=False),),
    examples="""journaltune lookup --params '{"lr": 0.1}'
{"number": 9, "state": "complete", "values": [0.3], "params": {"lr": 0.1}}

journaltune lookup 17 --states complete
journaltune lookup 17 --also ../last-week/study.journal""",
    usage="NUMBER | --params JSON [--states STATE,...] [--all-studies] [--also FILE]...",
)


def run(options: Options) -> int:
    output.require_open()
    matches = answer(options)
    output.write_lines(matches)
    return 0 if matches else 1


def answer(options: Options, opener: Opener = opened) -> list[dict[str, Any]]:
    from journaltune.study.lookup import lookup

    if (options["params"] is None) == (options["number"] is None):
        raise UsageError("""lookup: give a trial's number or --params; for example --params '{"lr": 0.01}'""")
    elsewhere = options["all_studies"] or bool(options["also"])
    with opener(options) as study:
        matches = lookup(
            study,
            options["params"],
            number=options["number"],
            states=options["states"],
            all_studies=options["all_studies"],
            also=options["also"],
        )
        return [_facts(match, elsewhere) for match in matches]


def _facts(match: Match, elsewhere: bool) -> dict[str, Any]:
    trial = match.trial
    place = {"study": match.study_name, "journal": match.path} if elsewhere else {}
    return {
        "number": trial.number,
        "state": trial.state.name.lower(),
        "values": trial.values,
        "params": trial.fixed_params,
        **place,
    }
