"""``journaltune copy``: a study to another journal or an Optuna storage."""

from __future__ import annotations

from journaltune.cli import output
from journaltune.cli.options import Argument, Command, access, journal_path, study_name
from journaltune.cli.values import plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from journaltune.cli.options import Opener, Options
    from journaltune.optuna_bridge.copies import Copied

COMMAND = Command(
    "copy",
    """Copies the study to DEST: another journal, or the URL of an Optuna storage (SQLite, PostgreSQL, MySQL, Redis). With
such a URL as --journal it copies from there, and so back. Numbers, states, values, parameters, attributes, intermediate values,
constraints, times and our settings are the same in the copy; `verify` can't check its trials, because it is another file. Trials
that run are copied as running. DEST must not have a study of that name. Prints {"study": NAME, "trials": N}.""",
    arguments=(Argument("DEST", "dest", plain),),
    examples="""journaltune copy archive.journal
journaltune copy sqlite:///optuna.db
journaltune copy postgresql://user@host/db --study digits
journaltune copy back.journal -f sqlite:///optuna.db --study digits""",
)


def run(options: Options) -> int:
    output.require_open()
    copied = _copied(options)
    output.write_json(_facts(copied), f"study {copied.study!r} is in {options['dest']} now")
    if copied.n_running:
        output.note(f"{copied.n_running} trials run, and their results will be told to the original")
    return 0


def answer(options: Options, _: Opener | None = None) -> dict[str, Any]:
    return _facts(_copied(options))


def _copied(options: Options) -> Copied:
    from optuna.logging import WARNING, set_verbosity

    from journaltune.optuna_bridge.copies import copy_study

    set_verbosity(WARNING)  # it would tell of each study that it makes
    return copy_study(journal_path(options), study_name(options), options["dest"], **access(options))


def _facts(copied: Copied) -> dict[str, Any]:
    return {"study": copied.study, "trials": copied.n_trials}
