"""The program in a process of its own, forked from the tests': it is spared Python's start and the imports, which take longer."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from journaltune import cli

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def call(arguments: Sequence[str | bytes], folder: Path, env: Mapping[str, str]) -> subprocess.CompletedProcess[bytes]:
    """One call of ``journaltune`` in ``folder``, without input; ``env`` says nothing of encodings."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        pid = os.fork()
        if pid == 0:
            _be_the_program(arguments, folder, env, out.fileno(), err.fileno())
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read())
    return subprocess.CompletedProcess(["journaltune", *arguments], code, *texts)


def _be_the_program(arguments: Sequence[str | bytes], folder: Path, env: Mapping[str, str], out: int, err: int) -> NoReturn:
    try:
        nothing = os.open(os.devnull, os.O_RDONLY)
        for descriptor, place in ((nothing, 0), (out, 1), (err, 2)):
            os.dup2(descriptor, place)
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(env)
        sys.stdin, sys.stdout = os.fdopen(0, encoding="utf-8"), os.fdopen(1, "w", encoding="utf-8")
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1)
        sys.argv = ["journaltune", *map(os.fsdecode, arguments)]
        cli.command()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(99)
