"""For people who use Optuna itself: its storage on a journal, and its study on a study of ours."""

from __future__ import annotations

import os

import optuna

from journaltune.base import SSH
from journaltune.base.errors import UsageError
from journaltune.optuna_bridge.backend import JournaltuneStorage
from journaltune.optuna_bridge.reseeded import ReseededSampler, recipe_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from journaltune.study import OpenStudy

__all__ = ["JournaltuneStorage", "ReseededSampler", "storage", "to_optuna"]


def storage(path: str | os.PathLike[str], *, lock_timeout_s: float = 60.0, allow_network_fs: bool = False) -> JournaltuneStorage:
    """An Optuna storage on the journal at ``path``, which is made when it is missing: ``optuna.create_study(storage=...)``.

    Stock Optuna, Rustuna and this package's commands can use the same file. Unlike ``JournalStorage(JournalFileBackend(...))``
    this storage takes the kernel's lock, mends the torn record of a killed writer, verifies checksums, reads a snapshot in place
    of the journal's beginning, and builds each finished trial once.

    On disk when a call returns: a finished, enqueued or added trial, a study and its attributes. Writes to a running trial are on
    disk when it is finished. A NaN reads back as NaN here and in journaltune; other programs see the word for it in an attribute,
    and the system attribute ``journaltune:nan_step`` in place of an intermediate value. Categories that are NaN or infinite are
    stored as Optuna does, and make Rustuna refuse the journal.

    Raises the exceptions of Optuna's own storages, and MachineError, LockTimeoutError and JournalDamagedError. ValueError for
    values that some reader of the journal can't hold: a negative step, a NaN result, more than 60 levels.
    """
    if os.fspath(path).startswith(SSH):
        raise UsageError("an Optuna storage is on a journal of this machine; `journaltune copy` takes a study to one for others")
    return JournaltuneStorage(os.fspath(path), lock_timeout_s=lock_timeout_s, allow_network_fs=allow_network_fs)


def to_optuna(
    study: OpenStudy,
    *,
    sampler: Callable[[int], optuna.samplers.BaseSampler] | None = None,
    pruner: optuna.pruners.BasePruner | None = None,
) -> optuna.Study:
    """See ``Study.to_optuna``."""
    study.require_here("to_optuna")
    if isinstance(sampler, optuna.samplers.BaseSampler):
        raise UsageError(
            "a sampler that exists has its seed already; pass a function that makes one from a seed, such as "
            "`lambda seed: optuna.samplers.TPESampler(seed=seed)`"
        )
    return optuna.load_study(
        study_name=study.name,
        storage=storage(study.path, **study.access),
        sampler=ReseededSampler(sampler or recipe_of(study), study.seed),
        pruner=pruner,
    )
