"""``journaltune serve``: the commands for programs in any language, without a process for each call."""

from __future__ import annotations

from journaltune.base.errors import UsageError
from journaltune.cli import output
from journaltune.cli.options import Command, Option
from journaltune.cli.values import plain

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
One process serves at a socket; it removes it at its end.""",
    (
        Option("--stdio", "stdio", None, "answer the program at the other end of stdin and stdout"),
        Option("--socket", "socket", "PATH", "answer the clients of a Unix socket, any number at a time", plain),
    ),
    examples="""journaltune serve --stdio
{"jsonrpc": "2.0", "id": 1, "method": "ask"}
{"jsonrpc": "2.0", "result": {"number": 0, "params": {"lr": 0.012}, ...
{"jsonrpc": "2.0", "id": 2, "method": "tell", "params": [0, 0.3]}
{"jsonrpc": "2.0", "result": null, "id": 2}

journaltune serve --socket "$XDG_RUNTIME_DIR/tune.sock" -f all.journal""",
    usage="--stdio | --socket PATH",
)


def run(options: Options) -> int:
    import gc
    from signal import SIGINT

    from journaltune.cli.methods import Commands

    path = options["socket"]
    if options["stdio"] == (path is not None):
        raise UsageError("serve: give either --stdio or --socket PATH")
    gc.enable()  # a command of one call needs none, and this one lives
    commands = Commands(options)
    if path is None:
        from journaltune.serve.stdio import serve_stdio

        output.require_open()
        ended_by = serve_stdio(commands)
    else:
        from journaltune.serve.socket import serve_socket

        ended_by = serve_socket(commands, path, lambda: output.note(f"serving at {path}"))
    if ended_by == SIGINT:
        raise KeyboardInterrupt
    return 0
