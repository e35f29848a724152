"""Every study of a journal."""

from __future__ import annotations

import os

from journaltune.base.errors import NotFoundError
from journaltune.journal.journal import Journal
from journaltune.study.open_study import OpenStudy

TYPE_CHECKING = False
if TYPE_CHECKING:
    pass


class StudySummary:
    """One line about a study. ``best_value`` is None for several objectives, or before the first complete trial."""

    __slots__ = ("best_value", "counts", "directions", "name", "sampler")

    def __init__(self, study: OpenStudy) -> None:
        from journaltune.study.best import best_trials
        from journaltune.study.trials import counts

        self.name = study.name
        self.directions = study.directions
        self.sampler = study.sampler
        self.counts = counts(study)
        self.best_value: float | None = None
        if len(self.directions) == 1:
            try:
                self.best_value = best_trials(study)[0].value
            except NotFoundError:
                pass


def open_studies(
    path: str | os.PathLike[str], *, lock_timeout_s: float = 60.0, allow_network_fs: bool = False
) -> list[OpenStudy]:
    """Every study of a journal, oldest first; they share the open journal, so not for several threads."""
    journal = Journal(os.fspath(path), lock_timeout_s=lock_timeout_s, allow_network_fs=allow_network_fs)
    return [OpenStudy(journal, state) for state in journal.state.studies.values()]


def list_studies(
    path: str | os.PathLike[str], *, lock_timeout_s: float = 60.0, allow_network_fs: bool = False
) -> list[StudySummary]:
    """Every study of a journal, oldest first."""
    return list(map(StudySummary, open_studies(path, lock_timeout_s=lock_timeout_s, allow_network_fs=allow_network_fs)))
