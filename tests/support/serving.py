"""A server in this process, and a client of it at the other end of a pair of sockets."""

from __future__ import annotations

import json
import socket
import threading
from typing import TYPE_CHECKING, Any

from journaltune.cli.methods import Commands
from journaltune.cli.options import COMMON, defaults
from journaltune.serve.connection import Connection
from journaltune.serve.socket import Channel

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from types import TracebackType


def commands(journal: Path) -> Commands:
    return Commands({**defaults(COMMON), "journal": str(journal)})


class CallError(Exception):
    """An error object of the server."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(code, message)
        self.code, self.message = code, message


class Client:
    """One connected client. Leaving the context closes its socket, and returns when the server has noticed."""

    def __init__(self, served: Commands) -> None:
        ours, self.socket = socket.socketpair()
        self.connection = Connection(served, Channel(ours))
        self._thread = threading.Thread(target=self._serve, args=(ours,), daemon=True)
        self._thread.start()
        self._answers = self.socket.makefile("rb")

    def _serve(self, ours: socket.socket) -> None:
        with ours:
            self.connection.serve()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def read(self) -> Any:
        return json.loads(self._answers.readline())

    def request(self, method: str, params: Any = None, number: int = 1) -> None:
        message = {"jsonrpc": "2.0", "id": number, "method": method}
        self.send(json.dumps(message if params is None else {**message, "params": params}).encode() + b"\n")

    def call(self, method: str, *places: Any, **params: Any) -> Any:
        """The result of one call. CallError for an error."""
        self.request(method, list(places) or params)
        answer = self.read()
        assert (answer["jsonrpc"], answer["id"]) == ("2.0", 1)
        if "error" in answer:
            raise CallError(answer["error"]["code"], answer["error"]["message"])
        return answer["result"]

    def end(self) -> Iterable[Any]:
        """Half-close, wait until the server is done with this client, and give what it still answered."""
        self.socket.shutdown(socket.SHUT_WR)
        rest = [json.loads(line) for line in self._answers]
        self._thread.join(60)
        assert not self._thread.is_alive()
        return rest

    def vanish(self) -> None:
        """Close the socket without reading what comes."""
        self._answers.close()
        self.socket.close()
        self._thread.join(60)
        assert not self._thread.is_alive()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.vanish()
