"""Trials with the same parameters: an index of them, and what a study does when its sampler suggests some again.

Failures that say nothing about their parameters (``interrupted``, ``owner-died``) are not attempts: nothing duplicates them.
"""

from __future__ import annotations

from math import prod

from journaltune.base import FAIL, MINIMIZE, RUNNING
from journaltune.base.errors import ExhaustedError
from journaltune.journal.keys import Index
from journaltune.journal.state import HIDDEN, STATE_MASK
from journaltune.study import OpenStudy
from journaltune.suggest.choose import DUPLICATE_OF, Choice, Twin, by_index, draw, sampling_seed, visible, with_constants

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from journaltune.journal.state import StudyState
    from journaltune.space import Space
    from journaltune.space.rules import Rules

DRAWS = 8  # of the sampler for one trial, before the rest of the space is searched
_STREAK = 8  # duplicates in a row that ``reuse`` records, before it searches the rest of the space too
_MOST_LOOKED_AT = 1_000_000
_RANDOM_DRAWS = 100  # in a continuous space the first one is new, unless the space is tiny


class Tried:
    """The finished and running trials that an ask could see, by their parameters; with the setting ``all_studies`` also those of
    other studies of the journal."""

    __slots__ = ("_finished", "_index", "_running", "_siblings", "_stored", "n_tried")
    _siblings: list[tuple[OpenStudy, Tried]]

    def __init__(self, study: OpenStudy, state: StudyState) -> None:
        self._enter(study, state)
        if study.all_studies:
            self._siblings = [(other, Tried.alone(other)) for other in study.cached(Siblings).of(study)]
            self.n_tried += sum(tried.n_tried for _, tried in self._siblings)

    @classmethod
    def alone(cls, study: OpenStudy) -> Tried:
        """Those of one study, whatever its settings say."""
        tried = cls.__new__(cls)
        tried._enter(study, study.state())
        return tried

    def _enter(self, study: OpenStudy, state: StudyState) -> None:
        self._finished, self._stored = state.finished, study.stored_distributions
        self._index = study.cached_for(state.finished, Index)
        running = [trial for trial in state.live.values() if trial.state == RUNNING]
        self._running = {self._index.maker.of_live(trial): trial.number for trial in reversed(running)}
        self.n_tried = len(state.finished) + len(running)
        self._siblings = []

    def twin(self, internal: Mapping[str, float]) -> Twin | None:
        """A finished trial with these parameters, of this study rather than of others; else a running one."""
        own = self._twin(internal)
        if own is not None and own.state != RUNNING:
            return own
        others = [
            twin.but(sibling=(other.study_id, other.name))
            for other, tried in self._siblings
            if (twin := tried._twin(internal)) is not None
        ]
        finished = [twin for twin in others if twin.state != RUNNING]
        return next(iter([*finished, *([own] if own else []), *others]), None)

    def _twin(self, internal: Mapping[str, float]) -> Twin | None:
        codes = self._finished.column("codes")
        for row in self._index.equal_rows(internal, self._stored):
            if not codes[row] & HIDDEN:
                return Twin(self._finished.column("numbers")[row], codes[row] & STATE_MASK)
        number = self._running.get(self._index.maker.key_of(internal, self._stored))
        return None if number is None else Twin(number, RUNNING)


class Siblings:
    """The other studies of a journal, opened once, so that what is worked out about their trials stays."""

    def __init__(self, study: OpenStudy) -> None:
        self._opened: dict[int, OpenStudy] = {}

    def of(self, study: OpenStudy) -> list[OpenStudy]:
        """Those that have the same objectives and search the same space: one result of theirs is one of this study too."""
        space = study.space
        found = []
        for study_id, state in study.journal.state.studies.items():
            if study_id == study.study_id or state.directions != study.state().directions or not state.config:
                continue
            other = self._opened.get(study_id)
            if other is None:
                other = self._opened[study_id] = OpenStudy(study.journal, state)
            if space is not None and other.space is not None and other.space.to_config() == space.to_config():
                found.append(other)
        return found


def choose_new(study: OpenStudy, space: Space, number: int) -> Choice:
    """Parameters that no trial has. With the policy ``reuse`` those of a finished trial will do, which is the ``twin`` then.

    When the sampler keeps repeating itself, the untried rest of the space is searched. ExhaustedError when that is empty.
    """
    state = visible(study, number)
    tried, stuck = Tried(study, state), _on_a_streak(study, state, number)
    before, attrs = None, {}
    for redraw in range(1 if stuck else DRAWS):
        suggested = draw(study, space, number, None, redraw)
        twin, attrs = tried.twin(suggested.internal), suggested.attrs
        if twin is None:
            return Choice(suggested.internal, attrs)
        if twin.state != RUNNING and study.duplicates == "reuse" and not stuck:
            return Choice(suggested.internal, attrs, twin)
        if suggested.internal == before:  # this sampler's suggestions do not depend on its seed
            break
        before = suggested.internal
    return Choice(_untried(study, space, number, tried), attrs)


def choose_rest(study: OpenStudy, space: Space, number: int, fixed: Mapping[str, float]) -> Choice:
    """An enqueued trial's ``fixed`` parameters, and values for the rest that no trial has with them, if the sampler finds some.

    A failed twin is ignored: whoever enqueues its parameters wants them tried again. With a lag a running twin is ignored too;
    waiting would never end.
    """
    tried, redraw = Tried(study, visible(study, number)), 0
    suggested = draw(study, space, number, fixed)
    twin = tried.twin(suggested.internal)
    while twin is not None and not space.is_whole(fixed) and redraw < DRAWS:
        redraw += 1
        suggested = draw(study, space, number, fixed, redraw)
        twin = tried.twin(suggested.internal)
    if twin is not None and (twin.state == FAIL or (twin.state == RUNNING and study.lag is not None)):
        twin = None
    return Choice(suggested.internal, suggested.attrs, twin)


def _on_a_streak(study: OpenStudy, state: StudyState, number: int) -> bool:
    """Whether the last trials are all recorded duplicates, so many that the sampler seems to be stuck."""
    if study.duplicates != "reuse" or number < _STREAK:
        return False
    extras = state.finished.extras
    before = (extras.get(other, {}).get("user_attrs", {}) for other in range(number - _STREAK, number))
    return all(DUPLICATE_OF in attrs for attrs in before)


def _untried(study: OpenStudy, space: Space, number: int, tried: Tried) -> dict[str, float]:
    """Parameters that no trial has. ExhaustedError when every combination is taken."""
    counts = [distribution.cardinality or 0 for distribution in space.distributions.values()]
    if space.rules is not None and space.rules.restricts:
        return _untried_by_rules(study, space, space.rules, number, tried)
    if 0 in counts:
        return _untried_at_random(study, space, number, tried)
    n_all = prod(counts)
    start = sampling_seed(study, number, DRAWS) % n_all
    # n_tried + 1 distinct combinations include an untried one, so this ends.
    for step in range(min(n_all, tried.n_tried + 1)):
        internal = _combination(space, counts, (start + step) % n_all)
        if tried.twin(internal) is None:
            return internal
    raise _exhausted(study, n_all)


def _exhausted(study: OpenStudy, n_all: int) -> ExhaustedError:
    return ExhaustedError(
        f"study {study.name!r} has tried all {n_all} combinations of its parameters, or is trying them; widen the space"
    )


def _combination(space: Space, counts: Sequence[int], index: int) -> dict[str, float]:
    """The combination at ``index``, which is read as a number with one digit for each parameter."""
    internal = {}
    for (name, distribution), count in zip(space.distributions.items(), counts, strict=True):
        index, digit = divmod(index, count)
        internal[name] = float(distribution.value_at(digit))
    return internal


def _untried_at_random(study: OpenStudy, space: Space, number: int, tried: Tried) -> dict[str, float]:
    from journaltune.suggest.samplers.from_rustuna import RustStudy

    rust_study = RustStudy([MINIMIZE], study.varied, by_index(study))
    for redraw in range(DRAWS, DRAWS + _RANDOM_DRAWS):
        internal = with_constants(rust_study.at_random(sampling_seed(study, number, redraw)), space)
        if tried.twin(internal) is None:
            return internal
    raise _stuck(study)


def _stuck(study: OpenStudy) -> ExhaustedError:
    return ExhaustedError(f"study {study.name!r}: nothing new was found in {_RANDOM_DRAWS} random draws; widen the space")


def _untried_by_rules(study: OpenStudy, space: Space, rules: Rules, number: int, tried: Tried) -> dict[str, float]:
    """The same in a space where not every combination is allowed."""
    from journaltune.space.counting import TooManyError, points
    from journaltune.suggest.feasible import Drawing

    drawing = Drawing(space, rules, {}, sampling_seed(study, number, DRAWS))
    if all(known.cardinality for known in space.distributions.values()):
        n_all = 0
        try:
            for point in points(rules, _MOST_LOOKED_AT, drawing.random):
                if tried.twin(point) is None:
                    return point
                n_all += 1
            raise _exhausted(study, n_all)
        except TooManyError:
            pass
    for _ in range(_RANDOM_DRAWS):
        internal = drawing.found()
        if tried.twin(internal) is None:
            return internal
    raise _stuck(study)
