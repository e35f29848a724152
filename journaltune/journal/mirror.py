"""A journal on another machine: the same replayed state, out of the bytes that a server there reads from the file."""

from __future__ import annotations

import os
from binascii import crc32
from functools import reduce

from journaltune.base.errors import UsageError
from journaltune.journal import file as files
from journaltune.journal import records, system
from journaltune.journal.fold import Fold
from journaltune.journal.journal import Journal
from journaltune.journal.state import JournalState

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from journaltune.journal.journal import Asks, Locked

    News = tuple[int, bytes, bool]


def since(journal: Journal, offset: int, checksum: int | None = None) -> News:
    """What a mirror that has the bytes before ``offset`` lacks: where it begins, whole lines, and whether there is more.

    It begins at 0 where those bytes are not what the mirror has: the last of them were taken back, or, as far as a ``checksum``
    of all of them tells, the file is another one.
    """
    journal.sync()
    fd = journal.fd
    is_same = offset <= journal.offset and (offset == 0 or files.pread(fd, 1, offset - 1) == b"\n")
    if is_same and checksum is not None:
        is_same = reduce(lambda sum_, data: crc32(data, sum_), files.chunks(fd, offset), 0) == checksum
    start = offset if is_same else 0
    data = files.read_from(fd, start, files.CHUNK_BYTES)[: journal.offset - start]
    return start, data, start + len(data) < journal.offset


class Mirror(Journal):
    """A journal that is read here and written by the verbs of a server elsewhere. ``path`` is its URL.

    ``fetch(offset)`` answers as ``since`` does there; ``hang_up`` ends the connection until the next fetch.
    """

    __slots__ = ("_fetch", "_hang_up", "checksum")

    def __init__(self, url: str, fetch: Callable[[int], News], hang_up: Callable[[], None], lock_timeout_s: float) -> None:
        self.path, self.lock_timeout_s, self.allow_network_fs = url, lock_timeout_s, False
        self._fetch, self._hang_up = fetch, hang_up
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forget all: the next use reads the journal from its beginning."""
        self._state, self._reader, self._chain = JournalState(), records.RecordReader(), records.Chain()
        self.offset, self.checksum, self._stale = 0, 0, True

    def sync(self) -> None:
        while self.take(self._fetch(self.offset)):
            pass

    def take(self, news: News) -> bool:
        """Apply what a server read; whether there is more. What was read for another offset than the present one is left."""
        start, data, has_more = news
        if start != self.offset:
            if start:
                return True
            self.begin_anew()
        self._stale = True  # until all of it is applied
        self._fold(Fold(self.path, self._reader, self._state, self._chain), data)
        self.checksum = crc32(data, self.checksum)
        self._stale = False
        return has_more

    def break_off(self) -> None:
        self._hang_up()
        self.begin_anew()

    def close(self) -> None:
        self._hang_up()

    def save_snapshot(self) -> None:
        """A mirror keeps nothing on this machine."""

    def save_snapshot_when_due(self, *, lived: bool = False) -> None:
        """A mirror keeps nothing on this machine."""

    def locked(self, *, alone: bool = False) -> Locked:
        self._refuse()

    def asks(self, study_id: int) -> Asks:
        self._refuse()

    def flush(self, *, again: bool = False) -> None:
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise UsageError(f"this call does not work on a journal of another machine, {self.path}; make it there")


def local_path(host: str, path: str) -> str:
    """The name on this machine beside which everything is kept that belongs to the trials of a journal elsewhere.

    That is ``$XDG_STATE_HOME/journaltune/HOST/PATH``, by default below ``~/.local/state``. Trials' folders are in ``PATH.d``, as
    they are beside a journal. An empty file stands for the journal: its mode says who may use what is beside it.
    """
    state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    parts = [part for part in path.split("/") if part not in ("", ".", "..")]
    place = os.path.join(os.path.abspath(state), "journaltune", host.replace("/", "_"), *parts)
    try:
        os.makedirs(os.path.dirname(place), 0o700, exist_ok=True)
        os.close(system.create(place, os.O_WRONLY, 0o600))
    except OSError as error:
        files.refuse(error, place, "make")
    return place
