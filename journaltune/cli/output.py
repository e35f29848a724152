"""Standard output: data only, flushed at once, and an error when it does not arrive."""

from __future__ import annotations

import os
import sys

from journaltune.errors import MachineError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn, TextIO


def require_open() -> TextIO:
    """Standard output, or MachineError when the caller closed it (``>&-``): for what must not begin without it."""
    if sys.stdout is None:
        raise MachineError("standard output is closed, so there is nowhere to print; redirect it to /dev/null if that is meant")
    return sys.stdout


def write(text: str) -> None:
    """Print and flush. BrokenPipeError when the reader is gone, MachineError when the text can't be written."""
    stream = require_open()
    try:
        _write(stream, text)
        stream.flush()
    except BrokenPipeError:
        _discard_buffered(stream)
        raise
    except OSError as error:
        _discard_buffered(stream)
        _refuse(error)


def write_json(value: object) -> None:
    write(json_line(value) + "\n")


def json_line(value: object) -> str:
    """One line, as Python's ``json`` spells it (``NaN`` and ``Infinity`` included), in characters that stdout can show."""
    from json import dumps

    text = dumps(value, ensure_ascii=False)
    return text if text.isprintable() and can_show(text) else dumps(value)  # U+2028 would be a second line for some readers


def can_show(text: str) -> bool:
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def note(text: str) -> None:
    """Tell the person at the terminal something that is not data."""
    if sys.stderr is not None:
        sys.stderr.write(f"journaltune: {text}\n")


def _write(stream: TextIO, text: str) -> None:
    """What stdout's encoding can't take goes out as UTF-8: a parameter must not change on its way to the trainer."""
    if text.isascii() or can_show(text):
        stream.write(text)
    else:
        stream.flush()
        stream.buffer.write(_utf8(text))


def _utf8(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")  # bytes of a template that were not UTF-8 become themselves again
    except UnicodeEncodeError:  # half of a surrogate pair, out of a JSON string
        return text.encode("utf-8", "surrogatepass")


def _discard_buffered(stream: TextIO) -> None:
    """Let the interpreter's own flush at exit succeed: it would fail once more, with a traceback."""
    try:
        descriptor = os.open(os.devnull, os.O_WRONLY)
        os.dup2(descriptor, stream.fileno())
        os.close(descriptor)
    except (OSError, ValueError):
        return


def _refuse(error: OSError) -> NoReturn:
    raise MachineError(f"cannot write to standard output: {error.strerror}; make room or redirect it, then call again") from error
