"""Trials of a study in one of Optuna's own storages: SQLite, PostgreSQL, MySQL, Redis."""

from __future__ import annotations

import os

import optuna

from journaltune.base.constraints import constraints_in
from journaltune.base.errors import ConflictError, NotFoundError, UsageError
from journaltune.study.columns import Past

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial

_SQLITE = "sqlite:///"


def past_trials(url: str, name: str, directions: Sequence[str]) -> Iterator[Past]:
    """The trials of the study of that name, else of the only one there, by number. NotFoundError, ConflictError for other
    directions, UsageError for a storage that can't be opened."""
    study = _opened(url, name)
    theirs = tuple(direction.name.lower() for direction in study.directions)
    if theirs != tuple(directions):
        raise ConflictError(f"study {study.study_name!r} in {url} has the directions {', '.join(theirs)}; they can't be compared")
    return map(_past, study.get_trials(deepcopy=False))


def _opened(url: str, name: str) -> optuna.Study:
    require_database(url)
    try:
        storage = storage_at(url)
        names = optuna.get_all_study_names(storage)
        if name not in names and len(names) == 1:
            name = names[0]
        if name in names:
            return optuna.load_study(study_name=name, storage=storage, sampler=optuna.samplers.RandomSampler())
    except Exception as error:  # whatever the driver raises
        raise UsageError(f"{url} can't be read by Optuna: {' '.join(str(error).split())[:200]}") from error
    raise NotFoundError(f"{url} has no study {name!r}; it has {', '.join(map(repr, names)) or 'none'}: name one with --from")


def storage_at(url: str) -> BaseStorage:
    """Optuna's storage there. Whatever the driver raises; ImportError where it is missing."""
    if url.startswith(("redis://", "rediss://")):
        from warnings import catch_warnings, simplefilter

        from optuna.storages.journal import JournalRedisBackend

        with catch_warnings():
            simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return optuna.storages.JournalStorage(JournalRedisBackend(url))
    return optuna.storages.RDBStorage(url)


def require_database(url: str) -> None:
    """NotFoundError for a SQLite file that is not there: SQLite would make it."""
    path = url.removeprefix(_SQLITE).partition("?")[0] if url.startswith(_SQLITE) else ""
    if path and not os.path.exists(path):
        raise NotFoundError(f"there is no database {path}; sqlite:///FILE is relative, sqlite:////FILE absolute")


def _past(trial: FrozenTrial) -> Past:
    return Past(
        f"trial {trial.number}",
        int(trial.state) if trial.state.is_finished() else None,
        dict(trial.params),
        trial.values,
        dict(trial.user_attrs),
        constraints_in(trial.system_attrs),
        dict(trial.intermediate_values),
        _iso(trial.datetime_start),
        _iso(trial.datetime_complete),
    )


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone().isoformat()
