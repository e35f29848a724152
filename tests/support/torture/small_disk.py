"""A small file system that is really full, where this process may mount one."""

from __future__ import annotations

import ctypes
import os
from typing import TYPE_CHECKING

from journaltune.base.errors import MachineError
from journaltune.engine.ask import ask
from journaltune.engine.enqueue import enqueue
from journaltune.engine.tell import tell
from journaltune.study import open_study
from journaltune.study.trials import trials
from torture import journals, views

if TYPE_CHECKING:
    from pathlib import Path

_CLONE_NEWNS, _MS_PRIVATE, _MS_REC = 0x20000, 1 << 18, 1 << 14
_PAGE_BYTES = 4096


def mount(folder: Path, pages: int = 1) -> str:
    """Mount a file system of so many pages, for this process only; "" or why not."""
    libc = ctypes.CDLL(None, use_errno=True)
    place = folder / "small"
    place.mkdir(exist_ok=True)
    if libc.unshare(_CLONE_NEWNS) != 0 or libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None) != 0:
        return os.strerror(ctypes.get_errno())
    if libc.mount(b"tmpfs", bytes(place), b"tmpfs", 0, f"size={pages * _PAGE_BYTES}".encode()) != 0:
        return os.strerror(ctypes.get_errno())
    return ""


def fill(folder: Path, seed: int, number: int) -> list[tuple[str, str]]:
    """In a child: ask and tell until the disk is full; then free some room and go on."""
    if why := mount(folder, 6):
        return [("wrong", f"it could be mounted before, and not now: {why}")]
    path, filler = folder / "small" / "s.journal", folder / "small" / "filler"
    filler.write_bytes(b"x" * _PAGE_BYTES)
    study, told = journals.create(path, seed), dict[int, float]()
    enqueue(study, {"x": 0.5}, attrs={"pad": "p" * (number * 41 % _PAGE_BYTES)})  # the page's end falls into other bytes
    refused = 0
    while refused < 3:
        try:
            trial = ask(study).number
            tell(study, trial, trial / 7, attrs={"k": "✓"})
            told[trial] = trial / 7
        except MachineError:
            refused += 1
            study = open_study(path) if refused == 2 else study
    problems = [] if told else [("wrong", "nothing could be told before the file system was full")]
    problems += _missing(path, told)
    filler.unlink()
    trial = ask(study).number
    tell(study, trial, 0.5)
    return problems + _missing(path, {**told, trial: 0.5})


def _missing(path: Path, told: dict[int, float]) -> list[tuple[str, str]]:
    with open_study(path) as study:
        values = {trial.number: trial.value for trial in trials(study)}
    problems = [("lost", f"trial {number}") for number, value in told.items() if values.get(number) != value]
    problem = views.differs(path, views.ours(path))
    return problems + ([("wrong", problem)] if problem else [])
