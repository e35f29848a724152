"""Stop a trial that a signed-rank test holds worse than the best one, step by step: the work is Optuna's ``WilcoxonPruner``'s."""

from __future__ import annotations

from journaltune.base.errors import NotFoundError, UsageError
from journaltune.study.best import best_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from journaltune.base.model import Trial
    from journaltune.journal.state import LiveTrial
    from journaltune.suggest.pruners import Decision
    from journaltune.suggest.pruners.others import Others


class _Study:
    """The part of an ``optuna.Study`` that the pruner looks at."""

    def __init__(self, others: Others) -> None:
        from optuna.study import StudyDirection

        self._others = others
        self.direction = StudyDirection.MAXIMIZE if others.maximize else StudyDirection.MINIMIZE

    @property
    def best_trial(self) -> Trial:
        try:
            return best_of(self._others.state)[0]
        except NotFoundError as error:
            raise ValueError(str(error)) from None


class _Trial:
    """The part of an ``optuna.FrozenTrial`` that the pruner looks at."""

    def __init__(self, trial: LiveTrial) -> None:
        self.number, self.intermediate_values = trial.number, trial.intermediate


def prune(options: Mapping[str, Any], trial: LiveTrial, others: Others) -> Decision:
    """UsageError where scipy is not installed."""
    from warnings import catch_warnings, simplefilter

    try:
        import scipy.stats  # noqa: F401
    except ImportError:
        raise UsageError("the pruner wilcoxon needs scipy: pip install 'journaltune[qmc]'") from None
    with catch_warnings():
        simplefilter("ignore")  # of Optuna's: that the class is new, and what it does with values that are not finite
        from optuna.pruners import WilcoxonPruner

        pruner = WilcoxonPruner(**options)
        return bool(pruner.prune(_Study(others), _Trial(trial))), {}  # type: ignore[arg-type]
