"""`serve`: a call by a pipe beside the fsync in it, many clients at a socket beside as many cold commands, and its memory."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.bench import BenchError, clean_environment, interleave, program, timed
from benchmarks.table import Bar, Line, more, within

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.bench import Bench

    Call = Callable[..., Any]

MEMORY = "/dev/shm"
RECORDS_BYTES = 800  # about what an ask and a tell append
AT_MOST_MS = 1.0  # of our own in an ask and a tell
CLIENTS, AT_LEAST = 16, 5.0
SAME_MEMORY = 1.05
PAIRS, ASKS_EACH = 100, 20


def pairs(bench: Bench, row: str) -> list[Line]:
    """`ask` + `tell` by a pipe, and a write with an fsync on the same disk; and in memory, where an fsync costs nothing.

    The fsync of a journal that grows takes longer than that of a small file, so it can't be taken off by subtraction.
    """
    size = bench.size(1_000, 5)
    lines = []
    for sampler, bar in (("random", Bar("<=", AT_MOST_MS, "ms")), ("tpe", None)):
        path = bench.journals.ours(size, sampler)
        with (
            _in_memory(path) as copy,
            _by_pipe(path) as call,
            _by_pipe(copy) as own_call,
            (path.parent / "synced").open("ab", buffering=0) as file,
        ):
            _pair(call)
            _pair(own_call)
            measured = partial(_pair, call), partial(_synced, file.fileno()), partial(_pair, own_call)
            ours, fsync, own = interleave(f"{row}, {sampler}", bench.rounds(PAIRS), *measured)
        what = f"ask + tell at {size:,} trials, {sampler}"
        lines.append(Line(row, what, "ms", ours, "write + fsync", fsync))
        lines.append(Line(row, f"{what}, without the fsync", "ms", own, bar=bar))
    return lines


@contextmanager
def _in_memory(path: Path) -> Iterator[Path]:
    """A copy of the journal in a file system in memory."""
    if not os.path.isdir(MEMORY):
        raise BenchError(f"this row needs a file system in memory at {MEMORY}")
    with tempfile.TemporaryDirectory(prefix="jt-", dir=MEMORY) as folder:
        yield Path(shutil.copy(path, folder))


def clients(bench: Bench, row: str) -> list[Line]:
    """Asks a second of many clients at once: connections to one socket, and processes that ask once each."""
    n_clients, each = bench.size(CLIENTS, 2), bench.size(ASKS_EACH, 2)
    served_path, cold_path = (bench.journals.ours(bench.size(1_000, 5), "random") for _ in range(2))
    with tempfile.TemporaryDirectory(prefix="jt-") as folder, _by_socket(served_path, f"{folder}/s") as address:
        served, cold = interleave(
            row, bench.rounds(5), partial(_asks_served, address, n_clients, each), partial(_asks_cold, cold_path, n_clients)
        )
    return [more(row, f"asks of {n_clients} clients at once", "asks/s", served, "cold commands", cold, AT_LEAST)]


def memory(bench: Bench, row: str) -> list[Line]:
    """The resident set after 1,000 calls that change nothing, and after 100,000 more."""
    few, many = bench.size(1_000, 5), bench.size(100_000, 20)
    path = bench.journals.ours(bench.size(1_000, 5), "random")
    with _by_pipe(path) as call:
        samples = []
        for count in (few, many):
            for step in range(count // 2):
                call("attr")
                call("lookup", step % 5)
            samples.append(_resident_mib(call.args[0].pid))
    return [within(row, f"after {many:,} calls", "MiB", samples[1:], f"after {few:,}", samples[:1], SAME_MEMORY)]


def _pair(call: Call) -> float:
    """Milliseconds of an ask and the tell of its trial."""
    start = time.perf_counter()
    call("tell", call("ask")["number"], random.random())
    return (time.perf_counter() - start) * 1000


def _synced(fd: int) -> float:
    start = time.perf_counter()
    os.write(fd, b"x" * RECORDS_BYTES)
    os.fsync(fd)
    return (time.perf_counter() - start) * 1000


def _serve(path: Path, *options: str) -> list[str]:
    called = program("journaltune", "import sys; from journaltune.cli import main; sys.exit(main())")
    return [*called, "serve", "-f", str(path), *options]


@contextmanager
def _by_pipe(path: Path) -> Iterator[partial[Any]]:
    pipe = subprocess.PIPE
    with subprocess.Popen(_serve(path, "--stdio"), stdin=pipe, stdout=pipe, env=clean_environment()) as server:
        yield partial(_called, server)
        assert server.stdin is not None
        server.stdin.close()


def _called(server: subprocess.Popen[bytes], method: str, *params: Any) -> Any:
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(_request(method, params))
    server.stdin.flush()
    return _result(server.stdout.readline())


def _request(method: str, params: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}).encode() + b"\n"


def _result(line: bytes) -> Any:
    answer = json.loads(line) if line else {"error": "the server is gone"}
    if "error" in answer:
        raise BenchError(f"serve answered {answer['error']}")
    return answer["result"]


@contextmanager
def _by_socket(path: Path, address: str) -> Iterator[str]:
    command = _serve(path, "--socket", address)
    with subprocess.Popen(command, stderr=subprocess.PIPE, env=clean_environment()) as server:
        assert server.stderr is not None
        if b"serving at" not in server.stderr.readline():
            raise BenchError("serve did not begin")
        yield address
        server.send_signal(signal.SIGTERM)


def _asks_served(address: str, n_clients: int, each: int) -> float:
    """Asks a second, from when all clients are connected until the last one has its last answer."""
    gate, failed = threading.Barrier(n_clients + 1), list[BaseException]()

    def work() -> None:
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(address)
                answers = client.makefile("rb")
                gate.wait()
                for _ in range(each):
                    client.sendall(_request("ask", ()))
                    _result(answers.readline())
                done.wait()  # its trials are given back when it goes, and that is not measured
        except BaseException as error:
            failed.append(error)

    done = threading.Barrier(n_clients + 1)
    threads = [threading.Thread(target=work, daemon=True) for _ in range(n_clients)]
    for thread in threads:
        thread.start()
    gate.wait(60)
    start = time.perf_counter()
    done.wait(600)
    taken_s = time.perf_counter() - start
    for thread in threads:
        thread.join()
    if failed:
        raise BenchError(f"a client failed: {failed[0]!r}")
    return n_clients * each / taken_s


def _asks_cold(path: Path, n_clients: int) -> float:
    """Asks a second of commands that start at once, one each."""
    called = program("journaltune", "import sys; from journaltune.cli import main; sys.exit(main())")
    threads = [threading.Thread(target=timed, args=([*called, "ask", "-f", str(path)],)) for _ in range(n_clients)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return n_clients / (time.perf_counter() - start)


def _resident_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.split("VmRSS:")[1].split()[0]) / 1024
