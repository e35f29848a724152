"""``journaltune attr``: user attributes of a study."""

from __future__ import annotations

from journaltune.cli import output
from journaltune.cli.options import Argument, Command, opened
from journaltune.cli.values import key_json, mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from journaltune.cli.options import Opener, Options

COMMAND = Command(
    "attr",
    """Sets user attributes of the study, which are on disk when the command returns. Without KEY=JSON it prints those
that there are, as one JSON object. Optuna and its dashboard show them too.""",
    arguments=(Argument("KEY=JSON", "attrs", key_json, required=False, repeats=True),),
    examples="""journaltune attr 'dataset="digits"' folds=5
journaltune attr
{"dataset": "digits", "folds": 5}""",
    usage="[KEY=JSON ...]",
)


def run(options: Options) -> int:
    attrs = answer(options)
    if attrs is not None:
        output.write_json(attrs)
    return 0


def answer(options: Options, opener: Opener = opened) -> dict[str, Any] | None:
    attrs = mapping("attr", options["attrs"])
    with opener(options) as study:
        if not attrs:
            return study.look(lambda state: dict(state.user_attrs))
        from journaltune.engine.annotate import set_user_attrs

        set_user_attrs(study, attrs)
    return None
