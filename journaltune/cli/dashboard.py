"""``journaltune dashboard``: optuna-dashboard on the journal."""

from __future__ import annotations

from journaltune.base.errors import MachineError
from journaltune.cli import output
from journaltune.cli.options import Command, Option, access, journal_path
from journaltune.cli.plot import Slow, require_extra
from journaltune.cli.values import plain, whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any
    from wsgiref.simple_server import WSGIServer

    from journaltune.cli.options import Options

COMMAND = Command(
    "dashboard",
    """Serves Optuna's dashboard of the journal, all its studies, to a browser on this machine, until Ctrl-C. Loops may run
meanwhile: the dashboard shows what they record. What is noted or changed there is written into the journal.

Whoever can reach the address may read and change the studies; the default is this machine only.
Needs the extra `dashboard`: pip install 'journaltune[dashboard]'.""",
    (
        Option("--host", "host", "HOST", "the address to listen on (default 127.0.0.1)", plain, "127.0.0.1"),
        Option("--port", "port", "PORT", "the port, or 0 for any that is free (default 8080)", whole(), 8080),
    ),
    examples="""journaltune dashboard
journaltune dashboard -f other.journal --port 0""",
)


def run(options: Options) -> int:
    output.require_open()
    path = journal_path(options)
    with Slow("loading Optuna and optuna-dashboard"):
        require_extra("dashboard", "optuna_dashboard")
        from optuna_dashboard import wsgi

        from journaltune.optuna_bridge.dashboard import DashboardStorage
        from journaltune.study.studies import list_studies

        list_studies(path, **access(options))  # where there is no journal, the storage would make one
        application = wsgi(DashboardStorage(path, **access(options)))
        try:
            server = _server(options["host"], options["port"], application)
        except (OSError, OverflowError) as error:
            raise MachineError(f"cannot listen on {options['host']}:{options['port']}: {error}; try --port 0") from error
    with server:
        output.write(f"http://{options['host']}:{server.server_port}/\n")
        server.serve_forever()
    return 0


def _server(host: str, port: int, application: Any) -> WSGIServer:
    """A server with a thread for each request, so that a slow one holds up no other, and that logs none."""
    from socketserver import ThreadingMixIn
    from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

    class Server(ThreadingMixIn, WSGIServer):
        daemon_threads = True

    class Handler(WSGIRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Not a word: stdout has the address, and stderr is for what goes wrong."""

    return make_server(host, port, application, Server, Handler)
