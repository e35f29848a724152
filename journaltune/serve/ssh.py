"""``ssh://HOST/PATH``: the program at the other end of the user's own ssh, and its standard streams."""

from __future__ import annotations

import os
import sys
from select import POLLIN, POLLOUT, poll
from signal import SIGTERM
from time import monotonic, sleep

from journaltune.base import SSH, VERSION
from journaltune.base.errors import MachineError, UsageError
from journaltune.base.frozen import Frozen
from journaltune.base.words import quote, quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn, Protocol

    class Link(Protocol):
        """Whoever starts ssh: has to know of its processes, and says how long an answer may take."""

        patience_s: float

        def fileno(self) -> int:
            """Readable when a person does something."""

        def is_to_end(self) -> bool:
            """Take in what the person does; whether somebody wants an end."""

        def spare(self, group: int) -> None:
            """A process group is ssh's: it ends by itself, once nobody is at this end."""


SSH_FAILED, NO_PROGRAM = 255, 127
_CHUNK_BYTES = 1 << 16
_PATIENCE_S = 10.0  # for an answer, once somebody wants an end
_ENDS_WITHIN_S = 10.0  # ssh, where the program there is gone: its exit code says why, and a loaded machine is slow
_LAST_LINES = 5


class Place(Frozen):
    """A journal's machine, and its path there. ``host`` is the URL's, with user and port; ``words`` are what ssh takes for it:
    of URLs it refuses those with an IPv6 address."""

    host: str
    words: tuple[str, ...]
    path: str

    @property
    def there(self) -> str:
        """The machine, for people."""
        return f"{SSH}{self.host}"

    @property
    def ssh(self) -> str:
        """The call of ssh that reaches it, for people."""
        return quoted(["ssh", *(word for word in self.words if word != "--")])


def place_of(url: str) -> Place:
    """The parts of a URL; ``/~/`` begins a path in the user's home. UsageError where one is missing."""
    host, slash, path = url.removeprefix(SSH).partition("/")
    words = _destination(host)
    if not words or not path or not slash or "\0" in url:
        raise UsageError(f"{url[:200]!r} names no journal on another machine; write ssh://[USER@]HOST[:PORT]/PATH")
    return Place(host, words, path.removeprefix("~/") if path.startswith("~/") else f"/{path}")


def _destination(host: str) -> tuple[str, ...]:
    """The words for ``[USER@]HOST[:PORT]``, an IPv6 address in brackets; none for anything else."""
    user, at, rest = host.rpartition("@")
    if rest.startswith("["):
        name, bracket, port = rest[1:].partition("]")
        is_whole = bracket == "]" and (not port or (port[0] == ":" and len(port) > 1))
        port = port[1:]
    else:
        name, colon, port = rest.partition(":")
        is_whole = not colon or bool(port)
    is_host = bool(name) and bool(user) == bool(at) and not name.startswith("-") and not user.startswith("-")
    is_port = not port or (port.isascii() and port.isdigit())
    if not (is_whole and is_host and is_port):
        return ()
    return (*(["-p", port] if port else []), "--", f"{user}{at}{name}")


def command_of(place: Place, words: Sequence[str], variables: Sequence[str] = (), *, stays: bool = False) -> list[str]:
    """The call of ssh that runs a command of journaltune there.

    A connection that ``stays`` uses one that others share (ControlPath), and starts none: a ``run`` ends whatever its children
    leave in the background.
    """
    call = " ".join([*variables, *map(quote, ["journaltune", "--caller-is", VERSION, *words])])
    options = ["-o", "BatchMode=yes", *(["-o", "ControlMaster=no"] if stays else [])]
    return ["ssh", "-T", *options, *place.words, call]


def spawn(command: list[str], **options: object) -> int:
    """Start ssh; its pid. MachineError where there is none."""
    try:
        return os.posix_spawnp(command[0], command, os.environ, **options)  # type: ignore[arg-type]
    except FileNotFoundError:
        raise MachineError("this machine has no ssh, which a journal on another one is reached by; install OpenSSH") from None


def refuse(place: Place, exit_code: int, said: str = "") -> NoReturn:
    """MachineError for what ssh itself, or the shell there, exited with."""
    if exit_code == NO_PROGRAM:
        raise MachineError(f"{place.there} has no program journaltune on the PATH of `{place.ssh} ...`; install {VERSION} there")
    said = said or f"see what `{place.ssh} true` says"
    raise MachineError(f"{place.there} can't be reached by ssh, or the connection broke: {said}")


class BrokenError(Exception):
    """The connection is gone. ``said``: the last of stderr; ``exit_code`` is that of ssh; ``was_up``: something was answered."""

    def __init__(self, exit_code: int, said: str, was_up: bool) -> None:
        super().__init__(exit_code, said, was_up)
        self.exit_code, self.said, self.was_up = exit_code, said, was_up


class Wire:
    """A program behind ssh that answers lines with lines. It is in a process group of its own: no Ctrl-C of a terminal ends it.

    Its stderr is passed on while it lives; the last lines of it are kept, for the error if it ends.
    """

    def __init__(self, command: list[str], link: Link | None) -> None:
        pipes = [os.pipe() for _ in range(3)]  # O_CLOEXEC: nobody else's child has them
        (stdin, self._to), (self._from, stdout), (self._errors, stderr) = pipes
        streams = [(os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate((stdin, stdout, stderr))]
        try:
            self.pid = spawn(command, file_actions=streams, setpgroup=0)
        except BaseException:
            self._close_all(self._to, self._from, self._errors)
            raise
        finally:
            self._close_all(stdin, stdout, stderr)
        self._is_closed = False
        self._link, self._starter = link, os.getpid()
        if link is not None:
            link.spare(self.pid)
        for fd in (self._to, self._from, self._errors):
            os.set_blocking(fd, False)
        self._buffer, self._begun, self._said, self._has_answered = bytearray(), b"", list[str](), False

    @property
    def is_here(self) -> bool:
        """Whether this process started it; a forked child must not use what its parent talks through."""
        return self._starter == os.getpid()

    @staticmethod
    def _close_all(*fds: int) -> None:
        for fd in fds:
            os.close(fd)

    def exchange(self, line: bytes, timeout_s: float) -> bytes:
        """Send a line and read one. BrokenError where the other end is gone, TimeoutError where it does not answer."""
        timeout_s = timeout_s if self._link is None else min(timeout_s, self._link.patience_s)
        rest, deadline = memoryview(line), monotonic() + timeout_s
        while (end := self._buffer.find(b"\n")) < 0 or rest:
            ready = self._wait(bool(rest), deadline)
            if self._link is not None and self._link.fileno() in ready and self._link.is_to_end():
                deadline = min(deadline, monotonic() + _PATIENCE_S)
            if self._errors in ready:
                self._pass_on()
            if rest and self._to in ready:
                rest = rest[self._write(rest) :]
            if self._from in ready:
                self._read()
        answer = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        self._has_answered = True
        return answer

    def _wait(self, writes: bool, deadline: float) -> set[int]:
        look = poll()
        for fd in (self._from, self._errors):
            look.register(fd, POLLIN)
        if writes:
            look.register(self._to, POLLOUT)
        left_s = deadline - monotonic()
        if left_s <= 0:
            raise TimeoutError
        if self._link is not None:
            look.register(self._link.fileno(), POLLIN)
        return {fd for fd, _ in look.poll(left_s * 1000)}

    def _write(self, rest: memoryview) -> int:
        try:
            return os.write(self._to, rest)
        except BlockingIOError:
            return 0
        except OSError:  # the reason comes by stderr and the exit status
            self._end()

    def _read(self) -> None:
        data = os.read(self._from, _CHUNK_BYTES)
        if not data:
            self._end()
        self._buffer += data
        while not self._has_answered and b"\n" in self._buffer and self._buffer[0] not in b"{[":
            del self._buffer[: self._buffer.find(b"\n") + 1]  # a shell's start-up file prints

    def _pass_on(self) -> bool:
        """Show what the other end says on stderr; False at its end."""
        try:
            data = os.read(self._errors, _CHUNK_BYTES)
        except BlockingIOError:
            return False
        *whole, rest = (self._begun + data).split(b"\n")
        self._begun, whole = (rest, whole) if data else (b"", [*whole, rest])
        lines = [text for text in (line.decode(errors="backslashreplace").strip() for line in whole) if text]
        if self._has_answered and sys.stderr is not None:
            sys.stderr.write("".join(f"{line if line.isprintable() else ascii(line)}\n" for line in lines))
        self._said = [*self._said, *lines][-_LAST_LINES:]
        return bool(data)

    def _end(self) -> NoReturn:
        """Raise BrokenError with all that is known of the end."""
        look = poll()
        look.register(self._errors, POLLIN)
        while look.poll(1000) and self._pass_on():
            pass
        said = self._said[-1] if self._said else ""
        raise BrokenError(self.close(within_s=_ENDS_WITHIN_S), said, self._has_answered)

    def close(self, *, hangs: bool = False, within_s: float = 1.0) -> int:
        """Hang up, so that the program there ends; what ssh exited with, 255 where that is not known so soon.

        Only where the connection ``hangs`` is ssh ended too: else it may be one that others use.
        """
        if not self._is_closed:
            self._is_closed = True
            self._close_all(self._to, self._from, self._errors)
        if not self.is_here:
            return SSH_FAILED
        if hangs:
            try:
                os.kill(self.pid, SIGTERM)
            except ProcessLookupError:
                pass
        status = self._waited(within_s)
        return SSH_FAILED if status is None or status < 0 else status

    def __del__(self) -> None:
        """Whoever forgets a study hangs up, so that its trials are free."""
        if not getattr(self, "_is_closed", True):
            self._close_all(self._to, self._from, self._errors)

    def _waited(self, within_s: float) -> int | None:
        until = monotonic() + within_s
        while True:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:  # a runner that waits for all its children was first
                return None
            if pid:
                return os.waitstatus_to_exitcode(status)
            if monotonic() > until:
                return None
            sleep(0.005)
