"""``journaltune parse``: which result ``run`` would find in an output."""

from __future__ import annotations

import os
import sys

from journaltune.base.errors import MachineError, NotFoundError
from journaltune.cli import output
from journaltune.cli.options import Command, Option, journal_path, opened
from journaltune.cli.values import whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO

    from journaltune.cli.options import Options

COMMAND = Command(
    "parse",
    """Reads the output of a command, and prints as JSON what `run` would record of it: state, values, where they were found,
and how many reports there are. Exits 1 when there is no result; stderr then shows which --result might find one.

--result and the number of objectives are those of the study, where there is one.""",
    (
        Option("--result", "result", "SPEC", r"where the result is: regex:PATTERN, such as 'regex:loss=(\S+)', or json:PATH#KEY"),
        Option("--objectives", "n_objectives", "K", "how many numbers make a result (default 1)", whole(1)),
    ),
    examples=r"""journaltune parse < train.log
./train --lr 0.1 | tee train.log | journaltune parse
journaltune parse --result 'regex:loss=(\S+)' < train.log""",
    usage="[--result SPEC] [--objectives K] < OUTPUT",
)


def run(options: Options) -> int:
    from tempfile import TemporaryFile

    from journaltune.run import results
    from journaltune.run.output import Output

    output.require_open()
    text, n_objectives = _of_study(options)
    source = results.result_source(text) if text is not None else None
    if source is not None:
        source.check(n_objectives, 1)
    with TemporaryFile() as file:
        _copy_stdin(file)
        printed, reports = Output(file.fileno()), results.Reports()
        found = reports.read(printed, ended=True)
        outcome, where = results.read(results.Attempt(printed, reports, os.devnull), source, n_objectives)
    output.write_json(
        {
            "state": outcome.state,
            "values": outcome.values,
            "reason": outcome.reason,
            "found_in": where or None,
            "constraints": outcome.constraints,
            "attrs": outcome.user_attrs,
            "reports": len(found),
        }
    )
    if outcome.message is not None:
        output.say("".join(f"{output.visible(line)}\n" for line in outcome.message.splitlines()))
    return 0 if outcome.reason != "result" else 1


def _of_study(options: Options) -> tuple[str | None, int]:
    """``--result`` and the number of objectives: what is given, else the study's."""
    text, n_objectives = options["result"], options["n_objectives"]
    if (text is None or n_objectives is None) and os.path.exists(journal_path(options)):
        try:
            with opened(options) as study:
                text = study.setting("run").get("result") if text is None else text
                n_objectives = n_objectives or len(study.directions)
        except NotFoundError:
            pass
    return text, n_objectives or 1


def _copy_stdin(file: IO[bytes]) -> None:
    """Into a file, which can be read from its end."""
    from shutil import copyfileobj

    if sys.stdin is None:
        raise MachineError("standard input is closed, so there is nothing to parse; redirect an output to it")
    copyfileobj(sys.stdin.buffer, file)
    file.flush()
