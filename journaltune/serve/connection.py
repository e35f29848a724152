"""One client: its messages are answered one after the other, and the trials that it asks for are its own while it stays."""

from __future__ import annotations

import os
import threading
from functools import partial

from journaltune.base.errors import JournaltuneError
from journaltune.engine.own_trials import give_back
from journaltune.engine.owners import Worker
from journaltune.engine.resume import clear_leftovers
from journaltune.serve import protocol
from journaltune.serve.lines import Lines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Protocol

    from journaltune.serve.studies import Studies
    from journaltune.study import OpenStudy

    class Commands(Protocol):
        """What a message may call, and the studies that stay open for it."""

        studies: Studies

        def call(self, caller: Caller, method: str, params: Any) -> Any:
            """What the command prints, as JSON. Refused for an error."""

    class Channel(Protocol):
        """The way to a client. All raise OSError where it is gone."""

        def read(self, n: int) -> bytes:
            """At most n bytes; b"" at the end, and after ``interrupt``."""

        def write(self, line: bytes) -> None: ...

        def interrupt(self) -> None:
            """Let no read wait any longer."""


_MOST_WAITING = 256  # asks of one connection that wait for the results of others, each in a thread


class Connection:
    """A client that sends lines through a channel and gets answers by it, until ``serve`` returns."""

    def __init__(self, commands: Commands, channel: Channel) -> None:
        self._commands, self._channel = commands, channel
        self._lines = Lines(channel.read, protocol.MOST_BYTES)
        self._lock, self._write_lock = threading.Lock(), threading.Lock()
        self._workers: dict[str, Worker] = {}
        self._asked: dict[str, set[str]] = {}  # names of studies by their journal
        self._reader: object = None  # the thread that reads; another one takes over when an answer has to wait
        self._n_threads, self._ended = 0, threading.Event()
        self.is_gone = False
        self._is_to_blame = True  # for its going

    def dismiss(self) -> None:
        """From another thread: the server ends, and the answer that is under way is the last one. The trials are not to blame."""
        self._is_to_blame, self.is_gone = False, True

    def end(self) -> None:
        """The same, without waiting for what the client says next."""
        self.dismiss()
        try:
            self._channel.interrupt()
        except OSError:  # the client went at the same time
            pass

    def serve(self) -> None:
        """Answer until the client is gone; then no trial is its own any more."""
        self._read(self._enter())
        self._ended.wait()

    def _enter(self) -> object:
        with self._lock:
            self._reader = token = object()
            self._n_threads += 1
        return token

    def _read(self, token: object) -> None:
        try:
            while self._reader is token and not self.is_gone:
                self._next(token)
        finally:
            with self._lock:
                self._n_threads -= 1
                is_last = self._n_threads == 0
            if is_last:
                self._give_back()
                self._ended.set()

    def _next(self, token: object) -> None:
        """Read a message and answer it."""
        try:
            line = self._lines.next()
        except ValueError:
            self._send(protocol.too_long())
            return
        except OSError:
            line = None
        if line is None:
            self.is_gone = True
        elif line.strip():
            answer = protocol.answer(line, partial(self._call, token))
            if answer is not None:
                self._send(answer)

    def _send(self, answer: bytes) -> None:
        try:
            with self._write_lock:
                self._channel.write(answer)
        except (OSError, ValueError):  # ValueError: the stream is closed
            self.is_gone = True

    def _call(self, token: object, method: str, params: Any, is_heard: bool) -> Any:
        return self._commands.call(Caller(self, token, is_heard), method, params)

    def read_on(self, token: object) -> None:
        """Let another thread read, if it is this one's turn: what it waits for may come by this connection."""
        if self._reader is not token or self._n_threads > _MOST_WAITING:
            return
        try:
            threading.Thread(target=self._read, args=(self._enter(),), daemon=True).start()
        except RuntimeError:  # no more threads: this one reads on when it has answered
            with self._lock:
                self._reader, self._n_threads = token, self._n_threads - 1

    # -- its trials --------------------------------------------------------------------------------------------------

    def owner(self, study: OpenStudy) -> Mapping[str, Any]:
        """This connection as the owner of trials of this study."""
        with self._lock:
            worker = self._workers.get(study.path)
            if worker is None:
                clear_leftovers(study)
                worker = self._workers[study.path] = Worker(study.path)
                if "lock" not in worker.owner:  # or two connections would be the same
                    worker.owner["connection"] = os.urandom(8).hex()
            self._asked.setdefault(study.path, set()).add(study.name)
        return worker.owner

    def _give_back(self) -> None:
        """Give every trial back. Where that can't be written, the lock that is gone proves that this owner is."""
        for path, worker in self._workers.items():
            try:
                for name in self._asked[path]:
                    with self._commands.studies.opened(path, name, is_brief=True) as study:
                        give_back(study, worker.owner, died=self._is_to_blame)
                worker.close()
            except (OSError, JournaltuneError):
                worker.leave()


class Caller:
    """Who calls: what a command may want to know of it."""

    __slots__ = ("_connection", "_token", "is_heard")

    def __init__(self, connection: Connection, token: object, is_heard: bool) -> None:
        self._connection, self._token = connection, token
        self.is_heard = is_heard  # False for a notification, which nobody waits for

    def owner(self, study: OpenStudy) -> Mapping[str, Any]:
        return self._connection.owner(study)

    def is_there(self) -> bool:
        return not self._connection.is_gone

    def waits(self) -> None:
        """To be called before a wait for something that the same client may bring."""
        self._connection.read_on(self._token)
