"""What others may put into the place of a file, and what lies outside the journal's folder, where nothing may change."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torture.share import Run


def lay_out(run: Run) -> tuple[Path, Path]:
    """The place of a journal, and the folder outside its own folder."""
    outside = run.fresh("here", "outside/full") / "outside"
    (outside / "passwd").write_bytes(b"root:x:0:0:root:/root:/bin/sh\n" * 9)
    return run.folder / "here" / "s.journal", outside


def _outside(path: Path) -> Path:
    return next(parent / "outside" for parent in path.parents if (parent / "outside").exists())


PLANTS: dict[str, Callable[[Path], object]] = {
    "a folder": lambda path: path.mkdir(),
    "a FIFO": lambda path: os.mkfifo(path),
    "a link to nowhere": lambda path: path.symlink_to("nowhere/at/all"),
    "a link in a loop": lambda path: path.symlink_to(path.name),
    "a link to zeros": lambda path: path.symlink_to("/dev/zero"),
    "a link to another file": lambda path: path.symlink_to(_outside(path) / "passwd"),
    "a link to another folder": lambda path: path.symlink_to(_outside(path) / "full"),
    "a link to a new file elsewhere": lambda path: path.symlink_to(_outside(path) / "new"),
    "a hard link": lambda path: path.hardlink_to(_outside(path) / "passwd"),
    "a file": lambda path: path.write_bytes(b"what stands here"),
}
