"""Studies that stay open between the requests of many clients: a bounded number of them, the latest used ones."""

from __future__ import annotations

import threading

from journaltune.base.errors import JournaltuneError
from journaltune.study import OpenStudy, open_study

TYPE_CHECKING = False
if TYPE_CHECKING:
    from journaltune.journal.state import StudyState

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

    def opened(self, path: str, name: str | None, *, for_asks: bool = False, is_brief: bool = False) -> Use:
        """A study as it is now, as a context; without a name, the only one. Errors as ``open_study``.

        Asks have a handle of their own: a call waits for the others on its handle, and a slow sampler must not hold up a tell.
        A brief call takes that handle too while nobody uses it: the second one would have to read what was asked, and the first
        one what was told.
        """
        return Use(self, (path, name, for_asks), is_brief and not for_asks)

    def _taken(self, key: Key, is_brief: bool) -> _Entry:
        with self._lock:
            if key[1] is not None:
                key = self._unnamed(key)
            if is_brief:
                of_asks = self._entries.get((*key[:2], True))
                key = *key[:2], of_asks is None or not of_asks.n_users
            entry = self._entries.pop(key, None) or _Entry()
            entry.n_users += 1
            self._entries[key] = entry
        return entry

    def _unnamed(self, key: Key) -> Key:
        """The key of calls that name no study, where they mean the same one: a client's trials are given back by name."""
        path, name, _ = key
        entries = [self._entries.get((path, None, for_asks)) for for_asks in (True, False)]
        is_same = any(entry is not None and entry.study is not None and entry.study.name == name for entry in entries)
        return (path, None, key[2]) if is_same else key

    def _study(self, entry: _Entry, key: Key) -> OpenStudy:
        path, name, _ = key  # of the call, whatever calls opened the entry
        with entry.lock:
            if entry.study is None or not _is_current(entry.study, name):
                entry.study = None  # not closed: another thread may use it; its file is closed with its last user
                entry.study = open_study(path, name, lock_timeout_s=self._lock_timeout_s, allow_network_fs=self._allow_network_fs)
            return entry.study

    def _left(self, entry: _Entry) -> None:
        with self._lock:
            entry.n_users -= 1
            n_surplus = len(self._entries) - self._most_open
            surplus = self._taken_out(n_surplus) if n_surplus > 0 else []
        if surplus:
            _close(surplus)

    def _taken_out(self, most: int) -> list[_Entry]:
        """Some of those that nobody uses, the ones that were not used for the longest time."""
        idle = [key for key, entry in self._entries.items() if not entry.n_users]
        return [self._entries.pop(key) for key in idle[:most]]

    def close(self) -> None:
        """Close those that nobody uses."""
        with self._lock:
            entries = self._taken_out(len(self._entries))
        _close(entries)


class Use:
    """See ``Studies.opened``."""

    __slots__ = ("_entry", "_is_brief", "_key", "_studies")

    def __init__(self, studies: Studies, key: Key, is_brief: bool) -> None:
        self._studies, self._key, self._is_brief = studies, key, is_brief

    def __enter__(self) -> OpenStudy:
        self._entry = self._studies._taken(self._key, self._is_brief)
        try:
            return self._studies._study(self._entry, self._key)
        except BaseException:
            self._studies._left(self._entry)
            raise

    def __exit__(self, *_: object) -> None:
        self._studies._left(self._entry)


def _close(entries: list[_Entry]) -> None:
    for entry in entries:
        try:
            if entry.study is not None:
                entry.study.close()
        except (OSError, JournaltuneError):  # a journal that is gone, or a snapshot that could not be written
            continue


def _is_current(study: OpenStudy, name: str | None) -> bool:
    """Whether the journal still has this study under this name, and, without a name, no other one."""

    def is_meant(state: StudyState) -> bool:
        return len(study.journal.state.studies) == 1 if name is None else state.name == name

    try:
        return study.look(is_meant)
    except JournaltuneError:
        return False
