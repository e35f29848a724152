"""Values as a trainer reads them, and words as a POSIX shell reads them."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_LONGEST = 100  # letters that are compared, of a word that may be anything
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


def arguments_of(params: Mapping[str, object]) -> list[str]:
    """All parameters as ``--name value``."""
    return [word for name, value in params.items() for word in (f"--{name}", text_of(value))]


def near(text: str, known: Iterable[str]) -> str | None:
    """The known word that ``text`` was probably meant to be, if one is near: other case, an abbreviation, or a slip or two."""
    typed = _bare(text)
    distances = [(_distance(typed, _bare(word)), word) for word in known]
    begun = [word for _, word in distances if len(typed) >= 3 and _bare(word).startswith(typed)]
    if len(begun) == 1:
        return begun[0]
    least, word = min(distances, default=(len(typed), ""))
    return word if least <= min(max(len(typed), len(_bare(word))) // 3, 2) else None


def _bare(word: str) -> str:
    return word.lower().lstrip("-").replace("_", "-")[:_LONGEST]


def _distance(one: str, other: str) -> int:
    """How many letters are wrong, missing, too many, or swapped with their neighbour (optimal string alignment)."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        before, last, row = row, before, [i]
        for j, b in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and (a, b) == (other[j - 2], one[i - 2]):
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
    return row[-1]
