"""Trials' folders: what a trainer prints, its parameters, its result, and whatever it keeps for a next attempt."""

from __future__ import annotations

import os

from journaltune.base.errors import MachineError
from journaltune.base.frozen import Frozen
from journaltune.base.jsontext import dumps_spaced
from journaltune.journal import file as files
from journaltune.journal import system

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


_FILE_TIME_US = 100_000  # file systems have the time of the kernel's last tick


class Folder(Frozen):
    """The folder of a trial, the same for every attempt at it."""

    path: str

    @property
    def stdout(self) -> str:
        return f"{self.path}/stdout.log"

    @property
    def stderr(self) -> str:
        return f"{self.path}/stderr.log"

    @property
    def params(self) -> str:
        return f"{self.path}/params.json"

    @property
    def result(self) -> str:
        return f"{self.path}/result"


def trials_folder(journal_path: str, study_id: int) -> str:
    """Where a study's trials have their folders. Studies that share a journal each have their own trial 0."""
    trials = f"{files.folder_of(journal_path)}/trials"
    return trials if study_id == 0 else f"{trials}/study-{study_id}"


def folder_of(journal_path: str, study_id: int, number: int) -> Folder:
    return Folder(f"{trials_folder(journal_path, study_id)}/{number:06}")


def prepare(
    journal_path: str, study_id: int, number: int, params: Mapping[str, Any], began_us: int, is_first_attempt: bool
) -> Folder:
    """Make a trial's folder ready for an attempt; what an earlier attempt at the same trial left stays, but for its result.

    ``began_us``: when the trial was asked for first. An older folder was left by a journal that was deleted, and is moved aside:
    no trainer may go on from checkpoints of another trial. MachineError when the machine refuses.
    """
    folder, text = folder_of(journal_path, study_id, number), _params_text(params)
    try:
        if is_first_attempt or not _is_of(folder, text, began_us):
            _make(folder, journal_path, study_id)
            _write(folder.params, text)
        else:
            files.remove(folder.result)
    except OSError as error:
        raise MachineError(f"cannot make {folder.path} ready for a trial: {error.strerror or error}") from error
    return folder


def _params_text(params: Mapping[str, Any]) -> str:
    return f"{dumps_spaced(dict(params))}\n"


def _is_of(folder: Folder, params_text: str, began_us: int) -> bool:
    """Whether an earlier attempt at the trial made the folder: with the same parameters, and not before it was asked for."""
    try:
        with open(folder.params, encoding="utf-8") as file:
            is_newer = os.fstat(file.fileno()).st_mtime_ns // 1000 >= began_us - _FILE_TIME_US
            return is_newer and file.read() == params_text
    except (OSError, ValueError):
        return False


def at_hand(journal_path: str, study_id: int, number: int, params: Mapping[str, Any]) -> Folder:
    """The folder of a trial, made with its parameters where no run made it. MachineError when the machine refuses."""
    folder = folder_of(journal_path, study_id, number)
    try:
        files.make_folder(journal_path)
        for path in (*_parents(journal_path, study_id), folder.path):
            files.make_plain_folder(path, journal_path)
        if not os.path.exists(folder.params):
            _write(folder.params, _params_text(params))
    except OSError as error:
        raise MachineError(f"cannot make {folder.path}: {error.strerror or error}") from error
    return folder


def _parents(journal_path: str, study_id: int) -> list[str]:
    return list(dict.fromkeys((trials_folder(journal_path, 0), trials_folder(journal_path, study_id))))


def _make(folder: Folder, journal_path: str, study_id: int) -> None:
    """A new folder, without a look at what is there already: nearly always nothing is in its way."""
    try:
        system.mkdir(folder.path, _mode(journal_path))
        return
    except FileNotFoundError:
        files.make_folder(journal_path)
        for path in _parents(journal_path, study_id):
            files.make_plain_folder(path, journal_path)
    except FileExistsError:
        _move_aside(folder.path)
    system.mkdir(folder.path, _mode(journal_path))


def _mode(journal_path: str) -> int:
    mode = files.mode_of(journal_path)
    return 0o700 | mode | (mode & 0o444) >> 2


def _move_aside(path: str) -> None:
    number = 1
    while os.path.lexists(f"{path}.old-{number}"):
        number += 1
    system.rename(path, f"{path}.old-{number}")


def _write(path: str, text: str) -> None:
    fd = system.create(path, os.O_WRONLY | os.O_EXCL)
    try:
        files.write_all(fd, text.encode("utf-8", "surrogatepass"))
    finally:
        os.close(fd)
