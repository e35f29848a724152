"""The locks of an open journal as contexts."""

from __future__ import annotations

from journaltune.journal import lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from journaltune.journal.journal import Journal


class Locked:
    """Inside, only writers without our lock interfere; with ``alone``, not even those."""

    __slots__ = ("_alone", "_journal")

    def __init__(self, journal: Journal, alone: bool) -> None:
        self._journal, self._alone = journal, alone

    def __enter__(self) -> None:
        self._journal._acquire()
        if self._alone:
            try:
                self._journal._keep_others_out()
            except BaseException:
                self._journal._release()
                raise

    def __exit__(self, *_: object) -> None:
        try:
            self._journal._let_others_in()
        finally:
            self._journal._release()


class Asks:
    """Inside, nobody else asks in that study."""

    __slots__ = ("_fd", "_journal", "_study_id")

    def __init__(self, journal: Journal, study_id: int) -> None:
        self._journal, self._study_id = journal, study_id

    def __enter__(self) -> None:
        journal = self._journal
        journal._writable()
        self._fd = journal._fd
        if not lock.has_range_locks():
            journal._acquire()
            return
        try:
            if not lock.try_asks(self._fd, self._study_id):
                journal.sync()  # so that less is left to read while others wait for this one
                lock.acquire_asks(self._fd, journal.path, self._study_id, journal.lock_timeout_s)
        except BaseException:
            journal.close()
            raise

    def __exit__(self, *_: object) -> None:
        journal = self._journal
        if not lock.has_range_locks():
            journal._release()
        elif journal._fd == self._fd:
            lock.release_asks(self._fd, self._study_id)
