"""``journaltune check``: read a whole journal, and name what is wrong with it."""

from __future__ import annotations

from journaltune.base.errors import JournalDamagedError
from journaltune.cli import output
from journaltune.cli.options import Command, Option, access, journal_path
from journaltune.cli.values import one_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from journaltune.cli.options import Options
    from journaltune.journal.upkeep.check import Checked

COMMAND = Command(
    "check",
    """Reads the whole journal and its snapshot. Verifies every record, the checksums of journaltune's own records, which
cover everything before them, that all records can be replayed, and that the snapshot agrees. Exits 0 with a summary, or 6 with
a line for each finding: the byte, what is wrong, and what mends it. Nothing is changed, and programs that use the journal may
go on.""",
    (Option("--format", "format", "text|json", "how to print it (default text)", one_of("text", "json"), "text"),),
    examples="""journaltune check
journaltune check -f runs/all.journal --format json | jq '.findings[].offset'""",
)


def run(options: Options) -> int:
    from journaltune.journal.upkeep.check import check

    output.require_open()
    checked = check(journal_path(options), **access(options))
    if options["format"] == "json":
        output.write_json(_facts(checked))
    else:
        output.write("".join(output.visible(line) + "\n" for line in (_findings(checked) or _summary(checked))))
    return JournalDamagedError.exit_code if checked.n_findings else 0


def _facts(checked: Checked) -> dict[str, Any]:
    return {
        "journal": checked.path,
        "size_bytes": checked.size_bytes,
        "records": checked.n_records,
        "by_others": checked.n_foreign,
        "mended": checked.n_mended,
        "studies": [{"study": name, "trials": counts} for name, counts in checked.studies.items()],
        "snapshot": checked.snapshot,
        "left_over": checked.leftovers,
        "findings": [{"offset": one.offset, "what": one.what, "mend": one.mend} for one in checked.findings],
        "n_findings": checked.n_findings,
    }


def _findings(checked: Checked) -> list[str]:
    lines = [f"{'' if one.offset is None else f'byte {one.offset}: '}{one.what}; {one.mend}" for one in checked.findings]
    more = checked.n_findings - len(lines)
    return [*lines, f"and {more} more"] if more else lines


def _summary(checked: Checked) -> list[str]:
    others = f", {checked.n_foreign:,} of them by other programs" if checked.n_foreign else ""
    mended = f", {checked.n_mended:,} mended places" if checked.n_mended else ""
    lines = [f"journal    {checked.path}, {checked.size_bytes:,} bytes, {checked.n_records:,} records{others}{mended}: whole"]
    for name, counts in checked.studies.items():
        states = [f"{count:,} {state}" for state, count in counts.items() if count]
        lines.append(f"study      {name}: {', '.join(states) or 'no trials yet'}")
    lines.append(f"snapshot   {checked.snapshot}")
    return lines + [f"left over  {what}" for what in checked.leftovers]
