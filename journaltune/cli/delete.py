"""``journaltune delete``: delete a study by its name."""

from __future__ import annotations

from journaltune.base.errors import UsageError
from journaltune.cli.options import Argument, Command, access, journal_path
from journaltune.cli.output import note
from journaltune.cli.values import plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from journaltune.cli.options import Opener, Options

COMMAND = Command(
    "delete",
    """Deletes a study and all its trials; other studies of the journal stay. The command does not ask back, so the
study has to be named in the call: neither $JOURNALTUNE_STUDY nor being the only one counts. The records stay in the file's bytes,
as in Optuna; `rm` deletes a whole journal.""",
    arguments=(Argument("NAME", "name", plain, required=False),),
    examples="""journaltune delete digits
journaltune delete --study digits -f runs/all.journal""",
    usage="NAME",
)


def run(options: Options) -> int:
    answer(options)
    note(f"deleted study {_name(options)!r} from {journal_path(options)}")
    return 0


def answer(options: Options, _: Opener | None = None) -> None:
    from journaltune.engine.create import delete

    delete(journal_path(options), _name(options), **access(options))


def _name(options: Options) -> str:
    name: str | None = options["name"] or options["study"]
    if name is None:
        raise UsageError("delete: NAME is missing: which study? `journaltune studies` lists them")
    if options["name"] and options["study"] not in (None, name):
        raise UsageError(f"delete: {options['name']!r} and --study {options['study']!r} differ; name one study")
    return name
