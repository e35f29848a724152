"""A process that `warm` forks is what a new interpreter would be, as far as its caller and its code can see."""

from __future__ import annotations

import json
import marshal
import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

SCRIPT = """
import json, os, sys
print(json.dumps([sys.argv, os.getcwd(), os.environ["OF_MINE"], sys.stdin.read(), __name__, os.getpgrp()]))
print("said", file=sys.stderr)
sys.exit(int(sys.argv[-1]))
"""


@pytest.fixture(params=["shell", "warm"])
def env(request: pytest.FixtureRequest) -> dict[str, str]:
    return {**request.getfixturevalue(f"{request.param}_env"), "OF_MINE": "a\nb"}


def called(env: dict[str, str], folder: Path, *command: str, text: str = "") -> tuple[int, str, str]:
    done = subprocess.run(command, env=env, cwd=folder, input=text, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("how", ["-c", "-", "script.py"])
def test_it_has_its_callers_arguments_folder_environment_streams_and_group(env: dict[str, str], tmp_path: Path, how: str) -> None:
    (tmp_path / "script.py").write_text(SCRIPT, encoding="utf-8")
    words = [how, SCRIPT] if how == "-c" else [how]
    text = SCRIPT if how == "-" else "ü"
    seen = [[how, "é", "5"], str(tmp_path), "a\nb", "" if how == "-" else "ü", "__main__", os.getpgrp()]
    code, out, err = called(env, tmp_path, "python", *words, "é", "5", text=text)
    assert (code, err) == (5, "said\n")
    assert json.loads(out) == seen


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        ("raise SystemExit", 0, ""),
        ("raise SystemExit('no')", 1, "no"),
        ("1 / 0", 1, "ZeroDivisionError: division by zero"),
        ("raise KeyboardInterrupt", -signal.SIGINT, "KeyboardInterrupt"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL, ""),
        ("import atexit, sys; atexit.register(print, 'bye', file=sys.stderr)", 0, "bye"),
    ],
)
def test_it_ends_as_an_interpreter_does(env: dict[str, str], tmp_path: Path, body: str, code: int, said: str) -> None:
    found, out, err = called(env, tmp_path, "python", "-c", body)
    assert (found, out, err.splitlines()[-1:]) == (code, "", [said] if said else [])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_signal_reaches_it(env: dict[str, str], tmp_path: Path, number: int) -> None:
    command = ["python", "-c", "import os, time; os.write(1, b'.'); time.sleep(60)"]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        assert process.stdout.read(1) == b"."
        process.send_signal(number)
        assert process.stdout.read() == b"", "its end of the pipe is closed: it is gone"
        assert process.wait() == -number


@pytest.mark.parametrize("after", ["nothing", "a part of what it wants", "all of it, but reads no answer"])
def test_a_client_that_is_killed_leaves_a_server_for_the_others(warm_env: dict[str, str], tmp_path: Path, after: str) -> None:
    request = marshal.dumps(("python", ["-c", "pass"], os.fsencode(tmp_path), dict(os.environb), os.getpgrp(), []))
    with socket.socket(socket.AF_UNIX) as client, open(os.devnull, "r+b") as null:
        client.connect(str(Path(warm_env["PATH"].partition(os.pathsep)[0]) / "socket"))
        if after != "nothing":
            socket.send_fds(client, [len(request).to_bytes(4, "big")], [null.fileno()] * 3)
            client.sendall(request[: 9 if after.startswith("a part") else len(request)])
        if after.startswith("all"):
            client.recv(4, socket.MSG_PEEK)  # it is there
    assert called(warm_env, tmp_path, "python", "-c", "print(5)") == (0, "5\n", "")


def test_the_program_answers_and_refuses(env: dict[str, str], tmp_path: Path) -> None:
    assert called(env, tmp_path, "journaltune", "create", "--param", "x: float(0, 1)", "--seed", "1")[0] == 0
    code, out, err = called(env, tmp_path, "journaltune", "ask")
    assert (code, out[:12], err) == (0, '{"number": 0', "")
    code, out, err = called(env, tmp_path, "journaltune", "tell", "7", "1")
    assert (code, out, err.splitlines()[0][:13]) == (3, "", "journaltune: ")


def test_random_numbers_are_its_own(env: dict[str, str], tmp_path: Path) -> None:
    body = "import random, numpy; print(random.random(), numpy.random.random())"
    assert called(env, tmp_path, "python", "-c", body)[1] != called(env, tmp_path, "python", "-c", body)[1]


def test_what_depends_on_more_starts_for_real(warm_env: dict[str, str], tmp_path: Path) -> None:
    body = "import os, sys; print('optuna' in sys.modules, sys.flags.optimize)"
    assert called(warm_env, tmp_path, "python", "-c", body)[1] == "True 0\n"
    assert called({**warm_env, "PYTHONOPTIMIZE": "2"}, tmp_path, "python", "-c", body)[1] == "False 2\n"
    assert called(warm_env, tmp_path, "python", "-O", "-c", body)[1] == "False 1\n"
