"""``ssh://HOST/PATH`` as a journal: the command runs on that machine, by the user's own ssh and its configuration."""

from __future__ import annotations

import os

from journaltune.base import VERSION
from journaltune.base.errors import MachineError, UsageError
from journaltune.base.words import quote
from journaltune.cli.values import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from journaltune.cli.options import Command, Options

_NOT_THERE = ("run", "exec", "logs")  # they start processes, or read what those left, on this machine
_NEITHER = ("parse", "space")  # they read no journal
_URL = "ssh://[USER@]HOST[:PORT]/PATH"
_SSH_FAILED, _NO_PROGRAM = 255, 127


def is_forwarded(command: Command, journal: str | None) -> bool:
    journal = journal or os.environ.get("JOURNALTUNE_JOURNAL", "")
    return journal.startswith("ssh://") and command.name not in _NEITHER


def forward(command: Command, options: Options, arguments: Sequence[str]) -> int:
    """Run the command at the other end, with this one's standard streams; its exit code.

    MachineError where ssh fails, or there is no journaltune there; UsageError for what only this machine could do.
    """
    there, path = _parts(options["journal"] or os.environ["JOURNALTUNE_JOURNAL"])
    _check(command, options, there)
    study = os.environ.get("JOURNALTUNE_STUDY")
    words = ["journaltune", "--caller-is", VERSION, command.name, "-f", path, *_without_journal(arguments)]
    call = " ".join([*([f"JOURNALTUNE_STUDY={quote(study)}"] if study else []), *map(quote, words)])
    exit_code = _run(["ssh", "-T", "-o", "BatchMode=yes", "--", there, call])
    if exit_code == _SSH_FAILED:
        raise MachineError(f"{there} can't be reached by ssh, or the connection broke; see what `ssh {there} true` says")
    if exit_code == _NO_PROGRAM:
        raise MachineError(f"{there} has no program journaltune on the PATH of `ssh {there} ...`; install {VERSION} there")
    return exit_code


def _parts(url: str) -> tuple[str, str]:
    """What ssh takes for a destination, and the path there; ``/~/`` begins one in the user's home."""
    host, slash, path = url.removeprefix("ssh://").partition("/")
    if not host or host.startswith("-") or not path or not slash:
        raise UsageError(f"{shown(url)} names no journal on another machine; write {_URL}")
    return f"ssh://{host}", path.removeprefix("~/") if path.startswith("~/") else f"/{path}"


def _check(command: Command, options: Options, there: str) -> None:
    if command.name in _NOT_THERE or options.get("socket"):
        what = "serve --socket" if command.name == "serve" else command.name
        raise UsageError(f"{what} does not take a journal on another machine; call it there, by `ssh {there}`")
    if options.get("owner"):
        raise UsageError("ask: --owner names a process of the machine that has the journal; with ssh:// give the trial a --ttl")
    named = [(option.metavar or "", option.dest) for option in command.options]
    for name, dest in named + [(argument.name, argument.dest) for argument in command.arguments]:
        if name.startswith("FILE") and options.get(dest) not in (None, [], "-"):
            raise UsageError(f"{command.name}: {name} would be looked for on the other machine; copy it there, and call it there")


def _without_journal(arguments: Sequence[str]) -> list[str]:
    """The call's words without the option that names the journal. Behind ``--`` there are no options."""
    rest, kept = list(reversed(arguments)), list[str]()
    while rest:
        word = rest.pop()
        if word == "--":
            return [*kept, word, *reversed(rest)]
        if word in ("-f", "--journal"):
            rest.pop()
        elif not word.startswith("--journal=") and (word[:2] != "-f" or word.startswith("--")):
            kept.append(word)
    return kept


def _run(command: list[str]) -> int:
    try:
        pid = os.posix_spawnp(command[0], command, os.environ)
    except FileNotFoundError:
        raise MachineError("this machine has no ssh, which a journal on another one is reached by; install OpenSSH") from None
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def check_caller(version: str) -> None:
    """Refuse the call of another version: it may mean other things by the same words."""
    if version != VERSION:
        raise UsageError(f"journaltune is {VERSION} here, and {version} where the call comes from; install the same on both")
