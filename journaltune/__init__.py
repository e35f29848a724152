"""journaltune: ask/tell hyperparameter optimization on Optuna's journal format, in one file, without a server.

Public names are loaded when they are first used: a shell's ``tell`` must not pay for what it doesn't call.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from journaltune.errors import (
        ConflictError,
        ExhaustedError,
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
    from journaltune.seeding import seed_everything
    from journaltune.study import AskedTrial, Study, create_study, load_study

__version__ = "0.1.0"

__all__ = [
    "AskedTrial",
    "ConflictError",
    "ExhaustedError",
    "GarbageCollector",
    "JournalDamagedError",
    "JournaltuneError",
    "LockTimeoutError",
    "MachineError",
    "NotFoundError",
    "SpaceError",
    "Study",
    "Trial",
    "TrialState",
    "UsageError",
    "create_study",
    "load_study",
    "seed_everything",
    "storage",
]

_HOMES = {
    "AskedTrial": "study",
    "GarbageCollector": "memory",
    "Study": "study",
    "create_study": "study",
    "load_study": "study",
    "seed_everything": "seeding",
    "storage": "optuna_bridge",
    "Trial": "model",
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
