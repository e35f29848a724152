"""One call of an objective: made anywhere, and answered with what to tell."""

from __future__ import annotations

from journaltune import outcomes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from journaltune.memory import GarbageCollector
    from journaltune.outcomes import Outcome
    from journaltune.trial import AskedTrial


class Call:
    """An objective that answers with an Outcome, whatever it does. It can be pickled where the objective can."""

    __slots__ = ("catch", "collect", "n_objectives", "objective")

    def __init__(
        self,
        objective: Callable[[Any], Any],
        n_objectives: int,
        catch: tuple[type[BaseException], ...],
        collect: GarbageCollector | None = None,
    ) -> None:
        self.objective, self.n_objectives, self.catch, self.collect = objective, n_objectives, catch, collect

    def __call__(self, trial: AskedTrial) -> Outcome:
        # No outcome in a variable here: this frame is in the traceback of the exception that an outcome holds.
        try:
            return self._outcome(trial).with_notes(trial._user_attrs, trial._constraints)
        finally:
            if self.collect is not None:
                self.collect()

    def _outcome(self, trial: AskedTrial) -> Outcome:
        try:
            return outcomes.of_value(self.objective(trial), self.n_objectives, trial.number)
        except BaseException as error:
            return outcomes.of_error(error, self.catch)

    def without_collecting(self) -> Call:
        return Call(self.objective, self.n_objectives, self.catch)

    def catching_exit(self) -> Call:
        """For a process of its own, which ``sys.exit`` ends: the trial has failed, the search goes on."""
        return Call(self.objective, self.n_objectives, (*self.catch, SystemExit), self.collect)
