"""``journaltune studies``: the studies of a journal."""

from __future__ import annotations

from journaltune.base.errors import NotFoundError
from journaltune.cli import output
from journaltune.cli.options import Command, Option, access, journal_path
from journaltune.cli.shell import text_of
from journaltune.cli.values import one_of, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from journaltune.cli.options import Opener, Options
    from journaltune.study.studies import StudySummary

COMMAND = Command(
    "studies",
    """Lists the studies of a journal, one a line: name, directions, trials by state, best value (one objective only)
and sampler. --study NAME lists that one only; $JOURNALTUNE_STUDY is ignored here. json is one array.""",
    (Option("--format", "format", "table|json", "how to print them (default table)", one_of("table", "json"), "table"),),
    examples="""journaltune studies
journaltune studies -f runs/all.journal --format json | jq '.[].study'""",
)


def run(options: Options) -> int:
    output.require_open()
    rows = answer(options)
    if options["format"] == "json":
        output.write("[" + ",\n ".join(map(output.json_line, rows)) + "]\n")
    elif rows:
        output.write(_table(rows))
    else:
        output.note(f"{journal_path(options)} has no studies yet; `journaltune create` makes one")
    return 0


def answer(options: Options, _: Opener | None = None) -> list[dict[str, Any]]:
    from journaltune.study.studies import list_studies

    path, name = journal_path(options), options["study"]
    rows = [_facts(study) for study in list_studies(path, **access(options)) if name in (None, study.name)]
    if name is not None and not rows:
        raise NotFoundError(f"{path} has no study {shown(name)}; `journaltune studies` without --study lists what it has")
    return rows


def _facts(study: StudySummary) -> dict[str, Any]:
    return {
        "study": study.name,
        "directions": list(study.directions),
        "trials": dict(study.counts),
        "best_value": study.best_value,
        "sampler": study.sampler,
    }


def _table(rows: Sequence[dict[str, Any]]) -> str:
    from journaltune.cli.table import Column, fit, page_width

    columns = [
        Column("study", [study["study"] for study in rows]),
        Column("directions", [",".join(study["directions"]) for study in rows], rank=4),
        *(Column(state, [str(study["trials"][state]) for study in rows], rank=2, right=True) for state in rows[0]["trials"]),
        Column("best", [text_of(study["best_value"]) for study in rows], rank=1, right=True),
        Column("sampler", [study["sampler"] or "" for study in rows], rank=5),
    ]
    text, dropped = fit(columns, page_width())
    if dropped:
        output.note(f"no room for {', '.join(dropped)}; --format json has them")
    return text
