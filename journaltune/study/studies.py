"""Every study of a journal."""

from __future__ import annotations

import os

from journaltune.base.errors import NotFoundError
from journaltune.base.frozen import Frozen
from journaltune.journal.journal import Journal
from journaltune.study import OpenStudy
from journaltune.study.trials import counts


class StudySummary(Frozen):
    """One line about a study. ``best_value`` is None for several objectives, or before the first complete trial.

    ``sampler`` is None for a study that another program made: no journal says with which sampler.
    """

    name: str
    directions: tuple[str, ...]
    sampler: str | None
    counts: dict[str, int]
    best_value: float | None


def open_studies(
    path: str | os.PathLike[str], *, lock_timeout_s: float = 60.0, allow_network_fs: bool = False
) -> list[OpenStudy]:
    """Every study of a journal, oldest first. They share one open journal, so they are not for several threads."""
    journal = Journal(os.fspath(path), lock_timeout_s=lock_timeout_s, allow_network_fs=allow_network_fs)
    return [OpenStudy(journal, state) for state in journal.state.studies.values()]


def list_studies(
    path: str | os.PathLike[str], *, lock_timeout_s: float = 60.0, allow_network_fs: bool = False
) -> list[StudySummary]:
    """One line about every study of a journal, oldest first."""
    return list(map(_summary, open_studies(path, lock_timeout_s=lock_timeout_s, allow_network_fs=allow_network_fs)))


def _summary(study: OpenStudy) -> StudySummary:
    return StudySummary(study.name, study.directions, study.sampler if study.is_ours else None, counts(study), _best_value(study))


def _best_value(study: OpenStudy) -> float | None:
    from journaltune.study.best import best_trials  # not for ``lookup``, which only opens the studies

    if len(study.directions) != 1:
        return None
    try:
        return best_trials(study)[0].value
    except NotFoundError:
        return None
