"""Optuna's own storage proxy over a journal: stock Optuna workers elsewhere reach it by ``optuna.storages.GrpcStorageProxy``."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import grpc
from optuna.storages._grpc.auto_generated import api_pb2_grpc
from optuna.storages._grpc.servicer import OptunaStorageProxyService

from journaltune.base.errors import MachineError
from journaltune.serve.ending import Ended, ends_by_signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from optuna.storages import BaseStorage

_N_THREADS = 10  # as Optuna's own server has
_GRACE_S = 5.0  # for calls under way
_OPTIONS = (
    ("grpc.so_reuseport", 0),  # or a second server would take every other client of the first one
    ("grpc.max_receive_message_length", -1),  # Optuna's client takes answers of any size
)


def serve_grpc(storage: BaseStorage, host: str, port: int, on_ready: Callable[[int], None]) -> int:
    """Answer Optuna's clients until a signal: its number. ``on_ready`` gets the port, which the system chooses for 0.

    MachineError where nothing can listen there. Whoever reaches the address may read and change every study.
    """
    server = grpc.server(ThreadPoolExecutor(_N_THREADS), options=_OPTIONS)
    add_service: Callable[[object, object], None] = api_pb2_grpc.add_StorageServiceServicer_to_server  # it has no types
    add_service(OptunaStorageProxyService(storage), server)
    try:
        with ends_by_signal():
            bound = _bound(server, f"{host}:{port}")
            server.start()
            on_ready(bound)
            server.wait_for_termination()
    except Ended as end:
        server.stop(_GRACE_S).wait()
        return end.number
    return 0


def _bound(server: grpc.Server, address: str) -> int:
    """The port that the server listens at."""
    try:
        port: int = server.add_insecure_port(address)
    except RuntimeError as error:
        raise MachineError(f"serve can't listen at {address}: it is in use, or not this machine's; take another one") from error
    return port
