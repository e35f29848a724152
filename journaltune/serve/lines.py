"""Lines of a stream, none of them longer than a limit."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_CHUNK_BYTES = 65536


class Lines:
    """The lines that ``read(n)`` brings, without their ends. ``read`` returns b"" at the end of the stream."""

    __slots__ = ("_buffer", "_is_skipping", "_most_bytes", "_read", "_searched")

    def __init__(self, read: Callable[[int], bytes], most_bytes: int) -> None:
        self._read, self._most_bytes = read, most_bytes
        self._buffer, self._searched, self._is_skipping = bytearray(), 0, False

    def next(self) -> bytes | None:
        """The next line, the last one with or without its end; None when there are no more. ValueError for one too long."""
        while True:
            end = self._buffer.find(b"\n", self._searched)
            if end >= 0:
                return self._taken(end)
            self._searched = len(self._buffer)
            if self._searched > self._most_bytes:
                self._buffer, self._searched, self._is_skipping = bytearray(), 0, True
            data = self._read(_CHUNK_BYTES)
            if not data:
                return self._taken(self._searched) if self._buffer or self._is_skipping else None
            self._buffer += data

    def _taken(self, end: int) -> bytes:
        line, is_rest = bytes(self._buffer[:end]), self._is_skipping
        del self._buffer[: end + 1]
        self._searched, self._is_skipping = 0, False
        if is_rest or len(line) > self._most_bytes:
            raise ValueError("the line is too long")
        return line
