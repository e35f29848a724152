"""``journaltune attr``: user attributes of a study."""

from __future__ import annotations

from journaltune.cli import output
from journaltune.cli.options import Argument, Command, opened
from journaltune.cli.values import key_json, mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from journaltune.cli.options import Options

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
    attrs = mapping("attr", options["attrs"])
    with opened(options) as study:
        if attrs:
            from journaltune.engine.annotate import set_user_attrs

            set_user_attrs(study, attrs)
        else:
            output.write_json(study.look(lambda state: dict(state.user_attrs)))
    return 0
