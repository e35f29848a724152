"""Many clients at a Unix socket that only its owner can reach."""

from __future__ import annotations

import os
import socket
import stat
import threading
from time import sleep

from journaltune.base.errors import ConflictError, MachineError, UsageError
from journaltune.serve.connection import Connection
from journaltune.serve.ending import Ended, ends_by_signal, finish

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from filelock import BaseFileLock

    from journaltune.serve.connection import Commands

_MOST_WAITING = 128  # clients that are not accepted yet
_PAUSE_S = 0.05  # until a descriptor may be free again
_MOST_PATH_BYTES = 107  # of sun_path, with its null


def serve_socket(commands: Commands, path: str, on_ready: Callable[[], None] | None = None) -> int:
    """Answer clients until a signal: its number. The socket is gone then.

    UsageError for a path that can't be a socket's, MachineError for a folder that others can enter, ConflictError where another
    process serves there.
    """
    path = os.path.abspath(path)
    _check(path)
    lock = _locked(path)
    try:
        listener = _listening(path)
        try:
            if on_ready is not None:
                on_ready()
            return _accept(commands, listener)
        finally:
            listener.close()
            os.unlink(path)
    finally:
        lock.release()


def _check(path: str) -> None:
    """Refuse what others could have put there, and what others could reach."""
    if len(os.fsencode(path)) > _MOST_PATH_BYTES:
        raise UsageError(f"serve: a socket's path has at most {_MOST_PATH_BYTES} bytes, {path} has more; take a shorter one")
    folder = os.path.dirname(path)
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        pass
    found = os.lstat(folder)
    if not stat.S_ISDIR(found.st_mode):
        raise MachineError(f"{folder} is a link or a file, no folder; give --socket a path in a folder of your own")
    if found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise MachineError(
            f"others can enter {folder}, or it is not yours; put the socket into a folder of your own (mkdir -m 700 FOLDER)"
        )
    for name in (path, _lock_path(path)):
        if os.path.lexists(name) and not _is_own(name):
            raise MachineError(f"{name} is there already, and was not left by a server; remove it, or take another path")


def _is_own(path: str) -> bool:
    """Whether a server left this: the socket, or the lock's file."""
    mode = os.lstat(path).st_mode
    return stat.S_ISREG(mode) if path.endswith(".lock") else stat.S_ISSOCK(mode)


def _lock_path(path: str) -> str:
    return f"{path}.lock"


def _locked(path: str) -> BaseFileLock:
    from filelock import FileLock, Timeout

    lock = FileLock(_lock_path(path), timeout=0, mode=0o600, thread_local=False)
    try:
        lock.acquire()
    except Timeout:
        raise ConflictError(f"another process serves at {path} already; use it, or take another path") from None
    return lock


def _listening(path: str) -> socket.socket:
    """A socket that listens at ``path``, in place of one whose server died: nobody else holds the lock."""
    if os.path.lexists(path):
        os.unlink(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listener.bind(path)
    finally:
        os.umask(before)
    listener.listen(_MOST_WAITING)
    return listener


def _accept(commands: Commands, listener: socket.socket) -> int:
    clients: dict[Connection, threading.Thread] = {}
    ended_by = 0
    try:
        with ends_by_signal():
            while True:
                try:
                    _start(commands, clients, listener.accept()[0])
                except (OSError, RuntimeError):  # no descriptor or thread is left, or the client gave up: others may go on
                    sleep(_PAUSE_S)
    except Ended as end:
        ended_by = end.number
    known = dict(clients)
    finish(list(known), list(known.values()))
    commands.studies.close()
    return ended_by


def _start(commands: Commands, clients: dict[Connection, threading.Thread], client: socket.socket) -> None:
    connection = Connection(commands, Channel(client))

    def serve() -> None:
        try:
            connection.serve()
        finally:
            client.close()
            del clients[connection]

    clients[connection] = thread = threading.Thread(target=serve, daemon=True)
    try:
        thread.start()
    except RuntimeError:
        client.close()
        del clients[connection]
        raise


class Channel:
    """A client's connected socket."""

    def __init__(self, client: socket.socket) -> None:
        self._client = client
        self.read, self.write = client.recv, client.sendall

    def interrupt(self) -> None:
        self._client.shutdown(socket.SHUT_RD)
