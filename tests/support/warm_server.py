"""The server of `warm`: loads libraries, then forks a process for each request, which goes on as the program that was wanted.

A connection that asks for nothing keeps the server alive. One whose client is gone takes the process forked for it along.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import marshal
import os
import random
import runpy
import selectors
import signal
import socket
import sys
import threading
import traceback
import types
from typing import Any, NamedTuple

INTERRUPTS = (signal.SIGINT, signal.SIGHUP, signal.SIGTERM)


class Request(NamedTuple):
    kind: str
    words: list[str]
    folder: bytes
    env: dict[bytes, bytes]
    group: int
    ignored: list[int]


class Server:
    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._pids: dict[socket.socket, int] = {}  # of each connection; 0 where it has asked for nothing
        self._woken, self._wake = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        for each in (listener, self._woken):
            self._selector.register(each, selectors.EVENT_READ)
        self._wake.setblocking(False)
        signal.set_wakeup_fd(self._wake.fileno())
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's is for the processes

    def serve(self) -> Request | None:
        """In each forked process what it is to do; None once nobody is connected any more."""
        while True:
            for key, _ in self._selector.select():
                ready: Any = key.fileobj
                if ready is self._listener:
                    self._accept()
                elif ready is self._woken:
                    self._woken.recv(4096)
                    self._reap()
                elif ready in self._pids:
                    request = self._read(ready)
                    if request is not None:
                        return request
            if not self._pids:
                return None

    def _accept(self) -> None:
        connection = self._listener.accept()[0]
        self._pids[connection] = 0
        self._selector.register(connection, selectors.EVENT_READ)

    def _reap(self) -> None:
        for connection, pid in list(self._pids.items()):
            if pid:
                ended, status = os.waitpid(pid, os.WNOHANG)
                if ended:
                    self._say(connection, os.waitstatus_to_exitcode(status))
                    self._forget(connection)

    def _read(self, connection: socket.socket) -> Request | None:
        """What a client wants, in the process that was forked for it; in the server None."""
        found = self._received(connection)
        if found is None:
            self._end(connection)
            return None
        request, descriptors = found
        # Until the process is what was asked for, no signal may reach it.
        signal.pthread_sigmask(signal.SIG_BLOCK, INTERRUPTS)
        pid = os.fork()
        if pid == 0:
            self._leave(descriptors)
            return request
        signal.pthread_sigmask(signal.SIG_UNBLOCK, INTERRUPTS)
        for descriptor in descriptors:
            os.close(descriptor)
        self._pids[connection] = pid
        self._say(connection, pid)
        return None

    def _received(self, connection: socket.socket) -> tuple[Request, list[int]] | None:
        """None where the client is gone. Of one that was killed the kernel says so in several ways: what it sent may be cut
        short, and what it did not read makes an error of the end."""
        descriptors: list[int] = []
        try:
            head, descriptors, _, _ = socket.recv_fds(connection, 4, 3)
            if head:
                with connection.makefile("rb") as file:
                    return Request(*marshal.loads(file.read(int.from_bytes(head, "big")))), descriptors
        except (OSError, EOFError):
            pass
        for descriptor in descriptors:
            os.close(descriptor)
        return None

    def _end(self, connection: socket.socket) -> None:
        pid = self._pids[connection]
        if pid:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        self._forget(connection)

    def _say(self, connection: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError):
            connection.sendall(number.to_bytes(4, "big", signed=True))

    def _forget(self, connection: socket.socket) -> None:
        self._selector.unregister(connection)
        del self._pids[connection]
        connection.close()

    def _leave(self, descriptors: list[int]) -> None:
        """In a forked process: close what is the server's, and take the client's streams."""
        signal.set_wakeup_fd(-1)
        self._selector.close()
        for each in (*self._pids, self._listener, self._woken, self._wake):
            each.close()
        for place, descriptor in enumerate(descriptors):
            os.dup2(descriptor, place)
            os.close(descriptor)


def become(request: Request) -> None:
    """Everything that a new process would have from its caller, and random numbers of its own."""
    os.setpgid(0, request.group)
    os.chdir(request.folder)
    os.environb.clear()
    os.environb.update(request.env)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number in INTERRUPTS:
        default = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
        signal.signal(number, signal.SIG_IGN if number in request.ignored else default)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, INTERRUPTS)
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)
    random.seed()
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed()


def perform(request: Request) -> None:
    words = request.words
    if request.kind == "journaltune":
        from journaltune.cli import command

        sys.argv = ["journaltune", *words]
        command()
    elif words[0] in ("-c", "-"):
        code = words[1] if words[0] == "-c" else sys.stdin.read()
        sys.argv = [words[0], *words[2 if words[0] == "-c" else 1 :]]
        sys.path.insert(0, "")
        sys.modules["__main__"] = module = types.ModuleType("__main__")
        exec(compile(code, "<string>", "exec"), module.__dict__)
    else:
        sys.argv = words
        sys.path.insert(0, os.path.dirname(os.path.abspath(words[0])))
        runpy.run_path(words[0], run_name="__main__")


def finish(request: Request) -> int:
    """The exit code, after all that an interpreter does at its end but to take itself apart."""
    code = 0
    try:
        become(request)
        perform(request)
    except SystemExit as end:
        code = 0 if end.code is None else end.code if isinstance(end.code, int) else 1
        if code == 1 and not isinstance(end.code, int):
            print(end.code, file=sys.stderr)
    except BaseException as error:
        traceback.print_exc()
        code = -signal.SIGINT if isinstance(error, KeyboardInterrupt) else 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(BrokenPipeError, ValueError):
            stream.flush()
    return code


def main() -> None:
    listener = socket.socket(fileno=int(sys.argv[1]))
    for name in sys.argv[2:]:
        with contextlib.suppress(ImportError):  # of what a library needs only for this part of it
            importlib.import_module(name)
    gc.collect()
    gc.freeze()
    request = Server(listener).serve()
    if request is not None:
        code = finish(request)
        if code < 0:
            signal.signal(-code, signal.SIG_DFL)
            os.kill(os.getpid(), -code)
        os._exit(code)


if __name__ == "__main__":
    main()
