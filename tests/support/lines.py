"""The lines of a journal, taken apart and put together again, and what two readers make of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from journaltune import load_study


def lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().split(b"\n")[:-1]


def put(path: Path, lines: list[bytes]) -> None:
    path.write_bytes(b"".join(line + b"\n" for line in lines))


def results(path: Path) -> list[Any]:
    """Parameters and values of each trial, on which ours and stock Optuna's reader agree."""
    ours = [(trial.params, trial.values) for trial in load_study(path).trials]
    storage = JournalStorage(JournalFileBackend(str(path)))
    assert [(trial.params, trial.values) for trial in storage.get_all_trials(0)] == ours
    return ours
