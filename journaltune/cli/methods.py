"""The commands as the methods of ``serve``: their options and arguments, by name, as JSON.

A command is a method where its file has an ``answer``. Values are read as in a shell's call, by the same converters.
"""

from __future__ import annotations

import threading
from functools import partial

from journaltune.base.errors import UsageError
from journaltune.base.words import text_of
from journaltune.cli.commands import NAMES, load
from journaltune.cli.options import COMMON, access, defaults, journal_path, long_name, study_name
from journaltune.cli.values import did_you_mean, json_object, key_json, name_number, number, shown
from journaltune.serve.protocol import INTERNAL_ERROR, INVALID_PARAMS, NO_METHOD, PREFIX, Refused
from journaltune.serve.studies import Studies

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from typing import Any

    from journaltune.cli.options import Argument, Command, Option, Options
    from journaltune.serve.connection import Caller
    from journaltune.study import OpenStudy

_OF_PRINTING = ("format", "template", "watch")  # options for how a command prints
_FILES = ("file", "source")  # where "-" is a shell's stdin
_OF_EACH_CALL = ("journal", "study")  # of those that every command has; the others are the server's own
_BRIEF = ("tell", "report")  # commands that write a record or two, and read little
_ONE_AT_A_TIME = threading.Lock()  # for commands that collect warnings: Python has one list of them


class Commands:
    """What a server's clients may call. ``options`` are the server's: its journal and study are meant where a call names none."""

    def __init__(self, options: Options) -> None:
        self._given = {option.dest: options[option.dest] for option in COMMON}
        self._given |= {"journal": journal_path(options), "study": study_name(options)}
        self.studies = Studies(lock_timeout_s=options["lock_timeout_s"], allow_network_fs=options["allow_network_fs"])
        self._methods: dict[str, _Method] = {}

    def call(self, caller: Caller, name: str, params: Any) -> Any:
        """What the command prints, as JSON: a list where it prints several lines. Refused for an error."""
        if name.startswith(PREFIX):
            return self._verb(caller, name.removeprefix(PREFIX), params)
        method = self._methods.get(name) or self._method(name)
        options = {**self._given, **method.options(params), "caller": caller}
        try:
            return method.answer(options, partial(self._opened, name))
        except Exception as error:
            raise _refused(error) from error

    def _verb(self, caller: Caller, name: str, params: Any) -> Any:
        """What a study on another machine calls; no command."""
        from journaltune.serve.verbs import answer

        try:
            return answer(self.studies, journal_path(self._given), access(self._given), caller, name, params)
        except Refused:
            raise
        except Exception as error:
            raise _refused(error) from error

    def _method(self, name: str) -> _Method:
        module = load(name) if name in NAMES else None
        if not hasattr(module, "answer"):
            hint = did_you_mean(name, (each for each in NAMES if hasattr(load(each), "answer")))
            raise Refused(NO_METHOD, f"there is no method {shown(name)}{hint}")
        method = self._methods[name] = _Method(module)
        return method

    def _opened(self, name: str, options: Options) -> AbstractContextManager[OpenStudy]:
        path, study = journal_path(options), options["study"]
        return self.studies.opened(path, study, for_asks=name == "ask", is_brief=name in _BRIEF)


def _refused(error: Exception) -> Refused:
    from journaltune.cli import EXIT_BUG, explain

    line, exit_code = explain(error)
    return Refused(INTERNAL_ERROR if exit_code == EXIT_BUG else exit_code, " ".join(line.splitlines()))


class _Method:
    """A command that is called by name."""

    def __init__(self, module: Any) -> None:
        command: Command = module.COMMAND
        self._name, self._arguments = command.name, command.arguments
        self._required = [each.dest for each in command.arguments if each.required]
        own = [option for option in command.options if option.dest not in _OF_PRINTING]
        common = [option for option in COMMON if option.dest in _OF_EACH_CALL]
        self._options = {long_name(option): option for option in own + common}
        self._named = {name: each for each in command.arguments for name in (each.dest, each.name.lower())}
        self._defaults = defaults(command.options) | {each.dest: None for each in command.arguments}
        self._lists = [option.dest for option in command.options if option.repeats]
        self._lists += [argument.dest for argument in command.arguments if argument.repeats]
        self.answer: Callable[..., Any] = partial(_alone, module.answer) if command.name == "create" else module.answer

    def options(self, params: Any) -> Options:
        """The values by ``dest``, of those that are given. Refused for a name or a value that the command does not take."""
        values = {**self._defaults, **{dest: [] for dest in self._lists}}
        by_name = self._by_place(params) if isinstance(params, list) else params
        for name, value in by_name.items():
            if value is not None:
                self._store(values, name, value)
        for dest in self._required:
            if not values[dest] and values[dest] != 0:
                raise Refused(INVALID_PARAMS, f"{self._name}: {dest} is missing")
        return values

    def _by_place(self, params: list[Any]) -> dict[str, Any]:
        """Arguments by their place, as in a shell's call; a last one that repeats takes the rest."""
        named, rest = {}, params
        for argument in self._arguments:
            if rest:
                named[argument.dest], rest = (rest, []) if argument.repeats else (rest[0], rest[1:])
        if rest:
            raise Refused(INVALID_PARAMS, f"{self._name} takes {len(named)} arguments by place, not {len(params)}")
        return named

    def _store(self, values: Options, name: str, value: Any) -> None:
        kind = self._named.get(name) or self._options.get(name.replace("_", "-"))
        if kind is None:
            known = [*(each.dest for each in self._arguments), *self._options]
            hint = did_you_mean(name, known) or f"; it takes {', '.join(known)}"
            raise Refused(INVALID_PARAMS, f"{self._name}: no parameter {shown(name)}{hint}")
        try:
            if kind.repeats:
                values[kind.dest] = [*values[kind.dest], *_several(kind, value)]
            else:
                values[kind.dest] = _one(kind, value)
        except (ValueError, UsageError) as error:
            raise Refused(INVALID_PARAMS, f"{self._name}: {name} {error}") from None


def _alone(answer: Callable[..., Any], *arguments: Any) -> Any:
    with _ONE_AT_A_TIME:
        return answer(*arguments)


def _several(kind: Option | Argument, value: Any) -> list[Any]:
    """The values of what may be given several times: an array, an object of what has names, or one value."""
    if isinstance(value, dict):
        return [_named(kind, name, each) for name, each in value.items()]
    return [_one(kind, each) for each in (value if isinstance(value, list) else [value])]


def _named(kind: Option | Argument, name: str, value: Any) -> Any:
    if kind.convert is key_json:
        return name, value
    if kind.convert is name_number:
        return name, number(_text(value))
    if kind.dest == "params":
        return kind.convert(f"{name}: {_text(value)}")
    raise ValueError(f"must be text, a number or an array of them, not {shown(text_of(value))}")


def _one(kind: Option | Argument, value: Any) -> Any:
    """The value that the command gets; ValueError with a message that continues the parameter's name."""
    if kind.convert is json_object:
        if not isinstance(value, dict):
            raise ValueError("must be an object")
        return value
    if getattr(kind, "metavar", "") is None:
        if not isinstance(value, bool):
            raise ValueError("must be true or false")
        return value
    if value is True and getattr(kind, "value_optional", False):
        return kind.convert("")
    if isinstance(value, list) and not kind.repeats:
        value = ",".join(map(_text, value))
    if value == "-" and kind.dest in _FILES:
        raise ValueError("can't be -, for messages come by stdin; write the rows to a file")
    return kind.convert(_text(value))


def _text(value: Any) -> str:
    """A value as it stands in a shell's call."""
    if isinstance(value, bool | dict | list) or value is None:
        raise ValueError("must be text or a number")
    return text_of(value)
