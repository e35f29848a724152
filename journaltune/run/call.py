"""One call of an objective, in any process, which returns an Outcome to tell."""

from __future__ import annotations

from journaltune.run import outcome

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from journaltune.run.memory import GarbageCollector
    from journaltune.run.outcome import Outcome
    from journaltune.run.trial import AskedTrial


class Call:
    """An objective that returns an Outcome, whatever happens in it. It can be pickled if the objective can."""

    __slots__ = ("catch", "collect", "directions", "objective")

    def __init__(
        self,
        objective: Callable[[Any], Any],
        directions: Sequence[int],
        catch: tuple[type[BaseException], ...],
        collect: GarbageCollector | None = None,
    ) -> None:
        self.objective, self.directions, self.catch, self.collect = objective, directions, catch, collect

    def __call__(self, trial: AskedTrial) -> Outcome:
        # No outcome in a variable here: an outcome holds an exception, whose traceback holds this frame, which is a cycle.
        try:
            return self._outcome(trial).with_notes(trial._user_attrs, trial._constraints)
        finally:
            if self.collect is not None:
                self.collect()

    def _outcome(self, trial: AskedTrial) -> Outcome:
        try:
            return outcome.of_value(self.objective(trial), self.directions, trial.number)
        except BaseException as error:
            return outcome.of_error(error, self.catch)

    def without_collecting(self) -> Call:
        return Call(self.objective, self.directions, self.catch)

    def catching_exit(self) -> Call:
        """For a child process, which ``sys.exit`` ends: the trial has failed, and the search goes on."""
        return Call(self.objective, self.directions, (*self.catch, SystemExit), self.collect)
