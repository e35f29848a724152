"""What was probably meant where an expression can't be read: the last part of an error message."""

from __future__ import annotations

from journaltune.base.errors import one_line
from journaltune.base.words import near
from journaltune.space.evaluation import FUNCTIONS
from journaltune.space.grammar import word_value
from journaltune.space.spelling import literal_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from typing import Any

_SIGNS = {
    **dict.fromkeys(("=", "==="), "=="),
    **dict.fromkeys(("!==", "<>", "≠", "~="), "!="),
    **dict.fromkeys(("&&", "&"), "and"),
    **dict.fromkeys(("||", "|"), "or"),
    **dict.fromkeys(("=<", "≤"), "<="),
    **dict.fromkeys(("=>", "≥"), ">="),
    **dict.fromkeys(("·", "×"), "*"),
    "!": "not",
    "^": "**",
    "÷": "/",
}
_WORDS = {"is": "==", "eq": "==", "ne": "!=", "xor": "!=", "mod": "%", "div": "//"}
_KEYWORDS = ("and", "or", "not", "in")
_CONSTANTS = {"none": "null", "nil": "null", "undefined": "null", "yes": "true", "no": "false"}
_FUNCTIONS = {
    "int": "floor(x)",
    "trunc": "floor(x)",
    "pow": "x ** y",
    "ln": "log(x)",
    "log10": "log(x) / log(10)",
    "mod": "x % y",
    "minimum": "min(x, y)",
    "maximum": "max(x, y)",
}
_USAGE = {"min": "min(x, y, ...)", "max": "max(x, y, ...)", "round": "round(x) or round(x, digits)"}
_LONGEST = 200
_SHORTEST_PART = 3  # of a name: "of" and "n" say little
_LONGEST_SLIP = 40  # a thousand names are compared letter by letter


def unquoted(text: str, at: int, known: Mapping[str, Any], names: Collection[str]) -> str:
    """How to write the declared name or the choice, of more than a word, that stands around ``at``. Empty if there is none."""
    name = _around(text, at, known)
    if name is not None:
        return f"write {written(name)}"
    choice = _around(text, at, [choice for each in (names, known) for choice in _texts(known, each)])
    if choice is None:
        return ""
    return f'write "{choice}"' if literal_text(choice) == choice else f"write {literal_text(choice)}"


def _texts(known: Mapping[str, Any], names: Collection[str]) -> Iterator[str]:
    for name in names:
        choices = known[name]
        if isinstance(choices, tuple):
            yield from (choice for choice in choices if isinstance(choice, str))


def _is_word(text: str) -> bool:
    return (text[:1].isalpha() or text[:1] == "_") and text.replace(".", "").replace("_", "").isalnum()


def _around(text: str, at: int, candidates: Iterable[str]) -> str | None:
    """The longest candidate of more than a word, or a number, that stands by itself in ``text``, over the character ``at``."""
    found = ""
    for word in candidates:
        if len(found) < len(word) <= _LONGEST and not _is_word(word) and isinstance(_read(word), str):
            start = text.find(word, max(at - len(word) + 1, 0), at + len(word))
            end = start + len(word)
            if start >= 0 and not (_joins(text[:start][-1:], word[0]) or _joins(word[-1], text[end : end + 1])):
                found = word
    return found or None


def _read(word: str) -> object:
    try:
        return word_value(word)
    except ValueError:
        return None


def _joins(one: str, other: str) -> bool:
    """Whether two characters side by side are of one word."""
    return all(char.isalnum() or char == "_" for char in (one, other))


def sign_instead(text: str, at: int) -> tuple[str, str]:
    """The sign that has no meaning, and what to write for it."""
    for size in (3, 2, 1):
        sign = text[at : at + size]
        if sign in _SIGNS:
            return sign, f"write {_SIGNS[sign]}"
    return text[at], "quote a text that has it, and write a name that has it in backticks"


def token_instead(token: object, follows: object, known: Mapping[str, Any]) -> str:
    """What to write for a token where an operator belongs."""
    word = str(token).lower()
    if token == ",":
        return "lists follow `in`, as in opt in [adam, sgd]"
    if keyword_instead(token, known):
        return keyword_instead(token, known)
    if word == "is":
        return "write !=" if follows == "not" else "write =="
    if word in _KEYWORDS:
        return f"write {word}"
    return f"write {_WORDS[word]}" if word in _WORDS else "write an operator between two values, and quote a text with blanks"


def keyword_instead(token: object, known: Mapping[str, Any]) -> str:
    """How to write a parameter whose name is a keyword."""
    return f"write {written(str(token))}" if token in _KEYWORDS and token in known else ""


def word_instead(word: str, known: Mapping[str, Any], names: Collection[str], choices: tuple[Any, ...] | None) -> str:
    """What to write for a word that is neither a parameter nor a choice of what it is compared with."""
    small = word.lower()
    if small in ("true", "false", "null", *_CONSTANTS):
        return f"write {_CONSTANTS.get(small, small)}"
    if small in _KEYWORDS:
        return f"write {small}"
    texts = [choice for choice in choices or () if isinstance(choice, str)]
    better = near(word, [*texts, *known]) or _kin(word, () if texts else known) if len(word) <= _LONGEST_SLIP else None
    if better is not None:
        return f"did you mean {literal_text(better) if better in texts else written(better)}?"
    for name in [] if texts else [*names, *known]:
        if word in _texts(known, [name]):
            return f"write {written(name)} == {word}"
    return f"it is one of {listed(choices or ())}" if texts else "declare it, or quote it if it is a text"


def _kin(word: str, known: Collection[str]) -> str | None:
    """The name that ``word`` is another form of: ``opt`` of optimizer, ``layers`` of num_layers, ``lr`` of learning_rate."""
    small = word.lower().replace("-", "_")
    parts = small.split("_")
    forms = {small, "".join([part[:1] for part in parts]), *(part for part in parts if len(part) >= _SHORTEST_PART)}
    names = [name for name in known if len(name) > 1 and (name.lower() in forms or small.startswith(name.lower()))]
    return max(names, key=len, default=None)


def listed(choices: tuple[Any, ...]) -> str:
    """The first choices, as the grammar writes them."""
    return ", ".join(_literal(choice) for choice in choices[:8]) + (", ..." if choices[8:] else "")


def _literal(choice: object) -> str:
    try:
        return one_line(literal_text(choice), 30)
    except ValueError:  # a choice of Optuna's that the grammar can't hold
        return one_line(str(choice), 30)


def written(name: str) -> str:
    """A parameter's name as an expression has it."""
    is_plain = _is_word(name) and name not in (*_KEYWORDS, "true", "false", "null")
    return one_line(name) if is_plain else "`" + one_line(name.replace("`", "``")) + "`"


def function_instead(function: str) -> str:
    """What to write for a function that there is none of."""
    if function.lower() in _FUNCTIONS:
        return f"write {_FUNCTIONS[function.lower()]}"
    better = near(function, FUNCTIONS)
    return f"did you mean {better}?" if better else f"there are {', '.join(FUNCTIONS)}"


def usage(function: str) -> str:
    return _USAGE.get(function, f"{function}(x)")
