"""What a trainer prints: its log file, read while the trainer still writes, from the end backwards, and as clean lines.

Logs are files, not pipes: nothing is lost when the runner dies, and no grandchild that keeps stdout open can make anybody wait.
"""

from __future__ import annotations

import os
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

MARK = "[journaltune] "
_MARK = MARK.encode()
TAIL_BYTES = 64 * 1024
_CHUNK_BYTES = 1 << 20
_BACKWARDS_BYTES = 64 << 20  # as far as a pattern is looked for
_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-Z\\-_]")


def clean(line: bytes) -> str:
    """A line as a terminal would show it at last: what follows the last carriage return, without escape sequences."""
    text = line.decode("utf-8", "replace").rstrip("\r\n")
    return _ESCAPES.sub("", text.rpartition("\r")[2]).strip()


class Output:
    """The part of a log that one attempt writes: from ``start`` on. ``fd`` is open for reading; it stays the caller's."""

    __slots__ = ("_carry", "_fd", "_in_long_line", "_read_to", "_start")

    def __init__(self, fd: int, start: int = 0) -> None:
        self._fd, self._start, self._read_to = fd, start, start
        self._carry, self._in_long_line = b"", False

    def _size(self) -> int:
        """Where the log ends. ``> /dev/stdout`` in a shell truncates it: then all that is there is new."""
        size = os.fstat(self._fd).st_size
        if size < self._read_to:
            self._start = self._read_to = 0
            self._carry, self._in_long_line = b"", False
        return size

    def marked(self, *, ended: bool = False, most_bytes: int = 8 << 20) -> Iterator[str]:
        """The JSON behind each ``[journaltune]`` at the beginning of a line that is new since the last call.

        ``ended``: nobody writes any more, so a last line without its newline counts, and all is read.
        """
        limit = self._size()
        if not ended:
            limit = min(limit, self._read_to + most_bytes)
        while self._read_to < limit:
            chunk = os.pread(self._fd, min(_CHUNK_BYTES, limit - self._read_to), self._read_to)
            if not chunk:
                break
            self._read_to += len(chunk)
            yield from self._marked_in(chunk)
        if ended and self._carry:
            rest, self._carry = self._carry, b""
            yield from _marked(rest)

    def _marked_in(self, chunk: bytes) -> Iterator[str]:
        whole, newline, rest = chunk.rpartition(b"\n")
        if not newline:
            self._keep(self._carry + rest)
            return
        lines = self._carry + whole
        if self._in_long_line:
            lines, self._in_long_line = lines.partition(b"\n")[2], False
        self._keep(rest)
        if _MARK in lines:
            for line in lines.split(b"\n"):
                yield from _marked(line)

    def _keep(self, rest: bytes) -> None:
        """Keep the beginning of a line. A longer one than that holds no record of ours."""
        self._in_long_line = self._in_long_line or len(rest) > TAIL_BYTES
        self._carry = b"" if self._in_long_line else rest

    def tail(self) -> bytes:
        """The last 64 KiB."""
        size = self._size()
        begin = max(self._start, size - TAIL_BYTES)
        return os.pread(self._fd, size - begin, begin)

    def last_lines(self, count: int) -> list[str]:
        """The last lines that are not blank, as a terminal shows them."""
        lines = [line for line in map(clean, self.tail().split(b"\n")) if line]
        return lines[-count:]

    def lines_backwards(self) -> Iterator[str]:
        """Clean lines from the last to the first, at most 64 MiB of them."""
        end = self._size()
        floor, rest = max(self._start, end - _BACKWARDS_BYTES), b""
        while end > floor:
            begin = max(floor, end - _CHUNK_BYTES)
            first, newline, lines = (os.pread(self._fd, end - begin, begin) + rest).partition(b"\n")
            if newline:
                yield from map(clean, reversed(lines.split(b"\n")))
            rest, end = first, begin
        yield clean(rest)


def _marked(line: bytes) -> Iterator[str]:
    if _MARK in line:
        text = clean(line)
        if text.startswith(MARK):
            yield text[len(MARK) :]
