"""``journaltune serve``: the commands for programs in any language, without a process for each call."""

from __future__ import annotations

import os

from journaltune.base.errors import UsageError
from journaltune.cli import output
from journaltune.cli.options import Command, Option, access, journal_path
from journaltune.cli.values import address, plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from journaltune.cli.options import Options

COMMAND = Command(
    "serve",
    """Answers JSON-RPC 2.0, one message a line, until stdin ends (--stdio) or the process gets SIGTERM. Methods are the
commands, parameters their options by name, results what they print as JSON: a list where a command prints several
lines, null where it prints nothing. An error has the exit code as its code, and the line as its message. Each call may
name a "journal" and a "study"; else those of this command are meant. Methods that begin with "journaltune." are for
`run` and `load_study` of the same version on another machine.

The trials that a client asks for are its own while it stays connected: when it goes away, or this process dies, they
are asked again. Name a process as "owner", or give a "ttl", where they are not to be.

A socket is for its user only (mode 0600), and so has to be its folder (mkdir -m 700); a folder that is missing is made.
One process serves at a socket; it removes it at its end.

--grpc is for programs that use Optuna itself, on other machines: Optuna's own storage proxy over the journal, all its
studies, which is made where it is missing. Whoever reaches the address may read and change them, for it knows no
password; 127.0.0.1 and an ssh tunnel keep other machines out. Trials belong to no client there: as with any storage of Optuna's,
that of a worker that was killed stays running. Needs the extra `grpc`: pip install 'journaltune[grpc]'.""",
    (
        Option("--stdio", "stdio", None, "answer the program at the other end of stdin and stdout"),
        Option("--socket", "socket", "PATH", "answer the clients of a Unix socket, any number at a time", plain),
        Option("--grpc", "grpc", "HOST:PORT", "answer Optuna's GrpcStorageProxy; port 0 is any free one", address),
    ),
    examples="""journaltune serve --stdio
{"jsonrpc": "2.0", "id": 1, "method": "ask"}
{"jsonrpc": "2.0", "result": {"number": 0, "params": {"lr": 0.012}, ...
{"jsonrpc": "2.0", "id": 2, "method": "tell", "params": [0, 0.3]}
{"jsonrpc": "2.0", "result": null, "id": 2}

journaltune serve --socket "$XDG_RUNTIME_DIR/tune.sock" -f all.journal
journaltune serve --grpc 127.0.0.1:13000""",
    usage="--stdio | --socket PATH | --grpc HOST:PORT",
)


def run(options: Options) -> int:
    import gc
    from signal import SIGINT

    if [options["stdio"], options["socket"] is not None, options["grpc"] is not None].count(True) != 1:
        raise UsageError("serve: give one of --stdio, --socket PATH and --grpc HOST:PORT")
    gc.enable()  # a command of one call needs none, and this one lives
    if _served(options) == SIGINT:
        raise KeyboardInterrupt
    return 0


def _served(options: Options) -> int:
    """The signal that ended it, or 0."""
    if options["grpc"] is not None:
        return _proxied(options, *options["grpc"])
    from journaltune.cli.methods import Commands

    commands, path = Commands(options), options["socket"]
    if path is None:
        from journaltune.serve.stdio import serve_stdio

        output.require_open()
        return serve_stdio(commands)
    from journaltune.serve.socket import serve_socket

    return serve_socket(commands, path, lambda: output.note(f"serving at {path}"))


def _proxied(options: Options, host: str, port: int) -> int:
    from journaltune.cli.plot import Slow, require_extra

    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # its core logs to stderr what it raises as well
    with Slow("loading Optuna and gRPC"):
        require_extra("grpc", "grpc", "google.protobuf")
        from optuna.logging import WARNING, set_verbosity

        from journaltune.optuna_bridge import storage
        from journaltune.serve.proxy import serve_grpc

        served = storage(journal_path(options), **access(options))

    set_verbosity(WARNING)  # it would tell of each study that a client makes

    def ready(bound: int) -> None:
        who = "every user of this machine" if _is_loopback(host) else "whoever reaches it"
        at = f"serving {journal_path(options)} at {host}:{bound} to optuna.storages.GrpcStorageProxy"
        output.note(f"{at}; there is no password: {who} may read and change its studies")

    try:
        return serve_grpc(served, host, port, ready)
    finally:
        served.remove_session()


def _is_loopback(host: str) -> bool:
    from ipaddress import ip_address

    try:
        return host == "localhost" or ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
