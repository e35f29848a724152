"""journaltune: ask/tell hyperparameter optimization on Optuna's journal format, in one file, without a server.

Public names are loaded when they are first used: a shell's ``tell`` must not pay for what it doesn't call.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from journaltune.errors import (
        ConflictError,
        ExhaustedError,
        InDoubtError,
        JournalDamagedError,
        JournaltuneError,
        LockTimeoutError,
        MachineError,
        NotFoundError,
        SpaceError,
        UsageError,
    )
    from journaltune.memory import GarbageCollector
    from journaltune.model import Trial, TrialState
    from journaltune.optuna_bridge import storage
    from journaltune.outcomes import ObjectiveError, TrialPruned
    from journaltune.reuse import reuse_duplicate
    from journaltune.seeding import seed_everything
    from journaltune.study import Study, create_study, load_study
    from journaltune.trial import AskedTrial, FixedTrial

__version__ = "0.1.0"

__all__ = [
    "AskedTrial",
    "ConflictError",
    "ExhaustedError",
    "FixedTrial",
    "GarbageCollector",
    "InDoubtError",
    "JournalDamagedError",
    "JournaltuneError",
    "LockTimeoutError",
    "MachineError",
    "NotFoundError",
    "ObjectiveError",
    "SpaceError",
    "Study",
    "Trial",
    "TrialPruned",
    "TrialState",
    "UsageError",
    "create_study",
    "load_study",
    "reuse_duplicate",
    "seed_everything",
    "storage",
]

_HOMES = {
    "AskedTrial": "trial",
    "FixedTrial": "trial",
    "GarbageCollector": "memory",
    "ObjectiveError": "outcomes",
    "Study": "study",
    "create_study": "study",
    "load_study": "study",
    "reuse_duplicate": "reuse",
    "seed_everything": "seeding",
    "storage": "optuna_bridge",
    "Trial": "model",
    "TrialPruned": "outcomes",
    "TrialState": "model",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found: object = getattr(import_module(f"journaltune.{_HOMES.get(name, 'errors')}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
