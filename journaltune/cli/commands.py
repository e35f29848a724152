"""Which commands there are. A new command is a file in this folder, and a row here."""

from __future__ import annotations

from journaltune.base.errors import UsageError
from journaltune.cli.values import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

GROUPS = (
    (
        "a search in one line",
        (
            ("run", "run a command for each suggestion, and record what comes of it"),
            ("exec", "run a command with a trial's parameters, and record nothing"),
            ("logs", "what a trial's command printed"),
            ("parse", "which result `run` finds in an output"),
        ),
    ),
    (
        "a study",
        (
            ("create", "make a study: its search space, objectives and sampler"),
            ("space", "what a file of ours or of another tool says, in our grammar"),
            ("studies", "list the studies of a journal"),
            ("attr", "set a study's user attributes"),
            ("delete", "delete a study"),
            ("check", "read the whole journal, and name what is wrong"),
            ("repair", "mend a damaged journal"),
            ("compact", "write a shorter journal that says the same"),
            ("copy", "copy a study to another journal or an Optuna storage"),
        ),
    ),
    (
        "its trials",
        (
            ("ask", "get the next suggestion"),
            ("report", "record an intermediate value, and ask whether to go on"),
            ("tell", "record the result of a trial"),
            ("enqueue", "have these parameters suggested next"),
            ("release", "give a running trial back, so that it is asked again"),
            ("reap", "fail the running trials whose owner died"),
            ("retry", "queue the parameters of failed trials again"),
            ("withdraw", "take wrong results out of the search"),
            ("import", "record finished trials from a table, a journal or a storage"),
        ),
    ),
    (
        "its results",
        (
            ("best", "the best trial, or the Pareto front"),
            ("trials", "every trial, as a table, CSV or JSON"),
            ("lookup", "the trials that have these parameters already"),
            ("status", "how far the study is"),
            ("compare", "studies side by side, after equally many trials"),
            ("plot", "a picture of the study, in a file or in the terminal"),
            ("page", "the whole study as one page that opens offline"),
            ("dashboard", "Optuna's dashboard on the journal, in a browser"),
            ("verify", "recompute every suggestion, and compare"),
        ),
    ),
    (
        "other programs",
        (
            ("serve", "answer JSON-RPC calls by a pipe or a socket, or Optuna's workers"),
            ("completion", "what makes bash, zsh or fish complete commands and options"),
        ),
    ),
)
NAMES = tuple(name for _, commands in GROUPS for name, _ in commands)


def summary(name: str) -> str:
    return next(text for _, commands in GROUPS for known, text in commands if known == name)


def load(name: str) -> Any:
    """The module of a command: its ``COMMAND`` and its ``run(options) -> exit code``."""
    if name not in NAMES:
        from journaltune.cli.hints import for_command

        raise UsageError(f"there is no command {shown(name)}{for_command(name, NAMES)}; `journaltune --help` lists them")
    module = "import_" if name == "import" else name  # no module can have a keyword's name
    return __import__(f"journaltune.cli.{module}", fromlist=("run",))  # importlib would cost another import
