"""Names, and values as the grammar writes them: bare words, numbers, strings in quotes."""

from __future__ import annotations

from journaltune.base.errors import SpaceError
from journaltune.space.distributions import shown_value

TYPE_CHECKING = False
if TYPE_CHECKING:
    Choice = None | bool | int | float | str

MAX_NAME_CHARS = 1000
_CONSTANTS: dict[str, Choice] = {"true": True, "false": False, "null": None}
NOT_BARE = frozenset("()|,=\"'[]{} \t\r\n")
_NUMBER_START = frozenset("+-.0123456789")
_NUMBER_CHARS = frozenset("+-.0123456789eE")
_HEX_DIGITS = frozenset("0123456789abcdefABCDEF")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", '"': '"', "'": "'"}
_UNESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\", '"': '\\"'}


def check_name(name: object) -> None:
    """Raises SpaceError unless ``name`` can name a parameter: text on one line that UTF-8 can hold."""
    if not isinstance(name, str):
        raise SpaceError(f"a parameter's name is text, not a {type(name).__name__}; quote it")
    if not name or len(name) > MAX_NAME_CHARS:
        raise SpaceError(f"{one_line(name)!r}: a parameter's name has 1 to {MAX_NAME_CHARS} characters; choose another")
    if not name.isprintable() and any(map(_breaks_lines, name)):
        raise SpaceError(f"{one_line(name)}: a parameter's name can't have control characters or half surrogates; choose another")


def _breaks_lines(char: str) -> bool:
    return char < " " or "\x7f" <= char <= "\x9f" or char in "\u2028\u2029" or _is_surrogate(char)


def _is_surrogate(char: str) -> bool:
    return "\ud800" <= char <= "\udfff"


def one_line(text: str, limit: int = 80) -> str:
    """For messages: ``text`` on one line of bounded length."""
    line = text[: limit + 1]
    if not line.isprintable():
        line = ascii(line)[1:-1]
    return line if len(line) <= limit else line[:limit] + "..."


def word_value(word: str) -> Choice:
    """The value of an unquoted word: a constant, a number or the word. ValueError for a number that is likely a mistake."""
    if word in _CONSTANTS:
        return _CONSTANTS[word]
    if word[:1] not in _NUMBER_START or not _NUMBER_CHARS.issuperset(word):
        return word
    digits = word[1:] if word[0] in "+-" else word
    if len(digits) > 1 and digits[0] == "0" and digits[1].isdigit():
        raise ValueError(f'{one_line(word)} begins with a zero; write the number without it, or the string "{one_line(word)}"')
    if len(word) > 400:
        raise ValueError(f"{one_line(word)} is too long for a number; quote it to make it a string")
    return int(word) if digits.isdigit() else _float_or_word(word)


def _float_or_word(word: str) -> float | str:
    try:
        number = float(word)
    except ValueError:
        return word
    if number - number != 0:
        raise ValueError(f"{one_line(word)} is too large for a float; write a smaller number, or quote it to make it a string")
    return number


def quoted_text(text: str, at: int) -> tuple[str, int]:
    """The string whose opening quote stands at ``at``, and where what follows it begins. ValueError for one that is none."""
    quote = text[at]
    chars: list[str] = []
    at += 1
    while True:
        char = text[at : at + 1]
        if not char:
            raise ValueError(f"the closing {quote} is missing")
        if char == quote:
            return "".join(chars), at + 1
        if char == "\\":
            char, at = _escape(text, at)
        if char == "\0" or _is_surrogate(char):
            raise ValueError("a text has a NUL or half a surrogate pair, which no program's arguments can hold; leave it out")
        chars.append(char)
        at += 1


def _escape(text: str, at: int) -> tuple[str, int]:
    """The character that the escape at ``at`` stands for, and where the escape ends."""
    letter = text[at + 1 : at + 2]
    if letter in _ESCAPES:
        return _ESCAPES[letter], at + 1
    digits = text[at + 2 : at + 6]
    if letter != "u" or len(digits) != 4 or not _HEX_DIGITS.issuperset(digits):
        raise ValueError(r"unknown escape in a quoted text; write \\ for a backslash (also \n \r \t \" \' \u0041)")
    return chr(int(digits, 16)), at + 5


def literal_text(value: object) -> str:
    """A choice as the grammar writes it. ValueError for one that the grammar can't hold."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if isinstance(value, str):
        return value if _is_bare(value) else '"' + "".join(map(_escaped, value)) + '"'
    if not isinstance(value, (int, float)) or value - value != 0:
        raise ValueError(f"{shown_value(value)} can't be a choice; use text, finite numbers, true, false and null")
    return repr(value)


def _is_bare(text: str) -> bool:
    if not text or text[0] in _NUMBER_START or text == "if" or text in _CONSTANTS:
        return False
    return text.isprintable() and NOT_BARE.isdisjoint(text)


def _escaped(char: str) -> str:
    if char in _UNESCAPES:
        return _UNESCAPES[char]
    return f"\\u{ord(char):04x}" if _breaks_lines(char) else char
