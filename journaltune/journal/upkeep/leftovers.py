"""What processes left beside a journal when they died."""

from __future__ import annotations

import os

from journaltune.journal import file as files

STOCK_PATIENCE_S = 2.0  # Optuna holds its lock for one append


def describe(path: str) -> list[str]:
    """In words, each with the path. Nothing of it is wrong, and all of it may be deleted."""
    folder = files.folder_of(path)
    left = [f"{folder}/{name} of process {pid}, which is gone" for name, pid in _abandoned(folder)]
    try:
        copies = len(os.listdir(f"{folder}/quarantine"))
    except OSError:
        copies = 0
    if copies:
        left.append(f"{folder}/quarantine: {copies} {'copy' if copies == 1 else 'copies'} of what was mended")
    return left + stock_locks(path)


def _abandoned(folder: str) -> list[tuple[str, int]]:
    """Temporary files whose writers are gone, with the writers' pids."""
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return []
    parts = [(name, name.split(".")) for name in names if name.endswith(".tmp")]
    return [(name, int(words[-2])) for name, words in parts if words[-2].isdigit() and not _lives(int(words[-2]))]


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


def stock_locks(path: str) -> list[str]:
    """The locks of Optuna's and Rustuna's writers that are held for longer than a write takes, in words."""
    from time import time

    left = []
    for name in files.names_of(path):
        try:
            age_s = time() - os.lstat(f"{name}.lock").st_mtime
        except OSError:
            continue
        if abs(age_s) >= STOCK_PATIENCE_S:
            age = f"{age_s:.0f} s old" if age_s > 0 else "of a time to come"
            waiting = "Optuna and Rustuna wait for the process that made it; if it died, our next write after 30 s removes it"
            left.append(f"{name}.lock, {age}: {waiting}")
    return left
