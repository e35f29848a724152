"""Trials with the same parameters: an index of them, and what a study does when its sampler suggests some again.

Failures that say nothing about their parameters (``interrupted``, ``owner-died``) are no attempts, and so nobody's duplicate.
"""

from __future__ import annotations

from math import prod

from journaltune.errors import ExhaustedError
from journaltune.history import constraints_in
from journaltune.journal.keys import Index
from journaltune.journal.state import HIDDEN, RUNNING, STATE_MASK
from journaltune.replicates import due
from journaltune.suggesting import DUPLICATE_OF, Choice, Twin, sampling_seed, suggest, suggested, with_constants

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from journaltune.journal.state import StudyState
    from journaltune.space import Space
    from journaltune.studies import OpenStudy

DRAWS = 8  # of the sampler for one trial, before the rest of the space is looked at
_STREAK = 8  # duplicates in a row that ``reuse`` records, before it does the same
_RANDOM_DRAWS = 100  # in a continuous space, where the first one is new unless the space is nearly a point


class Seen:
    """What a study knew when it was asked, looked at for one set of parameters after the other."""

    __slots__ = ("_finished", "_index", "_running", "_stored", "n_tried")

    def __init__(self, study: OpenStudy, state: StudyState) -> None:
        self._finished, self._index, self._stored = state.finished, study.kept(Index, state.finished), study.stored_distributions
        running = [trial for trial in state.live.values() if trial.state == RUNNING]
        self._running = {self._index.maker.of_live(trial): trial.number for trial in reversed(running)}
        self.n_tried = len(state.finished) + len(running)

    def twin(self, internal: Mapping[str, float]) -> Twin | None:
        """A finished trial with these parameters, if there is one; else a running one."""
        codes = self._finished.column("codes")
        for row in self._index.equal_rows(internal, self._stored):
            if not codes[row] & HIDDEN:
                return Twin(self._finished.column("numbers")[row], codes[row] & STATE_MASK)
        running = self._running.get(self.key(internal))
        return None if running is None else Twin(running, RUNNING)

    def key(self, internal: Mapping[str, float]) -> int:
        return self._index.maker.key_of(internal, self._stored)


def choose(study: OpenStudy, space: Space, number: int) -> Choice:
    """What trial ``number`` is to try under the study's policy; as ``suggest`` a pure function.

    The oldest configuration that needs another replicate comes first. ``allow``: whatever the sampler suggests. ``resample``:
    the sampler draws until it has something new. ``reuse``: the same, but for what has a result already, which becomes the
    choice's ``twin``. A sampler that keeps repeating itself is left aside for the unseen rest of the space. ExhaustedError when
    that is empty.
    """
    replicate = due(study, space, number) if study.replicates > 1 else None
    if replicate is not None:
        return replicate
    if study.duplicates == "allow":
        return suggested(study, space, number)
    state = study.seen(number)
    return _new(study, space, number, Seen(study, state), _on_a_streak(study, state, number))


def _new(study: OpenStudy, space: Space, number: int, seen: Seen, impatient: bool) -> Choice:
    before, attrs = None, {}
    for draw in range(1 if impatient else DRAWS):
        found = suggest(study, space, number, draw)
        twin, attrs = seen.twin(found.internal), found.attrs
        if twin is None:
            return Choice(found.internal, attrs)
        if twin.state != RUNNING and study.duplicates == "reuse" and not impatient:
            return Choice(found.internal, attrs, twin)
        if found.internal == before:  # what this sampler suggests does not depend on its seed
            break
        before = found.internal
    return Choice(_unseen(study, space, number, seen), attrs)


def _on_a_streak(study: OpenStudy, state: StudyState, number: int) -> bool:
    """Whether the trials right before this one are all recorded duplicates, so many that the sampler seems to be stuck."""
    if study.duplicates != "reuse" or number < _STREAK:
        return False
    extras = state.finished.extras
    before = (extras.get(other, {}).get("user_attrs", {}) for other in range(number - _STREAK, number))
    return all(DUPLICATE_OF in attrs for attrs in before)


def _unseen(study: OpenStudy, space: Space, number: int, seen: Seen) -> dict[str, float]:
    """Parameters that no trial has. ExhaustedError when there are none."""
    counts = [distribution.cardinality or 0 for distribution in space.distributions.values()]
    if 0 in counts:
        return _unseen_at_random(study, space, number, seen)
    n_all = prod(counts)
    start = sampling_seed(study, number, DRAWS) % n_all
    # Among one more than were tried is one that was not; the walk ends there at the latest.
    for step in range(min(n_all, seen.n_tried + 1)):
        internal = _point(space, counts, (start + step) % n_all)
        if seen.twin(internal) is None:
            return internal
    raise ExhaustedError(
        f"study {study.name!r} has tried all {n_all} combinations of its parameters, or is trying them; widen the space"
    )


def _point(space: Space, counts: Sequence[int], index: int) -> dict[str, float]:
    """The combination at ``index``: its digits, one for each parameter with as many values as that has."""
    internal = {}
    for (name, distribution), count in zip(space.distributions.items(), counts, strict=True):
        index, digit = divmod(index, count)
        internal[name] = float(distribution.value_at(digit))
    return internal


def _unseen_at_random(study: OpenStudy, space: Space, number: int, seen: Seen) -> dict[str, float]:
    from journaltune.samplers.from_rustuna import RustStudy

    drawn = RustStudy([1], study.varied)
    for draw in range(DRAWS, DRAWS + _RANDOM_DRAWS):
        varied = drawn.at_random(sampling_seed(study, number, draw))
        internal = with_constants(varied, space)
        if seen.twin(internal) is None:
            return internal
    raise ExhaustedError(f"study {study.name!r}: nothing new was found in {_RANDOM_DRAWS} random draws; widen the space")


def result_of(state: StudyState, twin: Twin) -> tuple[int, list[float] | None, dict[str, float]]:
    """State, values and constraints of a finished trial."""
    finished = state.finished
    row = finished.row_of(twin.number)
    attrs = finished.extras.get(twin.number, {}).get("system_attrs", {})
    return finished.column("codes")[row] & STATE_MASK, finished.row_values(row), constraints_in(attrs)
