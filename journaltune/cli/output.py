"""Standard output: data only, flushed at once, and an error when it does not arrive."""

from __future__ import annotations

import os
import sys

from journaltune.base.errors import MachineError
from journaltune.base.jsontext import dumps_spaced, dumps_unicode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import NoReturn, TextIO


def require_open() -> TextIO:
    """Standard output, or MachineError when the caller closed it (``>&-``): for commands that must not begin without it."""
    if sys.stdout is None:
        raise MachineError("standard output is closed, so there is nowhere to print; redirect it to /dev/null if you mean that")
    return sys.stdout


def write(text: str, done: str = "") -> None:
    """Print and flush. BrokenPipeError when the reader is gone, MachineError when the text can't be written.

    ``done`` says what the command has changed by now. Both errors are then a MachineError that says so: a second call would
    do it twice.
    """
    stream = require_open()
    try:
        _write(stream, text)
        stream.flush()
    except OSError as error:
        _discard_buffered(stream)
        if done:
            raise MachineError(f"{done}, but that could not be printed ({error.strerror}); don't repeat the call") from error
        if isinstance(error, BrokenPipeError):
            raise
        _refuse(error)


def write_json(value: object, done: str = "") -> None:
    write(json_line(value) + "\n", done)


def write_lines(values: Iterable[object], done: str = "") -> None:
    """One line of JSON for each value."""
    write("".join(json_line(value) + "\n" for value in values), done)


def json_line(value: object) -> str:
    """One line, spelled as by Python's ``json``, in characters that stdout can show; U+2028, a line end for some, is escaped."""
    text = dumps_unicode(value)
    return text if text.isprintable() and can_show(text) else dumps_spaced(value)


def can_show(text: str) -> bool:
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def visible(text: str) -> str:
    """The text on one line. Characters that could steer a terminal are escaped: names come from other people's files."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def note(text: str) -> None:
    """Tell the person at the terminal something that is not data, in one line."""
    say(f"journaltune: {visible(' '.join(text.splitlines()))}\n")


def say(text: str) -> None:
    """Write to stderr, if it is open and takes it: the command's work must not depend on that."""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except (AttributeError, OSError):  # closed (None), or full
        return


def _write(stream: TextIO, text: str) -> None:
    """Text that stdout's encoding can't hold goes out as UTF-8: a parameter must not change on its way to the trainer."""
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
