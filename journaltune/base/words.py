"""Values as a trainer reads them, and words as a POSIX shell reads them."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_PLAIN = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-"


def text_of(value: object) -> str:
    """A value as a trainer reads it: floats with ``repr`` precision, booleans as true and false, null as nothing."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, (str, int)):
        return str(value)
    from journaltune.base.jsontext import dumps_spaced

    return dumps_spaced(value)


def quote(text: str) -> str:
    """One word for a POSIX shell. As ``shlex.quote``, which imports ``re``: that alone would be half of an ask."""
    if text and not text.strip(_PLAIN):
        return text
    return "'" + text.replace("'", "'\"'\"'") + "'"


def quoted(words: Iterable[str]) -> str:
    """A command line for a POSIX shell."""
    return " ".join(map(quote, words))
