"""CMA-ES whose state is replayed from the history.

Optuna keeps the optimizer as a pickle in a trial's attributes. A journal may come from anybody, and loading a pickle runs its
code; so pickles are not written here and not read. The state of the optimizer follows from the results of the generations so far
(the first trials of each to finish, as many as its population has), and those are in the journal.
"""

from __future__ import annotations

import copy

import numpy as np
from optuna.samplers import CmaEsSampler
from optuna.study import StudyDirection

from journaltune.base.errors import JournaltuneError
from journaltune.suggest.samplers.cmaes_import import load

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from optuna._transform import _SearchSpaceTransform
    from optuna.trial import FrozenTrial

CMAwM = load().CMAwM
_HOOKS = ("_restore_optimizer", "_init_optimizer", "_attr_key_generation")


class ReplayedCmaEs(CmaEsSampler):
    """Optuna's sampler, without the pickles. ``cache`` may be handed on to the next sampler over the same space.

    As in Optuna, trials that failed or still run are not members of a generation, and the optimizer does not learn of them.
    """

    cache: dict[str, Any]

    def __init__(self, **options: Any) -> None:
        missing = [name for name in _HOOKS if not hasattr(CmaEsSampler, name)]
        if missing:
            raise JournaltuneError(f"this version of Optuna keeps CMA-ES's state in a way that is not known here ({missing[0]})")
        super().__init__(**options)
        self.cache = {}
        self._complete: Sequence[FrozenTrial] = ()

    def _restore_optimizer(self, completed_trials: list[FrozenTrial]) -> None:
        self._complete = completed_trials

    def _init_optimizer(self, trans: _SearchSpaceTransform, direction: StudyDirection) -> Any:
        """The optimizer after all whole generations, as if it had been told each when it was whole.

        Always a copy, so that asking it changes nothing in the cache.
        """
        optimizer = self.cache.get("optimizer")
        fresh = super()._init_optimizer(trans, direction)  # always: this draws from the random generator
        if optimizer is None:
            optimizer = fresh
        generations = self.cache.setdefault("generations", {})
        n_read = self.cache.get("n_read", 0)
        for trial in self._complete[n_read:]:
            generations.setdefault(trial.system_attrs.get(self._attr_key_generation, -1), []).append(trial)
        while len(members := generations.get(optimizer.generation, ())) >= optimizer.population_size:
            whole = members[: optimizer.population_size]
            sign = 1 if direction == StudyDirection.MINIMIZE else -1
            optimizer.tell([(self._solution(optimizer, trans, trial), sign * trial.values[0]) for trial in whole])
        self.cache |= {"optimizer": optimizer, "n_read": len(self._complete)}
        return copy.deepcopy(optimizer)

    @staticmethod
    def _solution(optimizer: Any, trans: _SearchSpaceTransform, trial: FrozenTrial) -> Any:
        if isinstance(optimizer, CMAwM) and "x_for_tell" in trial.system_attrs:
            fixed = any(key.startswith("fixed_params") for key in trial.system_attrs)
            if not fixed:  # the optimizer did not propose an enqueued trial's parameters
                return np.array(trial.system_attrs["x_for_tell"])
        return trans.transform(trial.params)
