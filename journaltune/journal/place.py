"""Which file a journal is: another machine may have another one under the same path, or none."""

from __future__ import annotations

import os
from binascii import crc32

from journaltune.base.errors import MachineError, NotFoundError
from journaltune.base.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from journaltune.journal.journal import Journal

_HEAD_BYTES = 4096


class Place(Frozen):
    """A journal's file. A copy has another inode; where two machines made theirs in the same way, these begin otherwise: a
    study's record has its time or its seed. Both hold over a reboot, in a container, and on a shared file system."""

    path: str
    host: str
    inode: int
    head_bytes: int
    head_crc: int


def place_of(journal: Journal) -> Place:
    """Where an open journal is. OSError where its file is gone."""
    return _place(journal.path, _HEAD_BYTES)


def require_here(place: Place) -> None:
    """NotFoundError or MachineError unless this process sees that very file: what it wrote into another one would be lost."""
    here = os.uname().nodename
    next_step = (
        f"an objective that runs elsewhere than {place.host} has its parameters and returns its value; reports, pruning and the "
        "study need Dask's executor"
    )
    try:
        found = _place(place.path, place.head_bytes)
    except OSError:
        raise NotFoundError(f"there is no journal {place.path} on {here}; it is on {place.host}: {next_step}") from None
    if found.but(host=place.host) != place:
        raise MachineError(f"{place.path} on {here} is another file than the journal on {place.host}: {next_step}")


def _place(path: str, most_bytes: int) -> Place:
    with open(path, "rb") as file:
        head = file.read(most_bytes)
        return Place(path, os.uname().nodename, os.fstat(file.fileno()).st_ino, len(head), crc32(head))
