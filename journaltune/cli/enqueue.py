"""``journaltune enqueue``: parameters to be suggested next."""

from __future__ import annotations

from journaltune.base.errors import UsageError
from journaltune.cli import output
from journaltune.cli.options import REQUEST_ID, Command, Option, opened
from journaltune.cli.values import json_object, plain, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from journaltune.cli.options import Opener, Options
    from journaltune.study import OpenStudy

_MOST_SHOWN = 20

COMMAND = Command(
    "enqueue",
    """Puts parameters into the queue: the next ask hands them out before the sampler suggests anything. Parameters
that are left out are suggested then. Prints the waiting trial as {"number": N}.

--file takes many at once, in their order: CSV with a header, JSON lines or a JSON array, told by the content; "-" is stdin.
Columns are called as the parameters, or params_NAME; a blank cell is suggested. If one row is wrong, none is queued.""",
    (
        Option("--params", "params", "JSON", "the parameters, as a JSON object", json_object),
        Option("--file", "file", "FILE", "many parameters, a row each", plain),
        Option("--skip-if-exists", "skip_if_exists", None, "do nothing when a trial has these parameters; prints number null"),
        REQUEST_ID,
    ),
    examples="""journaltune enqueue --params '{"lr": 0.01, "opt": "sgd"}'
journaltune enqueue --params '{"lr": 0.1}' --skip-if-exists
journaltune enqueue --file first.csv""",
    usage="--params JSON | --file FILE|- [--skip-if-exists] [--request-id ID]",
)


def run(options: Options) -> int:
    _check(options)
    output.require_open()
    with opened(options) as study:
        _print(study, _queued(study, options))
    return 0


def answer(options: Options, opener: Opener = opened) -> dict[str, int | None] | list[dict[str, int | None]]:
    """The waiting trial; for a file the list of them."""
    _check(options)
    with opener(options) as study:
        queued = [{"number": number} for number in _queued(study, options)]
    return queued[0] if options["file"] is None else queued


def _check(options: Options) -> None:
    params = options["params"]
    if params is None and options["file"] is None:
        raise UsageError("""enqueue: --params is missing; for example --params '{"lr": 0.01}', or --file rows.csv""")
    if params is not None and options["file"] is not None:
        raise UsageError("enqueue: give either --params or --file")


def _queued(study: OpenStudy, options: Options) -> list[int | None]:
    """Queue what is given; each trial's number, None for one that was skipped."""
    if options["params"] is None:
        return _many(study, options)
    from journaltune.engine.enqueue import enqueue

    return [enqueue(study, options["params"], skip_if_exists=options["skip_if_exists"], request_id=options["request_id"])]


def _many(study: OpenStudy, options: Options) -> list[int | None]:
    from os import urandom

    from journaltune.base.errors import InDoubtError, SpaceError
    from journaltune.engine.enqueue import enqueue_all

    rows, wrong = _rows(study, options["file"])
    if wrong:
        for line in wrong[:_MOST_SHOWN]:
            output.note(f"enqueue: {line}")
        raise SpaceError(f"enqueue: {len(wrong)} rows are wrong, so none was queued; mend them, and repeat")
    name = options["request_id"] or urandom(8).hex()
    ids = [f"{name}-{place}" for place in range(1, len(rows) + 1)]
    try:
        return enqueue_all(study, rows, skip_if_exists=options["skip_if_exists"], request_ids=ids)
    except InDoubtError as error:
        raise InDoubtError(f"{error}, or repeat it with --request-id {name}") from error


def _rows(study: OpenStudy, path: str) -> tuple[list[dict[str, Any]], list[str]]:
    """The parameters of each row, and what is wrong with the others."""
    from journaltune.base.errors import SpaceError
    from journaltune.study import space_of
    from journaltune.study.columns import Parameters
    from journaltune.study.rows import read_table

    table = read_table(path)
    space = study.look(lambda _: space_of(study))
    parameters = Parameters(space, table, blank_is_null=False)
    unknown = [column for column in table.columns if column not in parameters.columns.values()]
    if unknown:
        raise UsageError(f"enqueue: {path} has columns that are no parameters: {', '.join(map(shown, unknown))}; take them out")
    rows: list[dict[str, Any]] = []
    wrong: list[str] = []
    for row in table.rows:
        try:
            params = parameters.of(row)
            space.encode(params, partial=True)
        except SpaceError as error:
            wrong.append(f"{row.label}: {error}")
        else:
            wrong.extend([f"{row.label}: {row.wrong}"] if row.wrong else [])
            rows.append(params)
    return rows, wrong


def _print(study: OpenStudy, numbers: list[int | None]) -> None:
    queued = [number for number in numbers if number is not None]
    done = f"trial {', '.join(map(str, queued))} was queued" if len(queued) == 1 else f"{len(queued)} trials were queued"
    output.write("".join(output.json_line({"number": number}) + "\n" for number in numbers), done if queued else "")
    if len(queued) < len(numbers):
        count = "" if len(numbers) == 1 else f" {len(numbers) - len(queued)}"
        output.note(f"skipped{count}: study {shown(study.name)} has a trial with these parameters")
