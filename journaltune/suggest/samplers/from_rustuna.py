"""Rustuna's samplers, TPE and random search, and the Rustuna storage through which they see a history.

Rustuna has no constant liar, and its in-memory storage can't take a result back; so trials with imputed values are added for one
suggestion and discarded after it. Categories are passed by index: their values mean nothing to a sampler.
"""

from __future__ import annotations

from itertools import compress, repeat

from journaltune.base.codes import MINIMIZE
from journaltune.base.constraints import as_attrs, constraints_in
from journaltune.base.errors import JournaltuneError, UsageError
from journaltune.space import Distribution, compatible
from journaltune.suggest.samplers.protocol import Suggested
from journaltune.suggest.samplers.rust_core import core

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from journaltune.journal.state import Shape
    from journaltune.suggest.history import History

    _View = tuple[list[int] | None, list[str], list[Any], list[Distribution] | None]

rust = core()
_STARTUP_TRIALS = 10
_MOST_DISCARDS = 4096  # the storage keeps discarded trials, so it is built anew after so many
_NO_ATTRS: Mapping[str, Any] = {}
_EVERY_INDEX = Distribution("int", "IntDistribution", 0, 2**53)


class RustunaSampler:
    """``tpe`` or ``random``; options are the keyword arguments of Rustuna's class, except its seed."""

    marks_enqueued = finite = False

    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        self._name = name
        self._options = dict(options)
        self._n_startup = self._options.get("n_startup_trials", _STARTUP_TRIALS)
        refuse_seed(options)
        try:
            self._fresh(0)
        except (TypeError, ValueError, OverflowError) as error:
            raise UsageError(f"sampler {name} does not take these options: {error}") from error
        self._cache: RustStudy | None = None

    def _fresh(self, seed: int) -> Any:
        make = rust.TPESampler if self._name == "tpe" else rust.RandomSampler
        return make(seed=seed, **self._options)

    def check(self, distributions: Mapping[str, Distribution], n_objectives: int) -> None:
        """See ``protocol.Sampler``: these take every space, and any number of objectives."""

    def suggest(
        self, history: History, distributions: Mapping[str, Distribution], number: int, seed: int, constant_seed: int
    ) -> Suggested:
        """See ``protocol.Sampler``. Random until enough trials finished; pending and failed ones don't count for that."""
        if self._cache is None or not self._cache.serves(distributions, history):
            self._cache = RustStudy(history.directions, distributions)
        if self._name == "random" or history.n_observed() < self._n_startup:
            return Suggested(self._cache.at_random(seed), {})
        imputed, cache, self._cache = history.imputed(), self._cache, None
        cache.catch_up(history)
        worst = history.worst() if imputed else None
        added = []
        if worst is not None:
            attrs = violation(history.worst_constraints())
            added = [cache.add(shape, params, worst, attrs) for _, shape, params in imputed]
        internal, trial_id = cache.suggest(self._fresh(seed), joint=all(whole for _, whole in added))
        cache.discard([trial_id, *(imputed_id for imputed_id, _ in added)])
        self._cache = cache  # not after an exception, which leaves the imputed trials in it
        return Suggested(internal, {})


def violation(constraints: Mapping[str, float]) -> dict[str, float]:
    """How far a trial violates its constraints, as the only constraint that Rustuna gets; empty if it has no constraints.

    Rustuna compares trials by this sum alone. But it adds up in the order of a hash table, which differs from process to
    process, and the last bit of a sum of three depends on the order: the order of equal trials would change by the process.
    """
    total = 0.0
    for value in constraints.values():  # not `sum`, which rounds in another way since Python 3.12
        if not value <= 0:
            total += value
    return as_attrs({"violation": total}) if constraints else {}


def refuse_seed(options: Mapping[str, Any]) -> None:
    if "seed" in options:
        raise UsageError("a sampler's seed comes from the study's: use --seed")


class RustStudy:
    """A Rustuna storage with the complete trials of a history; others can be added for a moment."""

    def __init__(self, directions: Sequence[int], distributions: Mapping[str, Distribution]) -> None:
        self._directions = [rust.StudyDirection.MINIMIZE if d == MINIMIZE else rust.StudyDirection.MAXIMIZE for d in directions]
        self._space = distributions
        self._rust_space = {name: _to_rust(distribution) for name, distribution in distributions.items()}
        self._views: dict[Shape, _View] = {}
        self.storage = rust.InMemoryStorage(apply_discard=True)
        self.study_id = self.storage.create_new_study("history", self._directions).id
        self._blank: Any = None
        self._n_read = 0
        self._n_incomplete = 0
        self._n_discarded = 0

    def serves(self, distributions: Mapping[str, Distribution], history: History) -> bool:
        return self._space is distributions and self._n_read <= history.n_finished() and self._n_discarded < _MOST_DISCARDS

    def at_random(self, seed: int) -> dict[str, float]:
        """A suggestion to which no trial matters."""
        sampler, storage = rust.RandomSampler(seed=seed), self.storage
        if self._blank is None:
            self._blank = self._new_trial()
            self.storage.discard_trials([self._blank.trial_id])
        space = self._rust_space.items()
        return {name: float(sampler.sample_independent(self._blank, storage, name, known)) for name, known in space}

    def _new_trial(self) -> Any:
        asked = self.storage.create_new_trial(self.study_id)
        return rust.SamplerContext(
            study_id=self.study_id, trial_number=asked.number, trial_id=asked._trial_id, directions=self._directions
        )

    def catch_up(self, history: History) -> None:
        for _, shape, params, values, attrs in history.complete(self._n_read):
            _, whole = self.add(shape, params, values, violation(constraints_in(attrs)) if attrs else attrs)
            self._n_incomplete += not whole
        self._n_read = history.n_finished()

    def suggest(self, sampler: Any, joint: bool = True) -> tuple[dict[str, float], int]:
        """A suggestion, and the id of the new trial that it is for; the caller discards that trial.

        ``joint`` is False where a trial that was added lacks a parameter.
        """
        context = self._new_trial()
        # No `before_trial`: it infers a search space, which is declared here, and takes as long as the suggestion itself.
        # Joint sampling panics when a trial lacks a parameter; independent sampling leaves that trial out for that parameter.
        joint = joint and not self._n_incomplete
        try:
            values = sampler.sample_joint(context, self.storage, self._rust_space) if joint else {}
            for name, distribution in self._rust_space.items():
                if name not in values:
                    values[name] = sampler.sample_independent(context, self.storage, name, distribution)
        except BaseException as error:
            if type(error).__name__ != "PanicException":
                raise
            raise JournaltuneError(
                f"Rustuna's sampler gave up on this history ({error}); take `journaltune create --exist-ok --sampler random`"
            ) from None
        return {name: float(values[name]) for name in self._space}, context.trial_id

    def discard(self, trial_ids: list[int]) -> None:
        self.storage.discard_trials(trial_ids)
        self._n_discarded += len(trial_ids)

    def add(
        self, shape: Shape, params: Sequence[float], values: Sequence[float], attrs: Mapping[str, Any] = _NO_ATTRS
    ) -> tuple[int, bool]:
        """Add a complete trial: its id, and whether it has every parameter of the space."""
        take, names, distributions, bounds = self._view_of(shape)
        taken = params if take is None else [params[index] for index in take]
        if bounds is not None:
            inside = [bound.low <= value <= bound.high for value, bound in zip(taken, bounds, strict=True)]
            names, distributions, taken = (list(compress(column, inside)) for column in (names, distributions, taken))
        trial_id: int = self.storage.create_new_trial(self.study_id)._trial_id
        for _ in map(self.storage.set_trial_param, repeat(trial_id), names, distributions, taken):
            pass
        if attrs:
            self.storage.set_trial_system_attrs(trial_id, attrs)
        self.storage.set_trial_state_values(trial_id, rust.TrialState.COMPLETE, values)
        return trial_id, len(names) == len(self._space)

    def fits(self, shape: Shape, params: Sequence[float]) -> bool:
        """Whether a trial has every parameter of the space, inside its present bounds."""
        take, names, _, bounds = self._view_of(shape)
        taken = params if take is None else [params[index] for index in take]
        whole = len(names) == len(self._space)
        return whole and (bounds is None or all(b.low <= value <= b.high for value, b in zip(taken, bounds, strict=True)))

    def _view_of(self, shape: Shape) -> _View:
        view = self._views.get(shape)
        if view is None:
            view = self._views[shape] = self._view(shape)
        return view

    def _view(self, shape: Shape) -> _View:
        """Which of a shape's columns are taken (None: all), their names and distributions, and the bounds where these moved.

        A column of another kind or with other categories than the present ones tells a sampler nothing, and is left out.
        """
        take, names, distributions, bounds, moved = [], [], [], [], False
        for index, (name, text) in enumerate(shape):
            now, then = self._space.get(name), Distribution.from_json(text)
            if now is not None and compatible(now, then):
                take.append(index)
                names.append(name)
                distributions.append(_to_rust(then))
                bounds.append(now if now.kind != "categorical" else _EVERY_INDEX)
                moved = moved or then.low < now.low or then.high > now.high
        return (None if len(take) == len(shape) else take), names, distributions, bounds if moved else None


def _to_rust(distribution: Distribution) -> Any:
    if distribution.kind == "categorical":
        return rust.Distribution.categorical(list(range(len(distribution.choices))))
    build: Callable[..., Any] = rust.Distribution.float if distribution.kind == "float" else rust.Distribution.int
    return build(distribution.low, distribution.high, log=distribution.log, step=distribution.step)
