"""A measured process for people who use Optuna itself: ``python storage_worker.py WHAT PATH STORAGE`` on either storage.

Prints its measurement as one JSON line.
"""

from __future__ import annotations

import json
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

if __name__ == "__main__":
    # Before the package's own imports: this process was started by path, with nothing of the tree to import from.
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from benchmarks.contenders import PARAMETERS, STUDY

if TYPE_CHECKING:
    from collections.abc import Callable

    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial


def storage(name: str) -> Callable[[str], BaseStorage]:
    """What opens a journal, with everything imported that it needs."""
    if name == "ours":
        import journaltune

        return journaltune.storage
    return lambda path: JournalStorage(JournalFileBackend(path))


def create(path: str, name: str) -> dict[str, Any]:
    optuna.create_study(storage=storage(name)(path), study_name=STUDY)
    return {}


def opening(path: str, name: str) -> dict[str, Any]:
    """From an interpreter with its imports done to a study whose trials and best value Optuna knows."""
    make = storage(name)
    start = time.perf_counter()
    study = optuna.load_study(study_name=STUDY, storage=make(path), sampler=optuna.samplers.RandomSampler())
    trials, best = len(study.get_trials(deepcopy=False)), study.best_value
    seconds = time.perf_counter() - start
    study._storage.remove_session()
    return {"seconds": seconds, "trials": trials, "best": best}


def objective(trial: optuna.Trial) -> float:
    return sum((trial.suggest_float(name, 0, 1) - 0.3) ** 2 for name in PARAMETERS)


def optimize(path: str, name: str) -> dict[str, Any]:
    """One of many workers. Says ``ready``, is told when to start and to end, times the trials that end in between."""
    study = optuna.load_study(study_name=STUDY, storage=storage(name)(path), sampler=optuna.samplers.RandomSampler())
    study.optimize(objective, n_trials=1)
    print("ready", flush=True)
    start, end = (float(word) for word in sys.stdin.readline().split())
    time.sleep(max(0.0, start - time.monotonic()))
    ends = [time.monotonic()]

    def note(study: optuna.Study, _: FrozenTrial) -> None:
        ends.append(time.monotonic())
        if ends[-1] >= end:
            study.stop()

    study.optimize(objective, callbacks=[note])
    trial_s = [after - before for before, after in pairwise(ends)]
    return {"trials": len(trial_s) - 1, "trial_s": trial_s}


if __name__ == "__main__":
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    print(json.dumps({"create": create, "opening": opening, "optimize": optimize}[sys.argv[1]](*sys.argv[2:])))
