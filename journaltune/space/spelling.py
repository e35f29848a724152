"""A parameter as the grammar writes it, the text that `grammar.parse_spec` reads as the same; and texts in quotes, both ways."""

from __future__ import annotations

from journaltune.space.distributions import Distribution, shown_value
from journaltune.space.grammar import CONSTANTS, NOT_BARE, NUMBER_START, breaks_lines, is_surrogate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from journaltune.space.parameters import Parameter

_HEX_DIGITS = frozenset("0123456789abcdefABCDEF")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", '"': '"', "'": "'"}
_UNESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\", '"': '\\"'}


def spec_text(distribution: Distribution | Parameter) -> str:
    """The spec that `parse_spec` reads as the same. ValueError for choices that the grammar can't hold (NaN, lists)."""
    if not isinstance(distribution, Distribution):
        return f"{distribution.text()} if {distribution.condition}" if distribution.condition else distribution.text()
    if distribution.choices:
        choices = list(map(literal_text, distribution.choices))
        if distribution.kind == "int":
            return f"ordered({', '.join(choices)})"
        return " | ".join(choices) if len(choices) > 1 else f"choice({choices[0]})"
    bounds = f"{distribution.low!r}, {distribution.high!r}"
    if distribution.log:
        return f"log({bounds})" if distribution.kind == "float" else f"int({bounds}, log)"
    if distribution.step == (None if distribution.kind == "float" else 1):
        return f"{distribution.kind}({bounds})"
    return f"{distribution.kind}({bounds}, step={distribution.step!r})"


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
    if not text or text[0] in NUMBER_START or text == "if" or text in CONSTANTS:
        return False
    return text.isprintable() and NOT_BARE.isdisjoint(text)


def _escaped(char: str) -> str:
    if char in _UNESCAPES:
        return _UNESCAPES[char]
    return f"\\u{ord(char):04x}" if breaks_lines(char) else char


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
        if char == "\0" or is_surrogate(char):
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
