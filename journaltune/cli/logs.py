"""``journaltune logs``: what a trial's command printed."""

from __future__ import annotations

import os
import sys

from journaltune.base.errors import NotFoundError
from journaltune.cli import output
from journaltune.cli.options import Argument, Command, Option, opened
from journaltune.cli.values import whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from journaltune.cli.options import Options
    from journaltune.run.folders import Folder

_CHUNK_BYTES = 1 << 20

COMMAND = Command(
    "logs",
    """Prints what the command of a trial printed under `run`, as it is: its stdout on stdout, its stderr on stderr. A
trial that was made several times has the outputs of all its attempts, one behind the other.""",
    (Option("--folder", "folder", None, "print the path of the trial's folder instead"),),
    (Argument("NUMBER", "number", whole()),),
    examples="""journaltune logs 17
journaltune logs 17 | tail
ls "$(journaltune logs 17 --folder)\"""",
)


def run(options: Options) -> int:
    from journaltune.run.folders import folder_of

    output.require_open()
    number = options["number"]
    with opened(options) as study:
        n_trials = study.look(lambda state: state.n_trials)
        folder, name = folder_of(study.local_path, study.study_id, number), study.name
    if number >= n_trials:
        raise NotFoundError(f"study {name!r} has no trial {number}; `journaltune trials` lists them")
    if not os.path.exists(folder.stdout):
        raise NotFoundError(f"trial {number} has no logs in {folder.path}: `run` did not run it, or the folder was removed")
    if options["folder"]:
        output.write(f"{folder.path}\n")
    else:
        _print(folder)
    return 0


def _print(folder: Folder) -> None:
    for path, descriptor in ((folder.stderr, 2), (folder.stdout, 1)):
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            while chunk := os.read(fd, _CHUNK_BYTES):
                _write(descriptor, chunk)
        finally:
            os.close(fd)
    sys.stdout.flush()


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
