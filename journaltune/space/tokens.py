"""The tokens of an expression, such as ``layers * width <= 4096``: words, names in backticks, numbers, strings, signs."""

from __future__ import annotations

from journaltune.base.errors import one_line
from journaltune.space.evaluation import LARGEST
from journaltune.space.grammar import word_value
from journaltune.space.spelling import literal_text, quoted_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Token = tuple[str, Any, int, int]  # kind, value, where it begins and ends

_KEYWORDS = {"and": "and", "or": "or", "not": "not", "in": "in", "true": "constant", "false": "constant", "null": "constant"}
_DIGITS = frozenset("0123456789")
_IN_NUMBER = frozenset("0123456789.")
_SIGNS = frozenset(("==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "/", "//", "%", "**", "(", ")", "[", "]", ","))
_WRONG = ("===", "!==", "=>", "=<", "<>", "||", "&&")  # others begin with a character that has no meaning


class Misread(ValueError):
    """``what`` is wrong with the character ``at``, and what to write ``instead``, if that is known."""

    def __init__(self, what: str, at: int, instead: str = "") -> None:
        super().__init__(what, at, instead)
        self.what, self.at, self.instead = what, at, instead


def tokens_of(text: str) -> list[Token]:
    """The tokens, and one of kind "end". Signs and `and`, `or`, `not`, `in`, `not in` are kinds of their own.

    Misread for text that has other things.
    """
    tokens: list[Token] = []
    at, size = 0, len(text)
    while at < size:
        at = at + 1 if text[at].isspace() else _read(tokens, text, at)
    tokens.append(("end", "the end", size, size))
    return tokens


def one_line_of(text: str, tokens: list[Token]) -> str:
    """The text on one line, with the same meaning."""
    if text.isprintable():
        return text.strip()
    parts: list[str] = []
    before = 0
    for kind, value, start, end in tokens:
        gap, source = text[before:start], text[start:end]
        is_plain = kind != "string" or source.isprintable()
        parts += gap if gap.isprintable() else " ", source if is_plain else literal_text(value)
        before = end
    return "".join(parts).strip()


def _read(tokens: list[Token], text: str, at: int) -> int:
    """Reads the token at ``at``; where it ends."""
    char = text[at]
    if char.isalpha() or char == "_":
        return _read_word(tokens, text, at)
    if char in _DIGITS or (char == "." and text[at + 1 : at + 2] in _DIGITS):
        return _read_number(tokens, text, at)
    if char == "`":
        return _read_name(tokens, text, at)
    if char in "\"'":
        return _read_string(tokens, text, at)
    sign = text[at : at + 2]
    if sign not in _SIGNS:
        sign = char
    end = at + len(sign)
    if sign not in _SIGNS or text[at : at + 3] in _WRONG or text[at : at + 2] in _WRONG:
        from journaltune.space.misread import sign_instead

        sign, instead = sign_instead(text, at)
        raise Misread(f"`{one_line(sign)}` has no meaning here", at, instead)
    tokens.append((sign, sign, at, end))
    return end


def _word_end(text: str, at: int) -> int:
    size = len(text)
    while at < size and (text[at].isalnum() or text[at] in "_."):
        at += 1
    return at


def _read_word(tokens: list[Token], text: str, at: int) -> int:
    end = _word_end(text, at)
    word = text[at:end]
    kind = _KEYWORDS.get(word, "word")
    if kind == "in" and tokens and tokens[-1][0] == "not":
        tokens[-1] = ("not in", "not in", tokens[-1][2], end)
    else:
        tokens.append((kind, word_value(word) if kind == "constant" else word, at, end))
    return end


def _read_number(tokens: list[Token], text: str, at: int) -> int:
    end = _word_end(text, at)
    has_exponent = text[end - 1] in "eE" and _IN_NUMBER.issuperset(text[at : end - 1])
    if has_exponent and text[end : end + 1] in ("+", "-") and text[end + 1 : end + 2] in _DIGITS:
        end = _word_end(text, end + 1)
    try:
        value = word_value(text[at:end])
    except ValueError as error:
        raise Misread(str(error), at) from None
    if isinstance(value, str) or value is None:
        raise Misread(f"{one_line(text[at:end])} is not a number; quote it if it is a text", at)
    if not -LARGEST <= value <= LARGEST:
        raise Misread(f"{one_line(text[at:end])} is too large for a float; write a smaller number", at)
    tokens.append(("number", value, at, end))
    return end


def _read_string(tokens: list[Token], text: str, at: int) -> int:
    try:
        value, end = quoted_text(text, at)
    except ValueError as error:
        raise Misread(str(error), at) from None
    tokens.append(("string", value, at, end))
    return end


def _read_name(tokens: list[Token], text: str, at: int) -> int:
    end = text.find("`", at + 1)
    while end > 0 and text[end + 1 : end + 2] == "`":  # two stand for one that is in the name
        end = text.find("`", end + 2)
    if end < 0:
        raise Misread("the closing ` is missing", at)
    tokens.append(("name", text[at + 1 : end].replace("``", "`"), at, end + 1))
    return end + 1
