"""Which commands there are, and what ``journaltune``, ``--help`` and ``--version`` answer."""

from __future__ import annotations

from journaltune.base.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

GROUPS = (
    (
        "a study",
        (
            ("create", "make a study: its search space, objectives and sampler"),
            ("studies", "list the studies of a journal"),
            ("delete", "delete a study"),
            ("check", "read the whole journal, and name what is wrong"),
            ("repair", "mend a damaged journal"),
            ("compact", "write a shorter journal that says the same"),
        ),
    ),
    (
        "its trials",
        (
            ("ask", "get the next suggestion"),
            ("report", "record an intermediate value, and ask whether to go on"),
            ("tell", "record what came of a trial"),
            ("enqueue", "have these parameters suggested next"),
        ),
    ),
    (
        "what is known",
        (
            ("best", "the best trial, or the Pareto front"),
            ("trials", "every trial, as a table, CSV or JSON"),
            ("lookup", "the trials that have these parameters already"),
            ("status", "how far the study is"),
            ("verify", "recompute every suggestion, and compare"),
        ),
    ),
)
NAMES = tuple(name for _, commands in GROUPS for name, _ in commands)


def summary(name: str) -> str:
    return next(text for _, commands in GROUPS for known, text in commands if known == name)


def load(name: str) -> Any:
    """The module of a command: its ``COMMAND`` and its ``run(options) -> exit code``."""
    if name not in NAMES:
        from journaltune.cli.values import did_you_mean

        raise UsageError(f"there is no command {name!r}{did_you_mean(name, NAMES)}; `journaltune --help` lists them")
    return __import__(f"journaltune.cli.{name}", fromlist=("run",))  # importlib would cost another import


def answer(name: str, arguments: list[str]) -> int:
    """Answer what is not a command: --help, --version, ``help COMMAND``."""
    from journaltune.cli import help as text
    from journaltune.cli.output import write

    if name in ("-h", "--help", "help"):
        topics = [topic for topic in arguments if not topic.startswith("-")]
        write(text.command_help(load(topics[0]).COMMAND) if topics else text.overview())
    elif name in ("-V", "--version"):
        import journaltune

        write(f"journaltune {journaltune.__version__}\n")
    else:
        from journaltune.cli.values import did_you_mean

        hint = did_you_mean(name, ("--help", "--version"))
        raise UsageError(f"{name} stands before the command{hint}; write `journaltune COMMAND {name} ...`")
    return 0
