"""Two processes that are each other's undertaker: a front, in the terminal, and the runner, in a session of its own.

Both are child subreapers. Where the runner is killed, its trainers become the front's children, and the front ends them; where
the front is killed, alone or with its whole process group, the kernel sends the runner a signal, and the runner ends them. So a
SIGKILL leaves no trainer and no daemonised grandchild behind, for one fork. Whoever kills both by pid leaves trainers: the next
run ends those (see ``roster``).

The runner keeps its lock in ``workers/`` together with the front: its trials are a dead owner's only once all is ended.
"""

from __future__ import annotations

import os
import signal
import socket
from select import POLLIN, poll
from time import monotonic

from journaltune.run import processes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import FrameType

INTERRUPT, TERMINATE, STOP, GO_ON, RESIZE = b"i", b"t", b"s", b"g", b"r"
_WORDS = {
    signal.SIGINT: INTERRUPT,
    signal.SIGTERM: TERMINATE,
    signal.SIGHUP: TERMINATE,
    signal.SIGQUIT: TERMINATE,
    signal.SIGTSTP: STOP,
    signal.SIGWINCH: RESIZE,
}
_STOPPED, _LOCK, _SPARE = b"s", b"l", b"p"
_FRONT_DIED = signal.SIGUSR1
_MOST_INTERRUPTS = 3  # the runner answers so many; one more, and the front ends it
_STOP_S = 2.0  # how long the front waits before it stops: by then the runner has stopped its trainers


class FrontDiedError(BaseException):
    """The front was killed. By now the trainers have been, too."""


def _wake(number: int, frame: FrameType | None) -> None:
    """The descriptor that is woken tells the signal's number; without a handler there would be no wake-up."""


class Signals:
    """Signals as bytes on a descriptor that ``poll`` waits for. Those that were ignored when we were started stay ignored."""

    def __init__(self, numbers: Iterable[signal.Signals]) -> None:
        self.fd, self._write_fd = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(self._write_fd, warn_on_full_buffer=False)
        for number in numbers:
            if signal.getsignal(number) is not signal.SIG_IGN or number is signal.SIGCHLD:
                signal.signal(number, _wake)

    def read(self) -> bytes:
        try:
            return os.read(self.fd, 4096)
        except BlockingIOError:
            return b""

    def close(self) -> None:
        signal.set_wakeup_fd(-1)
        os.close(self.fd)
        os.close(self._write_fd)


class Link:
    """The runner's end: what happens in the terminal, as words of one byte, and what wakes it."""

    def __init__(self, end: socket.socket, front_pid: int) -> None:
        self._end, self._front_pid, self.patience_s = end, front_pid, float("inf")
        self._heard = b""
        self._signals = Signals((signal.SIGCHLD, signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
        for number in (signal.SIGTSTP, signal.SIGQUIT):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(_FRONT_DIED, self._bury)
        processes.become_subreaper(_FRONT_DIED)
        if os.getppid() != front_pid:
            raise FrontDiedError
        self._poll = poll()
        self._poll.register(self._signals.fd, POLLIN)
        self._poll.register(end.fileno(), POLLIN)

    def _bury(self, number: int, frame: FrameType | None) -> None:
        if os.getppid() == self._front_pid:
            return  # somebody else sent the signal
        processes.bury()
        raise FrontDiedError

    def wait(self, timeout_s: float) -> bytes:
        """Words of the terminal, at most after ``timeout_s``; also when a child ended."""
        timeout_s = 0.0 if self._heard else timeout_s
        self._poll.poll(max(timeout_s, 0.0) * 1000 if timeout_s < 1e6 else None)
        words = [_WORDS.get(signal.Signals(number), b"") for number in self._signals.read()]
        self._hear()
        heard, self._heard = self._heard, b""
        return heard + b"".join(words)

    def _hear(self) -> None:
        try:
            from_front = self._end.recv(4096)
        except BlockingIOError:
            return
        if not from_front:
            self._bury_late()
        self._heard += from_front

    def _bury_late(self) -> None:
        """Where the kernel sends no signal when the parent dies."""
        processes.bury()
        raise FrontDiedError

    def stopped(self) -> None:
        """The trainers stand still: the front may stop as well."""
        self._send(_STOPPED)

    def fileno(self) -> int:
        """Readable when the terminal says something."""
        return self._end.fileno()

    def is_to_end(self) -> bool:
        """Whether the terminal asked for an end, which the next ``wait`` answers."""
        self._hear()
        return INTERRUPT in self._heard or TERMINATE in self._heard

    def spare(self, group: int) -> None:
        """End no process of this group: neither this process does, nor the front."""
        processes.spared_groups.add(group)
        self._send(_SPARE + str(group).encode())

    def share_lock(self, fd: int) -> None:
        """Have the front keep a lock as long as it lives."""
        try:
            socket.send_fds(self._end, [_LOCK], [fd])
        except OSError:
            pass  # the front died: the signal says so

    def _send(self, word: bytes) -> None:
        try:
            self._end.send(word)
        except OSError:
            pass


def in_pair(work: Callable[[Link], int], say: Callable[[str], None]) -> int:
    """Do ``work`` in a forked runner, and answer its exit code; ``work`` must not raise.

    128 + n where signal n ended the runner, or the front was asked to end by it. Import nothing heavy before: both would hold it.
    """
    inherited = set(processes.descendants(os.getpid()))  # of a shell that became this program: not ours to end
    processes.become_subreaper()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    theirs.setblocking(False)
    front_pid, signals = os.getpid(), Signals((signal.SIGCHLD, *_WORDS))
    pid = os.fork()
    if pid == 0:
        signals.close()
        ours.close()
        _be_runner(work, theirs, front_pid)
    theirs.close()
    try:
        return _Front(pid, ours, signals, say).run()
    finally:
        left = processes.bury(inherited)
        if left:
            say(f"processes {', '.join(map(str, left))} can't be ended, not even with SIGKILL")


def _be_runner(work: Callable[[Link], int], end: socket.socket, front_pid: int) -> None:
    code = 1
    try:
        os.setsid()
        code = work(Link(end, front_pid))
    except FrontDiedError:
        code = 128 + signal.SIGKILL
    finally:
        os._exit(code)


class _Front:
    """Passes on what the terminal says, until the runner ends."""

    def __init__(self, runner_pid: int, end: socket.socket, signals: Signals, say: Callable[[str], None]) -> None:
        self._pid, self._end, self._signals, self._say = runner_pid, end, signals, say
        self._asked_by = 0  # the signal that asked us to end
        self._n_interrupts = 0
        self._is_heard = True
        self._locks: list[int] = []
        self._poll = poll()
        self._poll.register(signals.fd, POLLIN)
        self._poll.register(end.fileno(), POLLIN)

    def run(self) -> int:
        while True:
            self._poll.poll()
            self._read_runner()
            for number in map(signal.Signals, self._signals.read()):
                if number in _WORDS:
                    self._pass_on(number)
            status = self._waited()
            if status is not None:
                return self._exit_code(status)

    def _read_runner(self) -> bytes:
        """What the runner says: it hands over its lock, or has stopped its trainers."""
        try:
            word, fds, _, _ = socket.recv_fds(self._end, 16, 4)
        except OSError:
            return b""
        self._locks += fds
        if word[:1] == _SPARE:
            processes.spared_groups.add(int(word[1:]))
        if not word and self._is_heard:  # it ends; SIGCHLD comes
            self._is_heard = False
            self._poll.unregister(self._end.fileno())
        return word

    def _pass_on(self, number: signal.Signals) -> None:
        if _WORDS[number] == TERMINATE:
            self._asked_by = number
        self._n_interrupts += number == signal.SIGINT
        if self._n_interrupts > _MOST_INTERRUPTS:
            self._asked_by = signal.SIGINT
            os.kill(self._pid, signal.SIGKILL)
        elif number == signal.SIGTSTP:
            self._stop()
        else:
            self._tell(_WORDS[number])

    def _tell(self, word: bytes) -> None:
        try:
            self._end.send(word)
        except OSError:  # the runner is ending
            pass

    def _stop(self) -> None:
        """Ctrl-Z: the trainers are in another session, so the terminal does not stop them."""
        self._tell(STOP)
        until, waiting = monotonic() + _STOP_S, poll()
        waiting.register(self._end.fileno(), POLLIN)
        while monotonic() < until and waiting.poll((until - monotonic()) * 1000):
            if self._read_runner() in (_STOPPED, b""):
                break
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, _wake)  # here again after `fg` or `bg`
        self._tell(GO_ON)

    def _waited(self) -> int | None:
        """The runner's status once it has ended. Others that end here are orphans of the dead."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return 1 << 8
            if pid in (0, self._pid):
                return status if pid else None

    def _exit_code(self, status: int) -> int:
        while self._read_runner():
            continue
        code = os.waitstatus_to_exitcode(status)
        if code >= 0:
            return 128 + self._asked_by if self._asked_by and code else code
        name = signal.Signals(-code).name
        self._say(f"the runner, process {self._pid}, was ended by {name}, so its trainers are ended; the same call goes on")
        return 128 + self._asked_by if self._asked_by == signal.SIGINT else 128 - code
