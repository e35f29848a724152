"""Studies that stay open between the requests of many clients: a bounded number of them, the latest used ones."""

from __future__ import annotations

import threading
from contextlib import contextmanager

from journaltune.base.errors import JournaltuneError
from journaltune.study import OpenStudy, open_study

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    Key = tuple[str, str | None, bool]

MOST_OPEN = 64


class _Entry:
    """A place for one open study: ``lock`` keeps it from being opened twice, ``n_users`` from being closed in use."""

    __slots__ = ("lock", "n_users", "study")

    def __init__(self) -> None:
        self.lock, self.n_users = threading.Lock(), 0
        self.study: OpenStudy | None = None


class Studies:
    """Open studies by journal and name. For several threads."""

    def __init__(self, *, lock_timeout_s: float = 60.0, allow_network_fs: bool = False, most_open: int = MOST_OPEN) -> None:
        self._lock_timeout_s, self._allow_network_fs = lock_timeout_s, allow_network_fs
        self._most_open = most_open
        self._lock = threading.Lock()
        self._entries: dict[Key, _Entry] = {}  # the latest used last

    @contextmanager
    def opened(self, path: str, name: str | None, *, for_asks: bool = False) -> Iterator[OpenStudy]:
        """A study as it is now; without a name, the only one. Errors as ``open_study``.

        Asks have a handle of their own: a call waits for the others on its handle, and a slow sampler must not hold up a tell.
        """
        entry = self._taken((path, name, for_asks))
        try:
            yield self._study(entry, path, name)
        finally:
            with self._lock:
                entry.n_users -= 1
            self._close_surplus()

    def _taken(self, key: Key) -> _Entry:
        with self._lock:
            entry = self._entries.pop(key, None) or _Entry()
            entry.n_users += 1
            self._entries[key] = entry
        return entry

    def _study(self, entry: _Entry, path: str, name: str | None) -> OpenStudy:
        with entry.lock:
            if entry.study is None or not _is_current(entry.study, name):
                entry.study = None  # not closed: another thread may use it; its file is closed with its last user
                entry.study = open_study(path, name, lock_timeout_s=self._lock_timeout_s, allow_network_fs=self._allow_network_fs)
            return entry.study

    def _close_surplus(self) -> None:
        with self._lock:
            idle = [key for key, entry in self._entries.items() if not entry.n_users]
            surplus = [self._entries.pop(key) for key in idle[: max(0, len(self._entries) - self._most_open)]]
        _close(surplus)

    def close(self) -> None:
        """Close those that nobody uses."""
        with self._lock:
            idle = [key for key, entry in self._entries.items() if not entry.n_users]
            entries = [self._entries.pop(key) for key in idle]
        _close(entries)


def _close(entries: list[_Entry]) -> None:
    for entry in entries:
        try:
            if entry.study is not None:
                entry.study.close()
        except (OSError, JournaltuneError):  # a journal that is gone, or a snapshot that could not be written
            continue


def _is_current(study: OpenStudy, name: str | None) -> bool:
    """Whether the journal still has this study under this name, and, without a name, no other one."""
    try:
        with study.turn.lock, study.turn:
            study.journal.sync()
            there = study.journal.state.studies
            named = study.study_id in there and (name is None or there[study.study_id].name == name)
            return named and (name is not None or len(there) == 1)
    except JournaltuneError:
        return False
