"""``journaltune import``: finished trials from a table, another journal, or one of Optuna's storages."""

from __future__ import annotations

from journaltune.cli import output
from journaltune.cli.options import Argument, Command, Option, opened
from journaltune.cli.values import plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from journaltune.cli.options import Opener, Options
    from journaltune.engine.import_trials import Imported
    from journaltune.study import OpenStudy

_MOST_SHOWN = 20

COMMAND = Command(
    "import",
    """Records finished trials that were run elsewhere: samplers learn from them, and `best` and budgets count them. They come
from CSV, JSON lines or a JSON array ("-": stdin), told by the content; from another journal; or from an Optuna storage's URL.

Columns are found by name: a parameter as it is called, or as params_NAME; the result as value, as the objective is called, or
by --value; state, times, user_attrs_, constraints_ and intermediate_values as `journaltune trials` and Optuna's trials_dataframe
have them. A row without a state is complete. Parameters have to lie in the space.

A trial that the study has with the same parameters, state and values is not recorded again, so a call can be repeated. Prints
{"imported": N, "known": N, "unfinished": N, "refused": N}. Refused rows are named on stderr and the others recorded; then it
exits 1.""",
    (
        Option(
            "--value", "value", "COLUMN", "the column of the result; one for each objective, in their order", plain, None, True
        ),
        Option("--from", "source_study", "NAME", "the study there: else the only one, or that of the same name", plain),
    ),
    (Argument("FILE|JOURNAL|URL", "source", plain),),
    examples="""journaltune import results.csv --value val_loss
journaltune trials -f old.journal --format jsonl | journaltune import -
journaltune import old.journal --from digits
journaltune import sqlite:///optuna.db""",
    usage="FILE|JOURNAL|URL [--value COLUMN]... [--from NAME]",
)


def run(options: Options) -> int:
    output.require_open()
    with opened(options) as study:
        done = _imported(study, options)
        for line in done.notes:
            output.note(f"import: {line}")
        named = done.refused[:_MOST_SHOWN]
        for line in named:
            output.note(f"import: refused: {line}")
        if len(done.refused) > len(named):
            output.note(f"import: refused: {len(done.refused) - len(named)} more")
        output.write_json(_counts(done), f"{done.n_imported} trials were recorded")
    return 1 if done.refused else 0


def answer(options: Options, opener: Opener = opened) -> dict[str, int]:
    with opener(options) as study:
        return _counts(_imported(study, options))


def _imported(study: OpenStudy, options: Options) -> Imported:
    from journaltune.engine.import_trials import import_trials

    return import_trials(study, options["source"], value=options["value"], source_study=options["source_study"])


def _counts(done: Imported) -> dict[str, int]:
    counts = {"imported": done.n_imported, "known": done.n_known, "unfinished": done.n_unfinished}
    return {**counts, "refused": len(done.refused)}
