"""A terminal: a pseudo-terminal with a program on it, and what its screen shows."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

_SEQUENCE = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])")
WAIT_S = 60.0


class Screen:
    """Lines as a terminal of so many columns shows them; of escape sequences it knows what erases a line."""

    def __init__(self, columns: int = 100) -> None:
        self.columns, self.lines, self.row, self.column = columns, [""], 0, 0
        self._rest = ""
        self._other: tuple[list[str], int, int] = ([""], 0, 0)

    def feed(self, text: str) -> None:
        text, self._rest = self._rest + text, ""
        at = 0
        while at < len(text):
            char = text[at]
            if char == "\x1b":
                match = _SEQUENCE.match(text, at)
                if match is None:
                    if len(text) - at < 12:
                        self._rest = text[at:]
                        return
                    at += 1
                    continue
                self._escape(match[1], match[2])
                at = match.end()
                continue
            at += 1
            if char == "\r":
                self.column = 0
            elif char == "\n":
                self._down()
            elif char == "\b":
                self.column = max(self.column - 1, 0)
            elif char.isprintable():
                self._put(char)

    def _down(self) -> None:
        self.row += 1
        if self.row == len(self.lines):
            self.lines.append("")

    def _put(self, char: str) -> None:
        if self.column == self.columns:
            self._down()
            self.column = 0
        line = self.lines[self.row].ljust(self.column)
        self.lines[self.row] = line[: self.column] + char + line[self.column + 1 :]
        self.column += 1

    def _escape(self, argument: str, letter: str) -> None:
        if letter == "K":
            self.lines[self.row] = self.lines[self.row][: self.column]
        elif letter == "J":
            self.lines[self.row] = self.lines[self.row][: self.column]
            del self.lines[self.row + 1 :]
        elif letter == "H":
            self.row = self.column = 0
        elif letter in "hl" and argument == "?1049":  # to a screen of its own, and back
            shown = (self.lines, self.row, self.column)
            (self.lines, self.row, self.column), self._other = self._other, shown
            if letter == "h":
                self.lines, self.row, self.column = [""], 0, 0
        elif letter == "A":
            self.row = max(self.row - int(argument or 1), 0)

    def __str__(self) -> str:
        return "\n".join(line.rstrip() for line in self.lines)


class Terminal:
    """A program on a pseudo-terminal of its own. ``raw`` is all that it wrote."""

    def __init__(self, command: Sequence[str], folder: Path, environment: Mapping[str, str], columns: int = 100) -> None:
        self.screen, self.raw = Screen(columns), ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                os.chdir(folder)
                os.execvpe(command[0], list(command), {**environment, "TERM": "xterm"})
            finally:
                os._exit(127)
        self.resize(columns)
        self.exit_code: int | None = None

    def resize(self, columns: int, rows: int = 40) -> None:
        """As a window does that is made wider or narrower, higher or lower."""
        self.screen.columns = columns
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text: str) -> None:
        os.write(self.fd, text.encode())

    def read(self, timeout_s: float = 0.1) -> bool:
        """Take what comes next; False at the end."""
        ready, _, _ = select.select([self.fd], [], [], timeout_s)
        if not ready:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:  # EIO: nobody has it open any more
            return False
        text = data.decode("utf-8", "replace")
        self.raw += text
        self.screen.feed(text)
        return bool(data)

    def until(self, reached: Callable[[str], object] | str) -> str:
        """Read until the screen shows a text, or ``reached`` says so; the screen."""
        until_s = time.monotonic() + WAIT_S
        while True:
            shown = str(self.screen)
            if reached in shown if isinstance(reached, str) else reached(shown):
                return shown
            assert time.monotonic() < until_s, f"{reached!r} does not come:\n{shown}"
            assert self.read(), f"it ended before {reached!r}:\n{self.screen}"

    def wait(self) -> int:
        """Read to the end; the exit code, as a shell reports it."""
        until_s = time.monotonic() + WAIT_S
        while self.read():
            assert time.monotonic() < until_s, str(self.screen)
            if self.exit_code is None and self._has_ended():
                self.read(0)
                break
        while self.exit_code is None:
            assert self._has_ended() or time.monotonic() < until_s, str(self.screen)
        return self.exit_code

    def _has_ended(self) -> bool:
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if pid:
            code = os.waitstatus_to_exitcode(status)
            self.exit_code = code if code >= 0 else 128 - code
        return bool(pid)

    def close(self) -> None:
        """End whatever is left on it."""
        if self.exit_code is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)
