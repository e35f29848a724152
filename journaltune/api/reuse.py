"""``reuse_duplicate``, for use inside an objective: here, and in Optuna's."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def reuse_duplicate(trial: Any) -> Any:
    """The complete trial with the same parameters that is the newest, or None: ``if seen := reuse_duplicate(trial): return
    seen.value``. Call it when all parameters of the trial are suggested.

    Takes a trial of ``study.ask`` or ``study.optimize``, and gives a ``journaltune.Trial``; or an ``optuna.Trial`` of any Optuna
    study, and gives an ``optuna.trial.FrozenTrial``. By an index: the cost does not grow with the number of trials, in contrast
    to the loop over ``study.get_trials()`` of Optuna's FAQ. Trials that fixed parameters stand in for (``FixedTrial``) have no
    study, and so no duplicate. What is equal says ``lookups.lookup``.
    """
    study = getattr(trial, "study", None)
    if study is None:
        return None
    if hasattr(study, "_storage"):
        from journaltune.optuna_bridge.twins import newest_twin  # optuna is imported already where its trials are

        return newest_twin(trial)
    from journaltune.study.lookup import lookup

    found = lookup(study._study, number=trial.number, states=("complete",))
    return found[0].trial if found else None
