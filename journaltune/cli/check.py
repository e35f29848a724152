"""``journaltune check``: read a whole journal, and name what is wrong with it."""

from __future__ import annotations

from journaltune.base.errors import JournalDamagedError
from journaltune.cli import output
from journaltune.cli.opening import access, journal_path
from journaltune.cli.options import Command, Option
from journaltune.cli.values import one_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from journaltune.cli.options import Options
    from journaltune.journal.upkeep.check import Checked

COMMAND = Command(
    "check",
    """Reads the whole journal and its snapshot, and verifies all that can be verified: every record, the checksums of
journaltune's own records and what they say of everything before them, that all of it can be replayed, and that the snapshot
says the same. Exits 0 with a summary, or 6 with a line for each finding: the byte, what is wrong, and what mends it.
Nothing is changed, and programs that use the journal may go on.""",
    (Option("--format", "format", "text|json", "how to print it (default text)", one_of("text", "json"), "text"),),
    examples="""journaltune check
journaltune check -f runs/all.journal --format json | jq '.findings[].offset'""",
)


def run(options: Options) -> int:
    from journaltune.journal.upkeep.check import check

    output.require_open()
    found = check(journal_path(options), **access(options))
    if options["format"] == "json":
        output.write_json(_facts(found))
    else:
        output.write("".join(output.visible(line) + "\n" for line in (_findings(found) or _summary(found))))
    return JournalDamagedError.exit_code if found.n_findings else 0


def _facts(found: Checked) -> dict[str, Any]:
    return {
        "journal": found.path,
        "size_bytes": found.size_bytes,
        "records": found.n_records,
        "by_others": found.n_foreign,
        "mended": found.n_mended,
        "studies": [{"study": name, "trials": counts} for name, counts in found.studies.items()],
        "snapshot": found.snapshot,
        "left_over": found.leftovers,
        "findings": [{"offset": one.offset, "what": one.what, "mend": one.mend} for one in found.findings],
        "n_findings": found.n_findings,
    }


def _findings(found: Checked) -> list[str]:
    lines = [f"{'' if one.offset is None else f'byte {one.offset}: '}{one.what}; {one.mend}" for one in found.findings]
    more = found.n_findings - len(lines)
    return [*lines, f"and {more} more"] if more else lines


def _summary(found: Checked) -> list[str]:
    others = f", {found.n_foreign:,} of them by other programs" if found.n_foreign else ""
    mended = f", {found.n_mended:,} mended places" if found.n_mended else ""
    lines = [f"journal    {found.path}, {found.size_bytes:,} bytes, {found.n_records:,} records{others}{mended}: whole"]
    for name, counts in found.studies.items():
        states = [f"{count:,} {state}" for state, count in counts.items() if count]
        lines.append(f"study      {name}: {', '.join(states) or 'no trials yet'}")
    lines.append(f"snapshot   {found.snapshot}")
    return lines + [f"left over  {what}" for what in found.leftovers]
