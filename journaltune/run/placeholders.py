"""A command with placeholders: ``{lr}`` stands for a parameter, ``{lr: log(1e-5, 1)}`` declares it too, ``{{`` is a brace.

line = CommandLine(["./train", "--lr", "{lr: log(1e-5, 1)}"])
line.specs                 # {"lr": "log(1e-5, 1)"}
line.fill(filling)         # ["./train", "--lr", "0.0123"]
"""

from __future__ import annotations

from journaltune.base.errors import UsageError, one_line
from journaltune.base.frozen import Frozen
from journaltune.base.words import arguments_of, quoted, text_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from typing import Any, NoReturn

    Piece = tuple[str, bool]  # a text, and whether it names a placeholder

ARGS = "args"
OWN = ("trial", "seed", "attempt", "slot", "dir", "params_file", ARGS)
_BLANKS = " \t\n"


class Filling(Frozen):
    """What one attempt at a trial puts in the place of placeholders. ``dir`` and ``params_file`` are absolute paths."""

    trial: int
    seed: int
    attempt: int
    slot: int
    dir: str
    params_file: str
    params: Mapping[str, Any]

    def own(self, name: str) -> str:
        """The text for a placeholder that is not a parameter."""
        return quoted(arguments_of(self.params)) if name == ARGS else str(getattr(self, name))


class CommandLine:
    """A command's words with their placeholders. ``specs`` are the parameters that it declares, ``names`` all that it names."""

    __slots__ = ("_arguments", "names", "specs")

    def __init__(self, words: Sequence[str]) -> None:
        """UsageError for a brace that means nothing, and for a parameter that is declared twice."""
        if not words or not words[0]:
            raise UsageError("the command is empty; write it after --, such as -- ./train --lr '{lr: log(1e-5, 1)}'")
        self.specs, self.names = dict[str, str](), dict[str, None]()
        self._arguments = [list(self._declared(word)) for word in words]

    def _declared(self, word: str) -> Iterator[Piece]:
        """The pieces of a word; specs are noted, and only the names stay."""
        for text, named in _pieces(word):
            if not named:
                yield text, False
                continue
            name, spec = _name_and_spec(text, word)
            if spec is not None:
                self._declare(name, spec, word)
            self.names[name] = None
            yield name, True

    def _declare(self, name: str, spec: str, word: str) -> None:
        if name in OWN:
            _refuse(word, f"{{{name}}} is the trial's own {name}; give the parameter another name")
        if name in self.specs:
            _refuse(word, f"{one_line(name)} is declared twice; write {{{name}}} for the second one")
        self.specs[name] = spec

    def check(self, params: Collection[str]) -> None:
        """UsageError for a placeholder that is neither one of these parameters nor one of the trial's own."""
        for name in self.names:
            if name in OWN and name in params:
                raise UsageError(f"{{{name}}} could be the parameter or the trial's own {name}; rename the parameter")
            if name not in OWN and name not in params:
                known = ", ".join(f"{{{known}}}" for known in (*params, *OWN))
                raise UsageError(
                    f"{{{one_line(name)}}} is not a parameter of the study; there are {known}. {{{one_line(name)}: SPEC}} "
                    "declares one, and {{ is a brace"
                )

    def hides(self, params: Collection[str]) -> list[str]:
        """The parameters that the command does not pass on, as far as its words tell."""
        if ARGS in self.names or "params_file" in self.names:
            return []
        return [name for name in params if name not in self.names]

    def undeclared(self) -> list[str]:
        """The same words without specs: what a study keeps, whose space may change later."""
        return ["".join(f"{{{text}}}" if named else _escaped(text) for text, named in pieces) for pieces in self._arguments]

    @property
    def program(self) -> str | None:
        """The program's name or path; None if it depends on the trial."""
        first = self._arguments[0]
        return None if any(named for _, named in first) else "".join(text for text, _ in first)

    def fill(self, filling: Filling) -> list[str]:
        """The arguments for one attempt. An argument with a parameter that the trial does not have is left out, and so is an
        option just before it, whose value it would be."""
        words: list[str] = []
        is_option = False
        for pieces in self._arguments:
            if pieces == [(ARGS, True)]:
                words += arguments_of(filling.params)
                is_option = False
            elif _is_absent(pieces, filling):
                if is_option and len(pieces) == 1:
                    words.pop()
                is_option = False
            else:
                words.append("".join(_text(text, filling) if named else text for text, named in pieces))
                is_option = words[-1].startswith("-") and not any(named for _, named in pieces)
        return words


def fill(text: str, filling: Filling) -> str:
    """One text with its placeholders filled in."""
    return " ".join(CommandLine([text]).fill(filling))


def _is_absent(pieces: Sequence[Piece], filling: Filling) -> bool:
    return any(named and text not in OWN and text not in filling.params for text, named in pieces)


def _text(name: str, filling: Filling) -> str:
    return filling.own(name) if name in OWN else text_of(filling.params[name])


def _escaped(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def _pieces(word: str) -> Iterator[Piece]:
    """Literal texts and placeholders, in order."""
    at, literal = 0, ""
    while at < len(word):
        if word.startswith(("{{", "}}"), at):
            literal, at = literal + word[at], at + 2
        elif word[at] == "}":
            _refuse(word, "a lone }; write }} for a brace")
        elif word[at] == "{":
            end = _closing(word, at)
            if literal:
                yield literal, False
            yield word[at + 1 : end], True
            literal, at = "", end + 1
        else:
            literal, at = literal + word[at], at + 1
    if literal or not word:
        yield literal, False


def _closing(word: str, start: int) -> int:
    """Where the placeholder ends that begins at ``start``: in a spec, quoted choices and JSON may hold braces."""
    depth, quote, at, in_spec = 1, "", start + 1, False
    while at < len(word):
        char = word[at]
        if quote:
            at += char == "\\"
            quote = "" if char == quote else quote
        elif char in "\"'" and in_spec:
            quote = char
        elif char in "{}":
            depth += 1 if char == "{" else -1
            if depth == 0:
                return at
        in_spec = in_spec or word[at : at + 1] == ":"
        at += 1
    return _refuse(word, "the closing } is missing; write {{ for a brace")


def _name_and_spec(text: str, word: str) -> tuple[str, str | None]:
    """``lr: log(1e-5, 1)``: the first colon that a blank follows separates the two."""
    at = next((place for place, char in enumerate(text) if char == ":" and text[place + 1 : place + 2] in _BLANKS), -1)
    name, spec = (text, None) if at < 0 else (text[:at], text[at + 1 :].strip())
    name = name.strip()
    if not name:
        _refuse(word, "a placeholder without a name; {args} stands for all parameters, and {{ for a brace")
    if name[0] in "\"'":
        _refuse(word, f"{{{one_line(text)}}} is not a placeholder; write {{{{ and }}}} for braces")
    if spec is None and ":" in name:
        first, _, rest = name.partition(":")
        _refuse(word, f"a blank is missing after the colon; write {{{one_line(first)}: {one_line(rest)}}}, or {{{{ for a brace")
    return name, spec


def _refuse(word: str, what: str) -> NoReturn:
    raise UsageError(f"{one_line(word)}: {what}")
