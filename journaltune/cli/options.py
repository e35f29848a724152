"""Options and arguments of a command, declared as tables, the parser that reads them, and the study that they name.

``argparse`` could do the same, but importing it and building its tree takes as long as a whole ``tell``.
"""

from __future__ import annotations

import os

from journaltune.base import SSH
from journaltune.base.errors import UsageError
from journaltune.base.frozen import Frozen
from journaltune.cli.values import duration, plain, require_text, shown, word

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from typing import Any

    from journaltune.study import OpenStudy

    Options = dict[str, Any]
    Opener = Callable[[Options], AbstractContextManager[OpenStudy]]

DEFAULT_JOURNAL = "study.journal"


class Option(Frozen):
    """One option of a command.

    Without ``metavar`` it is a flag. ``convert`` turns the text into the value, or raises ValueError with a message that
    continues the option's name: "must be a number". ``repeats`` collects the values in a list; options with the same ``dest``
    share that list, in the order of the call. With ``value_optional`` the value may be left out; ``convert`` then gets "".
    """

    names: tuple[str, ...]
    dest: str
    metavar: str | None
    help: str
    convert: Callable[[str], Any]
    default: Any
    repeats: bool
    value_optional: bool

    def __init__(
        self,
        names: str,
        dest: str,
        metavar: str | None,
        help: str,
        convert: Callable[[str], Any] = plain,
        default: Any = None,
        repeats: bool = False,
        value_optional: bool = False,
    ) -> None:
        self._set(names=tuple(names.split()), dest=dest, metavar=metavar, help=help)
        self._set(convert=convert, default=default, repeats=repeats, value_optional=value_optional)


class Argument(Frozen):
    """One positional argument; ``repeats`` is for the last one only."""

    name: str
    dest: str
    convert: Callable[[str], Any]
    required: bool = True
    repeats: bool = False


class Command(Frozen):
    """The options and arguments of a command, and its help. ``examples`` are shown as they stand."""

    name: str
    about: str
    options: tuple[Option, ...] = ()
    arguments: tuple[Argument, ...] = ()
    examples: str = ""
    usage: str = ""


COMMON = (
    Option("-f --journal", "journal", "FILE", "the journal, or ssh://HOST/PATH; else $JOURNALTUNE_JOURNAL, else ./study.journal"),
    Option("--study", "study", "NAME", "the study; else $JOURNALTUNE_STUDY, else the only one in the journal"),
    Option(
        "--lock-timeout", "lock_timeout_s", "DURATION", "how long to wait for the journal's lock (default 60s)", duration, 60.0
    ),
    Option("--allow-network-fs", "allow_network_fs", None, "use the journal although its file system is a network's"),
    Option("-h --help", "help", None, "show this help"),
)

REQUEST_ID = Option("--request-id", "request_id", "ID", "a name for this call: repeated with it, the call changes nothing", word)


def parse(command: Command, arguments: Sequence[str]) -> Options:
    """The values by ``dest``. UsageError, in one line, for anything that the tables don't allow."""
    return _Parser(command, arguments).parse()


class _Parser:
    __slots__ = ("by_name", "command", "given", "rest", "values")

    def __init__(self, command: Command, arguments: Sequence[str]) -> None:
        options = command.options + COMMON
        self.command = command
        self.rest = list(reversed(arguments))
        self.given: list[str] = []
        self.by_name = {name: option for option in options for name in option.names}
        self.values: Options = defaults(options)

    def parse(self) -> Options:
        while self.rest:
            token = self.rest.pop()
            if token == "--":
                self.given += reversed(self.rest)
                break
            if token[:1] != "-" or token == "-" or _is_negative_number(token):
                self.given.append(token)
            elif token.startswith("--"):
                self._long(token)
            else:
                self._short(token)
        if not self.values["help"]:
            self._bind_arguments()
        return self.values

    def _long(self, token: str) -> None:
        name, equals, value = token.partition("=")
        option = self._option(name)
        if option.metavar is None and equals:
            raise self._error(f"{name} takes no value, but {shown(value)} was given")
        if equals:
            self._store(option, name, value)
        else:
            self._store(option, name, self._following_value(option, name))

    def _short(self, token: str) -> None:
        """``-n5``, ``-n 5``, and flags in one word. ``-format`` is not ``-f ormat``: that would make a journal "ormat"."""
        if len(token) > 2 and f"-{token.partition('=')[0]}" in self.by_name:
            raise self._error(f"no option {shown(token)}; did you mean -{token}?")
        name, value = token[:2], token[2:]
        option = self._option(name)
        if option.metavar is None:
            self._store(option, name, "")
            if value:
                self.rest.append(f"-{value}")
        else:
            self._store(option, name, value or self._following_value(option, name))

    def _option(self, name: str) -> Option:
        try:
            return self.by_name[name]
        except KeyError:
            from journaltune.cli.hints import for_option

            hint = for_option(self.command.name, name, self.by_name, next(reversed(self.rest), None))
            if self.given and any(argument.name == "COMMAND" for argument in self.command.arguments):
                hint = "; if it is the command's, write -- before the command"
            raise self._error(f"no option {shown(name)}{hint}; `journaltune {self.command.name} --help` lists them") from None

    def _following_value(self, option: Option, name: str) -> str:
        if option.metavar is None:
            return ""
        following = self.rest[-1] if self.rest else None
        is_option = following is not None and following.startswith("-") and following.partition("=")[0] in (*self.by_name, "--")
        if option.value_optional and (following is None or following.startswith("-")):
            return ""
        if following is None or is_option:
            after = "nothing follows" if following is None else f"{following} follows; if you mean that, write {name}={following}"
            raise self._error(f"{name} needs a value ({option.metavar}), but {after}")
        return self.rest.pop()

    def _store(self, option: Option, name: str, text: str) -> None:
        value = True if option.metavar is None else self._converted(option.convert, name, text)
        if option.repeats:
            self.values[option.dest].append(value)
        else:
            self.values[option.dest] = value

    def _bind_arguments(self) -> None:
        given = list(reversed(self.given))
        for argument in self.command.arguments:
            if argument.required and not given:
                raise self._error(f"{argument.name} is missing; usage: {usage(self.command)}")
            texts = [given.pop() for _ in range(len(given) if argument.repeats else min(len(given), 1))]
            values = [self._converted(argument.convert, argument.name, text, True) for text in texts]
            self.values[argument.dest] = values if argument.repeats else next(iter(values), None)
        if given:
            hint = self._hint(given[-1])
            raise self._error(f"unexpected argument {shown(given[-1])}{hint or f'; usage: {usage(self.command)}'}")

    def _converted(self, convert: Callable[[str], Any], name: str, text: str, is_argument: bool = False) -> Any:
        try:
            return convert(text)
        except ValueError as error:
            raise self._error(f"{name} {error}{self._hint(text) if is_argument else ''}") from None

    def _hint(self, text: str) -> str:
        from journaltune.cli.hints import for_argument

        return for_argument(self.command.name, text, self.given)

    def _error(self, what: str) -> UsageError:
        return UsageError(f"{self.command.name}: {what}")


def defaults(options: Sequence[Option]) -> Options:
    return {option.dest: _default(option) for option in options}


def _default(option: Option) -> Any:
    if option.repeats:
        return []
    return False if option.metavar is None else option.default


def usage(command: Command) -> str:
    """The command's call in one line, without the options that every command has."""
    if command.usage:
        return f"journaltune {command.name} {command.usage}"
    arguments = [argument.name + ("..." if argument.repeats else "") for argument in command.arguments]
    options = [f"[{option_call(option)}]{'...' if option.repeats else ''}" for option in command.options]
    return " ".join(["journaltune", command.name, *arguments, *options])


def option_call(option: Option) -> str:
    if option.metavar is None:
        return option.names[0]
    return f"{option.names[0]} [{option.metavar}]" if option.value_optional else f"{option.names[0]} {option.metavar}"


def _is_negative_number(token: str) -> bool:
    """Whether a word that begins with "-" is a value: ``tell 3 -0.5``, ``-inf``, and ``-nan``, as C prints it."""
    return token[1] in ".0123456789" or token[1:].lower() in ("inf", "infinity", "nan")


def journal_path(options: Options) -> str:
    path: str = options["journal"] or _environment("JOURNALTUNE_JOURNAL") or DEFAULT_JOURNAL
    if path.endswith((".yaml", ".yml", ".toml", ".json")):
        from journaltune.cli.hints import refuse_space_file

        refuse_space_file(path)
    return path


def study_name(options: Options) -> str | None:
    """The name that was given, or None: the only study of the journal, or for ``create`` the file's stem."""
    name: str | None = options["study"] or _environment("JOURNALTUNE_STUDY")
    return name


def access(options: Options) -> dict[str, Any]:
    """The engine's keyword arguments for the options that every command has."""
    return {"lock_timeout_s": options["lock_timeout_s"], "allow_network_fs": options["allow_network_fs"]}


def opened(options: Options) -> OpenStudy:
    path = journal_path(options)
    if path.startswith(SSH):
        from journaltune.run.places import opened

        return opened(path, study_name(options), **access(options))
    from journaltune.study import open_study

    return open_study(path, study_name(options), **access(options))


def long_name(option: Option) -> str:
    """The option's name in a call by name: without dashes in front."""
    return next((name for name in option.names if name.startswith("--")), option.names[0]).lstrip("-")


def _environment(name: str) -> str | None:
    """A variable's value; None when it is unset or empty."""
    value = os.environ.get(name)
    if value:
        require_text(f"${name}", value)
    return value or None
