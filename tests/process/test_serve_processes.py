"""`journaltune serve` as a process: its socket, its end, its death."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import journaltune

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVE = [sys.executable, "-m", "journaltune", "serve"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A private folder with a study."""
    journaltune.create_study(tmp_path / "study.journal", params={"x": "float(0, 1)"}, sampler="random", seed=1).close()
    tmp_path.chmod(0o700)
    return tmp_path


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """A server; at a socket it is ready when this yields."""
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([*SERVE, *options], cwd=folder, text=True, **pipes) as process:
        try:
            if "--socket" in options:
                assert process.stderr is not None
                assert process.stderr.readline().startswith("journaltune: serving at")
            yield process
        finally:
            process.kill()


def ended(process: subprocess.Popen[str], number: int) -> int:
    process.send_signal(number)
    return process.wait(60)


def called(process: subprocess.Popen[str], method: str, *places: Any, **names: Any) -> Any:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(places) or names}) + "\n")
    process.stdin.flush()
    return json.loads(process.stdout.readline())["result"]


class Caller:
    """A client of a socket."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self._lines = self.socket.makefile("rb")

    def __call__(self, method: str, *params: Any) -> Any:
        self.socket.sendall(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}).encode() + b"\n")
        answer = json.loads(self._lines.readline())
        if answer.get("error", {}).get("code") == 5:
            raise EOFError  # the server ends, and an ask that was under way gets no trial
        return answer["result"]


def asked_again(folder: Path) -> tuple[int, int]:
    """Number and attempt of what a command asks for now."""
    done = subprocess.run([*SERVE[:-1], "ask"], cwd=folder, capture_output=True, text=True, check=True)
    trial = json.loads(done.stdout)
    return trial["number"], trial["attempt"]


def refused(folder: Path, path: object) -> tuple[int, str]:
    done = subprocess.run([*SERVE, "--socket", str(path)], cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.stderr.count("\n") == 1
    return done.returncode, done.stderr


def test_a_pipe_is_served_until_it_ends(folder: Path) -> None:
    with serving(folder, "--stdio") as process:
        assert called(process, "ask")["number"] == 0
        assert called(process, "tell", 0, 0.5) is None
        assert called(process, "ask")["number"] == 1
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, "", "")
    assert asked_again(folder) == (1, 2)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, -2), (signal.SIGKILL, -9)])
@pytest.mark.parametrize("way", ["--stdio", "--socket"])
def test_whatever_ends_a_server_its_trials_are_asked_again(folder: Path, number: int, code: int, way: str) -> None:
    options = [way] if way == "--stdio" else [way, "socket"]
    with serving(folder, *options) as process:
        call = Caller(folder / "socket") if way == "--socket" else lambda method: called(process, method)
        assert call("ask")["number"] == 0
        assert ended(process, number) == code
    assert asked_again(folder) == (0, 2)
    assert (folder / "socket").exists() == (way == "--socket" and number == signal.SIGKILL)


def test_what_a_library_prints_is_no_answer(folder: Path) -> None:
    (folder / "noisy.py").write_text("import optuna\nclass Noisy(optuna.samplers.RandomSampler):\n    pass\nprint('hello')\n")
    with serving(folder, "--stdio", "-f", "noisy.journal") as process:
        assert called(process, "studies", journal="study.journal")[0]["study"] == "study"
        called(process, "create", param="x: float(0, 1)", sampler="noisy:Noisy")
        assert called(process, "ask")["number"] == 0
        _, err = process.communicate(timeout=60)
    assert "hello" in err


def test_stdin_that_is_closed_is_the_end(folder: Path) -> None:
    done = subprocess.run(f"exec {' '.join(SERVE)} --stdio <&-", shell=True, cwd=folder, capture_output=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, b"")


def test_a_reader_that_is_gone_ends_a_pipe_and_its_trial_is_free(folder: Path) -> None:
    with serving(folder, "--stdio") as process:
        assert called(process, "status")["trials"]["running"] == 0
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.close()
        process.stdin.write('{"jsonrpc": "2.0", "id": 1, "method": "ask"}\n')
        process.stdin.flush()
        assert process.wait(60) == 0
    assert asked_again(folder) == (0, 2)


# -- the socket --------------------------------------------------------------------------------------------------------


def test_a_socket_is_its_users_alone_and_so_is_a_folder_that_is_made_for_it(folder: Path) -> None:
    with serving(folder, "--socket", "new/socket") as process:
        found = (folder / "new" / "socket").stat()
        assert (stat.S_ISSOCK(found.st_mode), stat.S_IMODE(found.st_mode)) == (True, 0o600)
        assert stat.S_IMODE((folder / "new").stat().st_mode) == 0o700
        ended(process, signal.SIGTERM)


def test_many_clients_share_a_server_and_one_that_dies_gives_its_trial_back(folder: Path) -> None:
    client = "import socket, time; s = socket.socket(socket.AF_UNIX); s.connect('socket')\n"
    client += """s.sendall(b'{"jsonrpc": "2.0", "id": 1, "method": "ask"}\\n'); print(s.recv(999), flush=True); time.sleep(99)"""
    with serving(folder, "--socket", "socket") as process:
        with subprocess.Popen([sys.executable, "-c", client], cwd=folder, stdout=subprocess.PIPE) as other:
            assert other.stdout is not None
            assert b'"number": 0' in other.stdout.readline()
            call = Caller(folder / "socket")
            assert call("ask")["number"] == 1
            other.kill()
            other.wait()
        free = threading.Event()
        while call("status")["running"][0]["standing"] == "alive":  # the server hears of it a moment later
            free.wait(0.01)
        trial = call("ask")
        assert (trial["number"], trial["attempt"]) == (0, 2)
        assert ended(process, signal.SIGTERM) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_what_was_acknowledged_outlives_a_server_that_ends_in_the_middle(folder: Path, number: int) -> None:
    told: list[tuple[int, float]] = []
    enough = threading.Event()

    def work(place: int) -> None:
        call = Caller(folder / "socket")
        try:
            while True:
                trial = call("ask")["number"]
                call("tell", trial, trial + place / 8)
                told.append((trial, trial + place / 8))
                if len(told) > 40:
                    enough.set()
        except (OSError, ValueError, EOFError):  # ValueError: half a line, or none, is no JSON
            return

    with serving(folder, "--socket", "socket") as process:
        threads = [threading.Thread(target=work, args=(place,)) for place in range(6)]
        for thread in threads:
            thread.start()
        assert enough.wait(60)
        assert ended(process, number) == (0 if number == signal.SIGTERM else -9)
        for thread in threads:
            thread.join(60)
    with journaltune.load_study(folder / "study.journal") as study:
        values = {trial.number: trial.value for trial in study.trials}
        assert {(trial, values[trial]) for trial, _ in told} == set(told)
        running = study.counts()["running"]
        assert [study.ask().attempt for _ in range(running)] == [2] * running
        assert study.verify().difference is None


def test_one_server_serves_at_a_socket_and_a_stale_one_is_replaced(folder: Path) -> None:
    with serving(folder, "--socket", "socket") as first:
        code, said = refused(folder, "socket")
        assert (code, "another process serves" in said) == (4, True)
        assert Caller(folder / "socket")("ask")["number"] == 0
        ended(first, signal.SIGKILL)
    with serving(folder, "--socket", "socket") as second:
        assert Caller(folder / "socket")("ask")["attempt"] == 2
        ended(second, signal.SIGTERM)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *(("socket", kind) for kind in ("link", "link to nowhere", "file", "folder")),
        *(("socket.lock", kind) for kind in ("link", "link to nowhere", "folder")),
    ],
)
def test_what_stands_in_the_sockets_place_is_refused_and_stays(folder: Path, name: str, kind: str) -> None:
    target, place = folder / "precious", folder / name
    target.write_text("data", encoding="utf-8")
    if kind == "file":
        place.write_text("data", encoding="utf-8")
    elif kind == "folder":
        place.mkdir()
    else:
        place.symlink_to(target if kind == "link" else "nowhere")
    inode = os.lstat(place).st_ino
    code, said = refused(folder, "socket")
    assert (code, str(place) in said) == (7, True)
    assert (os.lstat(place).st_ino, target.read_text(encoding="utf-8")) == (inode, "data")


def test_a_folder_that_others_can_enter_is_refused(folder: Path) -> None:
    shared = folder / "shared"
    shared.mkdir(mode=0o711)
    shared.chmod(0o711)
    code, said = refused(folder, "shared/socket")
    assert (code, "mkdir -m 700" in said) == (7, True)
    (folder / "planted").symlink_to(folder)
    assert refused(folder, "planted/socket")[0] == 7
    assert refused(folder, "/proc/socket")[0] == 7
    assert refused(folder, "x" * 120)[0] == 2


def test_a_call_says_which_way_to_serve(folder: Path) -> None:
    for options in ([], ["--stdio", "--socket", "socket"]):
        done = subprocess.run([*SERVE, *options], cwd=folder, capture_output=True, text=True, timeout=60)
        assert (done.returncode, "--socket PATH" in done.stderr) == (2, True)
