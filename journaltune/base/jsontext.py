"""JSON by CPython's C scanner and encoder, as ``json`` uses them, without importing ``json``.

``json`` imports ``re`` for its error messages and its pure Python part, and so ``enum`` and ``functools``: a third of the time
of a whole ``tell``. Where CPython's parts are missing or take other arguments, ``json`` itself does the work.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_BLANKS = " \t\n\r"


class _Rules:
    """The attributes of a ``json.JSONDecoder`` that the C scanner reads."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}.__getitem__
    memo: dict[str, str] = {}  # noqa: RUF012  the scanner's own scratch space


def _refuse(value: object) -> None:
    raise TypeError(f"{type(value).__name__} is not a JSON value")


try:
    from _json import encode_basestring, encode_basestring_ascii, make_encoder, make_scanner

    _scan = make_scanner(_Rules)  # type: ignore[arg-type]
    _compact = make_encoder(None, _refuse, encode_basestring_ascii, None, ":", ",", False, False, False)
    _unicode = make_encoder(None, _refuse, encode_basestring, None, ": ", ", ", False, False, False)
    _ascii = make_encoder(None, _refuse, encode_basestring_ascii, None, ": ", ", ", False, False, False)
    _pythons = make_encoder(None, _refuse, encode_basestring_ascii, None, ": ", ", ", False, False, True)
except (ImportError, TypeError):
    import json

    _scan = json.JSONDecoder().scan_once  # type: ignore[attr-defined]

    def _compact(value: object, _: int) -> tuple[str]:  # type: ignore[misc]
        return (json.dumps(value, separators=(",", ":"), default=_refuse, check_circular=False, allow_nan=False),)

    def _pythons(value: object, _: int) -> tuple[str]:  # type: ignore[misc]
        return (json.dumps(value, default=_refuse, check_circular=False),)

    def _ascii(value: object, _: int) -> tuple[str]:  # type: ignore[misc]
        return (json.dumps(value, default=_refuse, check_circular=False, allow_nan=False),)

    def _unicode(value: object, _: int) -> tuple[str]:  # type: ignore[misc]
        return (json.dumps(value, ensure_ascii=False, default=_refuse, check_circular=False, allow_nan=False),)


def loads(text: str) -> Any:
    """The value of a JSON text, like ``json.loads``. ValueError for other text, RecursionError when it nests too deeply."""
    text = text.strip(_BLANKS)
    try:
        value, end = _scan(text, 0)
    except StopIteration as stop:
        raise ValueError(f"not JSON at character {stop.value}") from None
    except SystemError:
        # Python 3.11 takes the class of its error from `json.decoder`, and raises SystemError where nobody imported that.
        import json

        return json.loads(text)
    if end != len(text):
        raise ValueError(f"more than one JSON value, from character {end}")
    return value


def scan(text: str, at: int) -> tuple[Any, int]:
    """The JSON value that begins at character ``at``, and where it ends. ValueError and RecursionError as `loads`."""
    try:
        value, end = _scan(text, at)
    except StopIteration as stop:
        raise ValueError(f"not JSON at character {stop.value}") from None
    except SystemError:  # see `loads`
        raise ValueError("not JSON") from None
    return value, end


def dumps(value: object) -> str:
    """Compact JSON in ASCII, for records: infinity is ``1e999``, which every reader takes for it, NaN is ``NaN``.

    Python spells infinity as a bare word, which Rustuna 0.2 refuses, and the whole journal with it.
    """
    try:
        return "".join(_compact(value, 0))
    except ValueError:
        return _dumps_with_infinities(value)


def _dumps_with_infinities(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(f"{dumps(str(key))}:{_dumps_with_infinities(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(_dumps_with_infinities, value)) + "]"
    if isinstance(value, float) and value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "1e999" if value == float("inf") else "-1e999"
    return dumps(value)


def dumps_as_python(value: object) -> str:
    """Byte for byte ``json.dumps(value)``: in ASCII, with spaces, and with Python's own words for NaN and infinities."""
    return "".join(_pythons(value, 0))


def dumps_spaced(value: object) -> str:
    """JSON that every parser takes, in ASCII with spaces: NaN and infinities are the strings of ``NOT_FINITE``."""
    try:
        return "".join(_ascii(value, 0))
    except ValueError:
        return "".join(_ascii(_named(value), 0))


def dumps_unicode(value: object) -> str:
    """The same with every character as it is."""
    try:
        return "".join(_unicode(value, 0))
    except ValueError:
        return "".join(_unicode(_named(value), 0))


NOT_FINITE = {"inf": float("inf"), "-inf": float("-inf"), "nan": float("nan")}


def _named(value: Any) -> Any:
    """A JSON value with the names of the numbers that JSON has no word for."""
    if isinstance(value, dict):
        return {key: _named(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return list(map(_named, value))
    return float.__repr__(value) if isinstance(value, float) and value - value != 0 else value
