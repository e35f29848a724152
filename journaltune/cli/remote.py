"""``ssh://HOST/PATH`` as a journal: the command runs on that machine, by the user's own ssh and its configuration."""

from __future__ import annotations

import os

from journaltune.base import VERSION
from journaltune.base.errors import UsageError
from journaltune.base.words import quote
from journaltune.serve.ssh import NO_PROGRAM, SSH_FAILED, command_of, place_of, refuse, spawn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from journaltune.cli.options import Command, Options

_HERE = ("run", "exec", "logs")  # they start processes on this machine, or read what those left, and open the study from here
_NEITHER = ("parse", "space")  # they read no journal


def is_forwarded(command: Command) -> bool:
    """Whether a command with a journal on another machine runs there."""
    return command.name not in (*_HERE, *_NEITHER)


def forward(command: Command, options: Options, url: str, arguments: Sequence[str]) -> int:
    """Run the command at the other end of the journal's URL, with this one's standard streams; its exit code.

    MachineError where ssh fails, or there is no journaltune there; UsageError for what only this machine could do.
    """
    place = place_of(url)
    _check(command, options, place.ssh)
    study = os.environ.get("JOURNALTUNE_STUDY")
    words = [command.name, "-f", place.path, *_without_journal(arguments)]
    pid = spawn(command_of(place, words, [f"JOURNALTUNE_STUDY={quote(study)}"] if study else []))
    exit_code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if exit_code in (SSH_FAILED, NO_PROGRAM):
        refuse(place, exit_code)
    return exit_code


def _check(command: Command, options: Options, there: str) -> None:
    listening = next((name for name in ("socket", "grpc") if options.get(name)), None)
    if listening:
        raise UsageError(f"serve --{listening} does not take a journal on another machine; call it there, by `{there}`")
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


def check_caller(version: str) -> None:
    """Refuse the call of another version: it may mean other things by the same words."""
    if version != VERSION:
        raise UsageError(f"journaltune is {VERSION} here, and {version} where the call comes from; install the same on both")
