"""journaltune: ask/tell hyperparameter optimization on Optuna's journal format, in one file, without a server.

Public names are loaded when they are first used: a shell's ``tell`` must not pay for what it doesn't call.
"""

from __future__ import annotations

from journaltune.base import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from journaltune.api.opening import create_study, load_study
    from journaltune.api.reuse import reuse_duplicate
    from journaltune.api.seeding import seed_everything
    from journaltune.api.study import Study
    from journaltune.base.errors import (
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
    from journaltune.base.model import Trial, TrialState
    from journaltune.optuna_bridge import storage
    from journaltune.run.memory import GarbageCollector
    from journaltune.run.outcome import ObjectiveError, TrialPruned
    from journaltune.run.trial import AskedTrial, FixedTrial
    from journaltune.space import Space

__version__ = VERSION

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
    "Space",
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
    "AskedTrial": "run.trial",
    "FixedTrial": "run.trial",
    "GarbageCollector": "run.memory",
    "ObjectiveError": "run.outcome",
    "Space": "space",
    "Study": "api.study",
    "create_study": "api.opening",
    "load_study": "api.opening",
    "reuse_duplicate": "api.reuse",
    "seed_everything": "api.seeding",
    "storage": "optuna_bridge",
    "Trial": "base.model",
    "TrialPruned": "run.outcome",
    "TrialState": "base.model",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found: object = getattr(import_module(f"journaltune.{_HOMES.get(name, 'base.errors')}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
