"""``reuse_duplicate``, for use inside an objective, ours or Optuna's."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def reuse_duplicate(trial: Any) -> Any:
    """The newest complete trial with the same parameters, or None: ``if seen := reuse_duplicate(trial): return seen.value``.

    Call it when all parameters of the trial are suggested. For a trial of ``study.ask`` or ``study.optimize`` it returns a
    ``journaltune.Trial``, for an ``optuna.Trial`` of any Optuna study an ``optuna.trial.FrozenTrial``, and for a ``FixedTrial``,
    which has no study, None. ``study.lookup`` says which parameters are equal.

    It uses an index, so its cost does not grow with the number of trials, as that of the loop in Optuna's FAQ does.
    """
    study = getattr(trial, "study", None)
    if study is None:
        return None
    if hasattr(study, "_storage"):
        from journaltune.optuna_bridge.twins import newest_twin  # optuna is imported already where its trials are

        return newest_twin(trial)
    from journaltune.study.lookup import lookup

    matches = lookup(study._study, number=trial.number, states=("complete",))
    return matches[0].trial if matches else None
