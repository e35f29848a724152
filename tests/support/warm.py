"""Processes that are forked from one with the libraries loaded: for scripts that tests run, where no import is what is tested.

`Warm` writes `journaltune` and `python` into a folder. Each is a small program that hands its arguments, environment, folder,
process group and streams to the server, passes signals on to the process that the server forks for it, and ends as that one
does. What depends on more (`journaltune run`, ``python -m``, an interpreter set up by its environment) starts for real.
One server serves all of pytest-xdist's workers; it ends once none of them holds its connection any more.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

if TYPE_CHECKING:
    from collections.abc import Sequence

SERVER = Path(__file__).with_name("warm_server.py")
# They start processes of their own, or serve.
REAL = ("run", "exec", "serve", "dashboard")

# Without the site module and with built-in modules only, Python starts twice as fast.
CLIENT = """#!{python} -IS
import _signal, _socket, marshal, os, sys
words, signals = sys.argv[1:], (_signal.SIGINT, _signal.SIGHUP, _signal.SIGTERM)
if {kind!r} == "journaltune":
    odd = words[:1] and words[0] in {real!r}
else:
    odd = not words or (words[0][:1] == "-" and words[0] not in ("-", "-c"))
odd = odd or {setup!r} != sorted(item for item in os.environ.items() if item[0].startswith("PYTHON"))
if odd or os.getsid(0) != {session}:
    os.execv({program!r}[0], {program!r} + words)
ignored = [number for number in signals if _signal.getsignal(number) == _signal.SIG_IGN]
request = marshal.dumps(({kind!r}, words, os.getcwdb(), dict(os.environb), os.getpgrp(), ignored))
server = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
server.connect({address!r})
descriptors = b"".join(number.to_bytes(4, sys.byteorder) for number in (0, 1, 2))
server.sendmsg([len(request).to_bytes(4, "big")], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, descriptors)])
while request:
    request = request[server.send(request):]
child = int.from_bytes(server.recv(4), "big")
for number in signals:
    if number not in ignored:
        _signal.signal(number, lambda number, frame: os.kill(child, number))
status = int.from_bytes(server.recv(4), "big", signed=True)
if status < 0:
    if -status not in (_signal.SIGKILL, _signal.SIGSTOP):
        _signal.signal(-status, _signal.SIG_DFL)
    os.kill(os.getpid(), -status)
os._exit(status)
"""


class Warm:
    """A folder with the two commands. The server is there for as long as somebody holds this."""

    def __init__(self, shared: Path, *libraries: str) -> None:
        """``shared`` is a folder of all workers. The last library is the server's name; what is not installed is not loaded."""
        self.folder = shared / f"warm-{libraries[-1]}"
        self.folder.mkdir(exist_ok=True)
        self._held = socket.socket(socket.AF_UNIX)
        self._server: subprocess.Popen[bytes] | None = None
        address = str(self.folder / "socket")
        with FileLock(self.folder / "lock"):
            try:
                self._held.connect(address)
            except OSError:
                self._start(address, [name for name in libraries if find_spec(name.partition(".")[0])])
                self._held.connect(address)

    def _start(self, address: str, libraries: Sequence[str]) -> None:
        listener = socket.socket(socket.AF_UNIX)
        Path(address).unlink(missing_ok=True)
        listener.bind(address)
        listener.listen(64)
        command = [sys.executable, "-P", str(SERVER), str(listener.fileno()), *libraries]
        self._server = subprocess.Popen(command, pass_fds=[listener.fileno()], stdin=subprocess.DEVNULL)
        listener.close()
        for kind, module in (("journaltune", ["-m", "journaltune"]), ("python", [])):
            setup = sorted(item for item in os.environ.items() if item[0].startswith("PYTHON"))
            client = CLIENT.format(
                python=sys.executable,
                kind=kind,
                real=REAL,
                setup=setup,
                session=os.getsid(0),
                program=[sys.executable, *module],
                address=address,
            )
            path = self.folder / kind
            path.write_text(client, encoding="utf-8")
            path.chmod(0o755)

    def env(self, env: dict[str, str]) -> dict[str, str]:
        """The environment in which the commands are these."""
        return {**env, "PATH": os.pathsep.join([str(self.folder), env["PATH"]])}

    def close(self) -> None:
        """Who started the server waits for its end."""
        self._held.close()
        if self._server:
            self._server.wait()
