"""A study copied to another journal, or to one of Optuna's own storages, and back.

What a storage of Optuna's has no place for, the settings of a study of ours, stands in the study's system attribute
``journaltune:config``, which a journal reads as its settings again. Not copied is what only the records of a journal tell: how
much of it an ask saw, and who owned a trial.
"""

from __future__ import annotations

import os
from contextlib import contextmanager

from optuna.storages import JournalStorage, RDBStorage
from optuna.trial import TrialState

from journaltune.base.errors import ConflictError, JournaltuneError, MachineError, NotFoundError, UsageError
from journaltune.base.frozen import Frozen
from journaltune.journal.file import require_name
from journaltune.journal.records import CONFIG_ATTR
from journaltune.optuna_bridge.backend import JournaltuneStorage, stock_record_of
from journaltune.optuna_bridge.stored import require_database, storage_at
from journaltune.study import open_study

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from optuna.storages import BaseStorage
    from optuna.study import StudyDirection
    from optuna.trial import FrozenTrial

_UNFINISHED = "journaltune:copying"  # system attribute of a copy: true until all of it is there
_BATCH = 500


class Copied(Frozen):
    """The study's name, how many trials were copied, and how many of them run: their owners go on with the original."""

    study: str
    n_trials: int
    n_running: int


class _Original(Frozen):
    name: str
    directions: Sequence[StudyDirection]
    user_attrs: dict[str, Any]
    system_attrs: dict[str, Any]
    trials: Sequence[FrozenTrial]


def copy_study(
    source: str, name: str | None, dest: str, *, lock_timeout_s: float = 60.0, allow_network_fs: bool = False
) -> Copied:
    """Copy one study. ``source`` and ``dest`` are paths of journals or URLs of Optuna storages; a missing journal is made.

    Numbers, states, values, parameters, attributes, intermediate values, constraints and times are the same there. A copy that
    fails is taken back; one that was killed is made anew by the next call.

    Raises ConflictError where ``dest`` has a study of that name, NotFoundError, UsageError for a name or URL that can't be used.
    """
    access = {"lock_timeout_s": lock_timeout_s, "allow_network_fs": allow_network_fs}
    require_name(dest)
    if "://" not in source:
        with open_study(source, name, **access) as study:  # type: ignore[arg-type]
            name, source = study.name, study.path
        if "://" not in dest and os.path.realpath(dest) == os.path.realpath(source):
            raise ConflictError(f"{dest} is the journal itself; copy the study to another one")
    with _translated(source):
        original = _read(_opened(source, access, is_source=True), name, source)
    with _translated(dest):
        _write(_opened(dest, access), original, dest)
    n_running = sum(trial.state == TrialState.RUNNING for trial in original.trials)
    return Copied(original.name, len(original.trials), n_running)


@contextmanager
def _translated(place: str) -> Iterator[None]:
    """Errors of drivers as one line that names the storage."""
    try:
        yield
    except (JournaltuneError, OSError):
        raise
    except ImportError as error:
        raise UsageError(f"{place} needs a driver that is not installed: {_first_line(error)}") from error
    except Exception as error:
        raise MachineError(f"{place} can't be used: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    """SQLAlchemy shows the whole statement in the next ones."""
    return next(iter(str(error).splitlines()), type(error).__name__)[:200]


def _opened(place: str, access: dict[str, Any], *, is_source: bool = False) -> BaseStorage:
    if "://" not in place:
        return JournaltuneStorage(place, create=not is_source, **access)
    if is_source:
        require_database(place)
    return storage_at(place)


def _read(storage: BaseStorage, name: str | None, place: str) -> _Original:
    names = {study.study_name: study._study_id for study in storage.get_all_studies()}
    if name is None and len(names) == 1:
        name = next(iter(names))
    if name not in names:
        listed = ", ".join(map(repr, names)) or "none"
        raise NotFoundError(f"{place} has no study {name!r}; it has {listed}: name one with --study")
    study_id = names[name]
    system_attrs = {key: value for key, value in storage.get_study_system_attrs(study_id).items() if key != _UNFINISHED}
    if isinstance(storage, JournaltuneStorage) and CONFIG_ATTR not in system_attrs:
        config = storage.config_of(study_id)
        system_attrs |= {} if config is None else {CONFIG_ATTR: config}
    return _Original(
        name,
        storage.get_study_directions(study_id),
        storage.get_study_user_attrs(study_id),
        system_attrs,
        storage.get_all_trials(study_id, deepcopy=False),
    )


def _write(storage: BaseStorage, original: _Original, place: str) -> None:
    for study in storage.get_all_studies():
        if study.study_name == original.name:
            if not study.system_attrs.get(_UNFINISHED):
                raise ConflictError(f"{place} has a study {original.name!r} already; delete it there, or copy to another place")
            storage.delete_study(study._study_id)
    study_id = storage.create_new_study(original.directions, original.name)
    try:
        storage.set_study_system_attr(study_id, _UNFINISHED, True)
        _write_trials(storage, study_id, original.trials)
        for key, value in original.user_attrs.items():
            storage.set_study_user_attr(study_id, key, value)
        for key, value in original.system_attrs.items():
            storage.set_study_system_attr(study_id, key, value)
        storage.set_study_system_attr(study_id, _UNFINISHED, False)
    except BaseException:
        storage.delete_study(study_id)
        raise


def _write_trials(storage: BaseStorage, study_id: int, trials: Sequence[FrozenTrial]) -> None:
    if isinstance(storage, JournaltuneStorage):
        for start in range(0, len(trials), _BATCH):
            storage.add_trials(study_id, trials[start : start + _BATCH])
    elif isinstance(storage, RDBStorage):
        from journaltune.optuna_bridge.rdb import add_trials

        add_trials(storage, study_id, trials)
    elif isinstance(storage, JournalStorage):
        # Optuna's own way reads the log back after each trial: two minutes for 10,000.
        storage._backend.append_logs([stock_record_of(trial, study_id) for trial in trials])
    else:
        for trial in trials:
            storage.create_new_trial(study_id, trial)
