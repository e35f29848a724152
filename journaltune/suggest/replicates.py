"""Noisy objectives: every configuration is asked several times, with another seed each time."""

from __future__ import annotations

from journaltune.base import FAIL, RUNNING
from journaltune.journal.keys import Index, extended, parameters_of
from journaltune.journal.state import HIDDEN, STATE_MASK
from journaltune.suggest.choose import Choice, visible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from journaltune.journal.state import Finished
    from journaltune.space import Space
    from journaltune.study import OpenStudy


class Groups:
    """Finished trials counted by configuration; a look costs what finished since the last one.

    ``closed`` configurations are not asked again, because a trial failed; ``unfinished`` ones have too few finished trials.
    """

    __slots__ = ("_finished", "_n_counted", "closed", "counts", "first", "unfinished")

    def __init__(self, finished: Finished) -> None:
        self._finished = finished
        self._n_counted = 0
        self.counts: dict[int, int] = {}
        self.first: dict[int, int] = {}
        self.closed: set[int] = set()
        self.unfinished: set[int] = set()

    def update(self, index: Index, replicates: int) -> None:
        """Count the trials that finished since the last call."""
        keys = extended(self._finished, index.maker)
        codes, numbers = self._finished.column("codes"), self._finished.column("numbers")
        for row in range(self._n_counted, len(keys)):
            key, code = keys[row], codes[row]
            if code & HIDDEN:
                continue
            self.counts[key] = self.counts.get(key, 0) + 1
            self.first[key] = min(numbers[row], self.first.get(key, numbers[row]))
            if code & STATE_MASK == FAIL:
                self.closed.add(key)
            done = self.counts[key] >= replicates or key in self.closed
            (self.unfinished.discard if done else self.unfinished.add)(key)
        self._n_counted = len(keys)


def due(study: OpenStudy, space: Space, number: int) -> Choice | None:
    """The oldest configuration that was not asked often enough yet, for one more trial; None when there is not one.

    Every trial of a configuration counts, whoever asked it, except failures that say nothing about it.
    """
    state = visible(study, number)
    index, groups = study.cached_for(state.finished, Index), study.cached_for(state.finished, Groups)
    groups.update(index, study.replicates)
    running: dict[int, list[int]] = {}
    for trial in state.live.values():
        if trial.state == RUNNING:
            running.setdefault(index.maker.of_live(trial), []).append(trial.number)
    wanted = []
    for key in {*groups.unfinished, *running} - groups.closed:
        others = running.get(key, [])
        if groups.counts.get(key, 0) + len(others) < study.replicates:
            wanted.append(min([*others, groups.first.get(key, number)]))
    for first in sorted(wanted):
        internal = _fitting(parameters_of(state, first)[0], space)
        if internal is not None:
            return Choice(internal, {}, replicate_of=first)
    return None


def _fitting(internal: Mapping[str, float], space: Space) -> dict[str, float] | None:
    """The parameters in declared order; None if the space has other ones now, or other bounds."""
    known: Mapping[str, Any] = space.distributions
    if not internal.keys() <= known.keys() or not all(known[name].contains(value) for name, value in internal.items()):
        return None
    return {name: internal[name] for name in known if name in internal} if space.is_whole(internal) else None
