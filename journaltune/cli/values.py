"""Converters: from the text of an option or argument to its value.

Each raises ValueError with a message that continues the option's name: ``must be ...``.
"""

from __future__ import annotations

from journaltune.base.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SHOWN = 60


def shown(text: str) -> str:
    """A user's text inside a message: quoted, escaped, and never longer than a line holds."""
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")


def did_you_mean(text: str, known: Iterable[str]) -> str:
    """``; did you mean X?``, or nothing when no known word is near."""
    from journaltune.base.words import near

    word = near(text, known)
    return f"; did you mean {word}?" if word else ""


def require_text(what: str, text: str) -> None:
    """UsageError when ``text`` holds bytes that the locale's encoding can't decode: no journal could hold it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UsageError(f"{what} is not valid text in this locale's encoding: {shown(text)}") from None


def plain(text: str) -> str:
    if not text:
        raise ValueError("must not be empty")
    return text


def word(text: str) -> str:
    if not text or not text.isprintable() or " " in text:
        raise ValueError(f"must be one word, not {shown(text)}")
    return text


def address(text: str) -> tuple[str, int]:
    """Host and port; an IPv6 address stands in brackets."""
    host, _, port = text.rpartition(":")
    is_bare = ":" in host and not (host[:1] == "[" and host[-1:] == "]")
    if not host or is_bare or not port.isascii() or not port.isdecimal() or int(port) > 65535:
        raise ValueError(f"must be HOST:PORT, such as 127.0.0.1:13000 or [::1]:13000, not {shown(text)}")
    return host, int(port)


def whole(least: int = 0) -> Callable[[str], int]:
    """A whole number in plain digits: ``int`` alone would also take "1_000" and digits of other scripts."""

    def convert(text: str) -> int:
        try:
            if text.isascii() and text.isdigit() and int(text) >= least:
                return int(text)
        except ValueError:  # thousands of digits
            pass
        raise ValueError(f"must be a whole number of at least {least}, not {shown(text)}")

    return convert


def number(text: str) -> float:
    """A float as printf, awk and Python print it, NaN and infinities included; ``float`` alone takes more, as ``whole`` says."""
    try:
        if text.isascii() and "_" not in text:
            return float(text)
    except ValueError:
        pass
    from journaltune.cli.hints import for_number

    raise ValueError(f"must be a number, not {shown(text)}{for_number(text)}")


def duration(text: str) -> float:
    """Seconds: ``90``, ``90s``, ``5m``, ``2h``, ``1d``, ``250ms``, ``0.2``."""
    digits = text.rstrip("dhms")
    unit = text[len(digits) :]
    if digits.isascii() and digits.replace(".", "", 1).isdigit() and len(digits) < 12 and (not unit or unit in _SECONDS):
        return float(digits) * _SECONDS[unit or "s"]
    raise ValueError(f"must be a duration such as 90, 90s, 5m, 2h, 1d or 250ms, not {shown(text)}")


def one_of(*choices: str) -> Callable[[str], str]:
    """One of several words, in any case: Optuna writes states in capitals."""

    def convert(text: str) -> str:
        if text.lower() in choices:
            return text.lower()
        raise ValueError(f"must be one of {', '.join(choices)}, not {shown(text)}{did_you_mean(text, choices)}")

    return convert


def list_of(*choices: str) -> Callable[[str], tuple[str, ...]]:
    """Several of ``choices``, separated by commas."""
    convert_one = one_of(*choices)
    return lambda text: tuple(convert_one(part.strip()) for part in text.split(","))


def json_value(text: str) -> Any:
    from journaltune.base.jsontext import loads

    try:
        return loads(text)
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    except ValueError:
        from journaltune.cli.hints import for_json

        hint = for_json(text) or "; a string needs double quotes inside the shell's single ones"
        raise ValueError(f"must be JSON, not {shown(text)}{hint}") from None


def json_object(text: str) -> dict[str, Any]:
    value = json_value(text)
    if not isinstance(value, dict):
        raise ValueError(f"""must be a JSON object such as '{{"lr": 0.1}}', not {shown(text)}""")
    return value


def key_json(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise ValueError(f"must be KEY=JSON, not {shown(text)}")
    return key, json_value(value)


def name_number(text: str) -> tuple[str, float]:
    name, equals, value = text.rpartition("=")
    if not name or not equals:
        raise ValueError(f"must be NAME=NUMBER, not {shown(text)}")
    return name, number(value)


def mapping(option: str, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The pairs of a repeated option as a dict; UsageError when a name is given twice: one value would be lost."""
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise UsageError(f"{option} is given twice for {twice!r}; keep one")
    return values
