"""What ``--help`` and ``--version`` print, of the whole program and of one command."""

from __future__ import annotations

import re
from textwrap import wrap

from journaltune.base import VERSION
from journaltune.base.errors import UsageError
from journaltune.cli.commands import GROUPS, load, summary
from journaltune.cli.options import COMMON, Command, Option, option_call, usage
from journaltune.cli.output import write
from journaltune.cli.values import did_you_mean

WIDTH = 80
LOOP = """set -eu
journaltune create --exist-ok \\
    --param 'lr: log(1e-5, 1e-1)' --param 'opt: adam | sgd'
while suggestion=$(journaltune ask --format sh --owner $$ --trials 20)
    code=$?; [ $code -eq 0 ]
do
    eval "$suggestion"
    if loss=$(./train --lr "$JT_lr" --opt "$JT_opt"); then
        journaltune tell "$JT_TRIAL" "$loss"
    else
        journaltune tell "$JT_TRIAL" --state fail --reason exit
    fi
done
[ $code -eq 11 ] || exit $code    # any other code is an error that ask named
journaltune best
"""
EXIT_CODES = """0 done   1 the answer is no   2 the call is wrong   3 not found   4 conflict   5 locked
6 journal damaged   7 the machine refused   10 report: prune this trial
11 ask: nothing left to ask
"""


def answer(name: str, arguments: list[str]) -> int:
    """Answer a call whose first word is not a command: --help, --version, ``help COMMAND``."""
    if name in ("-h", "--help", "help"):
        topics = [topic for topic in arguments if not topic.startswith("-")]
        write(command_help(load(topics[0]).COMMAND) if topics else overview())
    elif name in ("-V", "--version"):
        write(f"journaltune {VERSION}\n")
    else:
        hint = did_you_mean(name, ("--help", "--version"))
        raise UsageError(f"{name} stands before the command{hint}; write `journaltune COMMAND {name} ...`")
    return 0


def overview() -> str:
    """What ``journaltune`` and ``journaltune --help`` print."""
    parts = ["usage: journaltune COMMAND [OPTIONS]\n\nHyperparameter search in one file, asked and told from any language.\n"]
    for title, commands in GROUPS:
        lines = (f"  {name:10} {text}" for name, text in commands)
        parts.append(f"{title}:\n" + "\n".join(lines) + "\n")
    parts.append("`journaltune COMMAND --help` tells more, with examples. Every command takes:\n" + _options(COMMON))
    parts.append("a search, as a shell script (it may run in several terminals at once):\n" + _indented(LOOP))
    parts.append("exit codes:\n" + _indented(EXIT_CODES))
    return "\n".join(parts)


def command_help(command: Command) -> str:
    """What ``journaltune COMMAND --help`` prints."""
    parts = [_usage_lines(command), f"{command.name}: {summary(command.name)}\n", _about(command.about)]
    if command.options:
        parts.append("options:\n" + _options(command.options))
    parts.append("options of every command:\n" + _options(COMMON))
    parts.append("examples:\n" + _indented(command.examples.rstrip() + "\n"))
    return "\n".join(parts)


def _usage_lines(command: Command) -> str:
    return _filled(f"usage: {usage(command)}", "  ") + "\n"


def _filled(text: str, indent: str = "") -> str:
    """The text in lines of ``WIDTH``; brackets are not broken."""
    whole = re.sub(r"\[[^\[\]]*(\[[^\[\]]*\][^\[\]]*)*\]", lambda part: part[0].replace(" ", "\0"), text)
    lines = wrap(whole, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return "\n".join(lines).replace("\0", " ")


def _about(text: str) -> str:
    """Paragraphs, filled; indented lines stand as they are."""
    parts: list[str] = []
    for line in text.splitlines():
        if parts and line and not line.startswith(" ") and parts[-1] and not parts[-1].startswith(" "):
            parts[-1] += f" {line}"
        else:
            parts.append(line)
    return "".join(f"{part if part.startswith(' ') else _filled(part)}\n" for part in parts)


def _options(options: tuple[Option, ...]) -> str:
    return "".join(_option(option) for option in options)


def _option(option: Option) -> str:
    call = option_call(option)
    for other in option.names[1:]:
        call += f", {other}" if option.metavar is None else f", {other} {option.metavar}"
    text = option.help + ("; repeatable" if option.repeats else "")
    head = f"  {call:26}"
    lines = wrap(text, WIDTH - 28)
    if len(head) > 28:
        return "\n".join([head.rstrip(), *(" " * 28 + line for line in lines)]) + "\n"
    return "\n".join([head + lines[0], *(" " * 28 + line for line in lines[1:])]) + "\n"


def _indented(text: str) -> str:
    return "".join(f"  {line}" if line.strip() else line for line in text.splitlines(keepends=True))
