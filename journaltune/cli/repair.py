"""``journaltune repair``: mend a damaged journal in place."""

from __future__ import annotations

from journaltune.cli import output
from journaltune.cli.options import Command, access, journal_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from journaltune.cli.options import Options

_SHOWN = ("offset", "size_bytes", "what", "done", "copy")

COMMAND = Command(
    "repair",
    """Mends a journal that no reader opens any more: torn and garbage lines, several records in one line, changed records,
lines that were taken out, a bad snapshot. Bytes that no reader can apply are copied to FILE.d/quarantine/ and
overwritten with spaces; everything else stays where it is. A trial whose record was destroyed keeps its number, and has
failed with reason "damaged". Lines that were moved, doubled or put in by hand are named with exit code 6, and nothing
is changed then. Prints a JSON object for each thing mended: offset, size_bytes, what, done (what was saved, and
what was not), copy. Nothing is printed when nothing was wrong. Programs that use the journal may go on; restart those that
stopped with exit code 6.""",
    examples="""journaltune repair
journaltune repair -f runs/all.journal""",
    usage="",
)


def run(options: Options) -> int:
    from journaltune.journal.file import folder_of
    from journaltune.journal.upkeep.repair import repair

    path = journal_path(options)
    output.require_open()
    mended = repair(path, **access(options))
    lines = [output.json_line({name: getattr(one, name) for name in _SHOWN}) + "\n" for one in mended]
    if lines:
        copies = f"with copies of what stood there in {folder_of(path)}/quarantine"
        output.write("".join(lines), f"{path}: {len(mended)} mended, {copies}")
    output.note(f"{path}: {len(mended)} mended" if mended else f"{path} is whole; nothing to mend")
    return 0
