"""``journaltune compact``: write an equivalent, shorter journal."""

from __future__ import annotations

from journaltune.cli import output
from journaltune.cli.options import Argument, Command, access, journal_path
from journaltune.cli.values import plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from journaltune.cli.options import Options

COMMAND = Command(
    "compact",
    """Writes DEST, a shorter journal that says the same: one record for each trial where that is possible, and nothing of
deleted studies. Every reader sees the same studies and trials in it, with the same numbers, and a search that goes on in it
gets the same suggestions. `verify` can't check its trials any more, because the parts of the old file that their asks saw are
not in it. The journal itself stays as it is, and programs that use it go on.""",
    arguments=(Argument("DEST", "dest", plain),),
    examples="""journaltune compact smaller.journal
journaltune compact -f runs/all.journal runs/archive.journal""",
)


def run(options: Options) -> int:
    from journaltune.journal.upkeep.compact import compact

    output.require_open()
    dest = options["dest"]
    done = compact(journal_path(options), dest, allow_network_fs=access(options)["allow_network_fs"])
    share = f" ({100 * done.bytes_after / done.bytes_before:.0f} %)" if done.bytes_before else ""
    trials = f"{done.n_trials:,} {'trial' if done.n_trials == 1 else 'trials'}"
    text = f"{dest}: {trials}, {done.bytes_before:,} bytes before, {done.bytes_after:,} after{share}"
    output.write(output.visible(text) + "\n", f"{dest} was written")
    return 0
