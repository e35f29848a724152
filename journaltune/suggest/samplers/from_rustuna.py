"""Rustuna's samplers, TPE and random search, and the Rustuna storage through which they see a history.

Rustuna has no constant liar, and its in-memory storage can't take a result back; so trials with imputed values are added for one
suggestion and discarded after it.

Rustuna 0.2 draws a float with a step by ``floor((high - low) / step)``, which loses the top of 0 to 0.7 in steps of 0.1, and it
takes a range of two values for one value. It draws the logarithm of an int from ``ln(low)`` to ``ln(high)``, which halves the
share of the ends, or worse. So here a grid is put as its indexes, and an int on a log scale with half a step more at each end,
as Optuna does it.
"""

from __future__ import annotations

import sys
from itertools import compress, repeat
from math import log

from journaltune.base import MINIMIZE
from journaltune.base.errors import JournaltuneError
from journaltune.space import Distribution, agrees
from journaltune.suggest import Suggested, samplers
from journaltune.suggest.samplers import refuse_seed, wrong_options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from journaltune.journal.state import Shape
    from journaltune.space.rules import Rules
    from journaltune.suggest.history import History
    from journaltune.suggest.samplers.grouped import Grouped

    Convert = Callable[[float], float]

_CORE = "rustuna._rustuna"


def core() -> Any:
    """The module ``rustuna._rustuna``."""
    if _CORE not in sys.modules and samplers.is_rust_alone and "rustuna" not in sys.modules:
        _load_alone()
    if _CORE not in sys.modules:
        import rustuna._rustuna  # noqa: F401
    return sys.modules[_CORE]


def _load_alone() -> None:
    from _frozen_importlib_external import PathFinder  # importlib.machinery's, without its package: a millisecond less

    spec = PathFinder.find_spec("rustuna")
    if spec is None or spec.submodule_search_locations is None:
        return
    package = type(sys)("rustuna")
    package.__path__ = spec.submodule_search_locations
    sys.modules["rustuna"] = package
    try:
        import rustuna._rustuna  # noqa: F401
    except ImportError:
        sys.modules.pop(_CORE, None)
    finally:
        del sys.modules["rustuna"]


rust = core()
_NARROW = 1e-6  # of ln(high / low): values are as good as equally likely below, and Rustuna panics at 0
_STARTUP_TRIALS = 10
MOST_WHOLE = 2048
"""Finished trials up to which TPE learns from all of them. With a quarter as many it hardly left a local optimum any more."""
_MOST_DISCARDS = 4096  # the storage keeps discarded trials, so it is built anew after so many
_NO_ATTRS: Mapping[str, Any] = {}
_EVERY_INDEX = Distribution("int", "IntDistribution", 0, 2**53)


class RustunaSampler:
    """``tpe`` or ``random``; options are the keyword arguments of Rustuna's class, except its seed."""

    marks_enqueued = finite = False
    rules: Rules | None = None
    groups: Sequence[Sequence[str]] | None = None
    """Columns that trials have together, every column in one group: TPE models them by group. None: those of the ``rules``."""

    def __init__(self, name: str, options: Mapping[str, Any], by_index: bool) -> None:
        self._name, self._by_index = name, by_index
        self._options = dict(options)
        self._n_startup = self._options.get("n_startup_trials", _STARTUP_TRIALS)
        refuse_seed(options)
        try:
            self._fresh(0)
        except (TypeError, ValueError, OverflowError) as error:
            raise wrong_options(name, options, error) from error
        self._cache: RustStudy | None = None
        self._grouped: Grouped | None = None

    def _fresh(self, seed: int, n_startup: int | None = None) -> Any:
        make = rust.TPESampler if self._name == "tpe" else rust.RandomSampler
        own = self._options if n_startup in (None, self._n_startup) else {**self._options, "n_startup_trials": n_startup}
        return make(seed=seed, **own)

    def check(self, distributions: Mapping[str, Distribution], n_objectives: int) -> None:
        """See ``samplers.Sampler``: these take every space, and any number of objectives."""

    def suggest(
        self, history: History, distributions: Mapping[str, Distribution], number: int, seed: int, constant_seed: int
    ) -> Suggested:
        """See ``samplers.Sampler``. Random until enough trials finished; pending and failed ones don't count for that."""
        groups = self.groups
        if groups is None and self.rules is not None and self.rules.optional:
            groups = self.rules.groups
        if self._name == "tpe" and (groups is not None or (history.is_bounded and history.n_finished() > MOST_WHOLE)):
            return Suggested(self._by_groups(history, distributions, seed, groups or [list(distributions)]), {})
        if self._cache is None or not self._cache.serves(distributions, history):
            self._cache = RustStudy(history.directions, distributions, self._by_index)
        if self._name == "random" or history.n_observed() < self._n_startup:
            return Suggested(self._cache.at_random(seed), {})
        imputed, cache, self._cache = history.imputed(), self._cache, None
        cache.catch_up(history)
        worst = history.worst() if imputed else None
        added = []
        if worst is not None:
            attrs = _violation(history.worst_constraints())
            added = [cache.add(shape, params, worst, attrs) for _, shape, params in imputed]
        if self._by_index and cache.n_complete + len(added) < self._n_startup:  # pruned trials, and no result to impute
            internal = cache.at_random(seed)
        else:
            internal = cache.suggest(self._fresh(seed), joint=all(whole for _, whole in added))
        cache.discard([trial_id for trial_id, _ in added])
        self._cache = cache  # not after an exception, which leaves the imputed trials in it
        return Suggested(internal, {})

    def _by_groups(
        self, history: History, distributions: Mapping[str, Distribution], seed: int, groups: Sequence[Sequence[str]]
    ) -> dict[str, float]:
        from journaltune.suggest.samplers.grouped import Grouped  # few studies have conditions, or so many trials

        self._cache = None

        grouped, self._grouped = self._grouped, None
        if grouped is None or not grouped.serves(distributions, history, groups):
            grouped = Grouped(history.directions, distributions, self._by_index, groups)
        present = None if self.rules is None else self.rules.present
        internal = grouped.suggest(history, seed, self._n_startup, self._fresh, present)
        self._grouped = grouped  # as above
        return internal


def _violation(constraints: Mapping[str, float]) -> dict[str, float]:
    if not constraints:
        return {}
    from journaltune.base.constraints import violation  # most studies have none

    return violation(constraints)


def _violation_in(attrs: Mapping[str, Any]) -> dict[str, float]:
    from journaltune.base.constraints import constraints_in, violation

    return violation(constraints_in(attrs))


class RustStudy:
    """A Rustuna storage with the complete trials of a history; others can be added for a moment."""

    def __init__(
        self, directions: Sequence[int], distributions: Mapping[str, Distribution], by_index: bool, modelled: bool = True
    ) -> None:
        """``by_index``: see ``draw.by_index``. ``modelled``: the sampler builds densities, as TPE does."""
        self._directions = [rust.StudyDirection.MINIMIZE if d == MINIMIZE else rust.StudyDirection.MAXIMIZE for d in directions]
        self._space = distributions
        self._by_index = by_index
        make = as_in_optuna if by_index else as_it_is
        self._columns = {name: make(distribution) for name, distribution in distributions.items()}
        self._rust_space = {name: each.modelled if modelled else each.drawn for name, each in self._columns.items()}
        self._selections: dict[Shape, _Selection] = {}
        self.storage = rust.InMemoryStorage(apply_discard=True)
        self.study_id = self.storage.create_new_study("history", self._directions).id
        self._blank: Any = None
        self.n_complete = 0
        self._n_read = 0
        self._n_partial = 0
        self._n_discarded = 0

    def serves(self, distributions: Mapping[str, Distribution], history: History) -> bool:
        return self._space is distributions and self._n_read <= history.n_finished() and not self.is_worn

    @property
    def is_worn(self) -> bool:
        """Whether so many trials were discarded that the storage is better built anew."""
        return self._n_discarded >= _MOST_DISCARDS

    def at_random(self, seed: int) -> dict[str, float]:
        """A suggestion to which no trial matters."""
        sampler, storage = rust.RandomSampler(seed=seed), self.storage
        if self._blank is None:
            self._blank = self._new_trial()
            self.storage.discard_trials([self._blank.trial_id])
        columns = self._columns.items()
        return self._internal({name: sampler.sample_independent(self._blank, storage, name, c.drawn) for name, c in columns})

    def _internal(self, values: Mapping[str, float]) -> dict[str, float]:
        """Rustuna's values as internal ones, in declared order."""
        return {name: column.decode(float(values[name])) for name, column in self._columns.items()}

    def _new_trial(self) -> Any:
        asked = self.storage.create_new_trial(self.study_id)
        return rust.SamplerContext(
            study_id=self.study_id, trial_number=asked.number, trial_id=asked._trial_id, directions=self._directions
        )

    def catch_up(self, history: History) -> None:
        for _, shape, params, values, attrs in history.complete(self._n_read):
            _, whole = self.add(shape, params, values, _violation_in(attrs) if attrs else attrs)
            self.n_complete += 1
            self._n_partial += not whole
        self._n_read = history.n_finished()

    def suggest(self, sampler: Any, joint: bool = True) -> dict[str, float]:
        """A suggestion. ``joint`` is False where a trial that was added lacks a parameter."""
        context = self._new_trial()
        # No `before_trial`: it infers a search space, which is declared here, and takes as long as the suggestion itself.
        # Joint sampling panics when a trial lacks a parameter; independent sampling leaves that trial out for that parameter.
        joint = joint and not self._n_partial
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
        self.discard([context.trial_id])
        return self._internal(values)

    def discard(self, trial_ids: list[int]) -> None:
        self.storage.discard_trials(trial_ids)
        self._n_discarded += len(trial_ids)

    def add(
        self, shape: Shape, params: Sequence[float], values: Sequence[float], attrs: Mapping[str, Any] = _NO_ATTRS
    ) -> tuple[int, bool]:
        """Add a complete trial: its id, and whether it has every parameter of the space."""
        selection = self._selection(shape)
        names, distributions, encoded = selection.of(params)
        trial_id: int = self.storage.create_new_trial(self.study_id)._trial_id
        for _ in map(self.storage.set_trial_param, repeat(trial_id), names, distributions, encoded):
            pass
        if attrs:
            self.storage.set_trial_system_attrs(trial_id, attrs)
        self.storage.set_trial_state_values(trial_id, rust.TrialState.COMPLETE, values)
        return trial_id, len(names) == len(self._space)

    def fits(self, shape: Shape, params: Sequence[float]) -> bool:
        """Whether a trial has every parameter of the space, inside its present bounds."""
        return len(self.columns_of(shape, params)) == len(self._space)

    def columns_of_shape(self, shape: Shape) -> list[str] | None:
        """The parameters of the space that trials of a shape have; None where their values decide."""
        return self._selection(shape).names

    def columns_of(self, shape: Shape, params: Sequence[float]) -> list[str]:
        """The parameters of the space that a trial has, inside their present bounds."""
        return self._selection(shape).of(params)[0]

    def _selection(self, shape: Shape) -> _Selection:
        selection = self._selections.get(shape)
        if selection is None:
            rust_space = self._rust_space if self._by_index else {}
            selection = self._selections[shape] = _Selection(shape, self._space, self._columns, rust_space)
        return selection


class _Selection:
    """The columns of a shape that Rustuna gets: those of the space's present kinds and categories, inside its present bounds.

    Other columns tell a sampler nothing. Without ``rust_space`` each has the distribution that its trial had.
    """

    __slots__ = ("_bounds", "_distributions", "_encoders", "_names", "_places")

    def __init__(
        self,
        shape: Shape,
        space: Mapping[str, Distribution],
        columns: Mapping[str, Column],
        rust_space: Mapping[str, Any],
    ) -> None:
        known = [(place, name, Distribution.from_json(text)) for place, (name, text) in enumerate(shape) if name in space]
        taken = [(place, name, then) for place, name, then in known if agrees(space[name], then)]
        self._places = None if len(taken) == len(shape) else [place for place, _, _ in taken]
        self._names = [name for _, name, _ in taken]
        self._distributions = [rust_space[name] if rust_space else as_it_is(then).drawn for _, name, then in taken]
        moved = any(then.low < space[name].low or then.high > space[name].high for _, name, then in taken)
        bounds = [space[name] if space[name].kind != "categorical" else _EVERY_INDEX for name in self._names]
        self._bounds = bounds if moved else None
        encoders = [(index, columns[name].encode) for index, name in enumerate(self._names)]
        self._encoders = [(index, encode) for index, encode in encoders if encode is not None]

    @property
    def names(self) -> list[str] | None:
        """The columns of every trial of this shape; None where a value may lie outside of the present bounds."""
        return self._names if self._bounds is None else None

    def of(self, params: Sequence[float]) -> tuple[list[str], list[Any], Sequence[float]]:
        """Names, distributions and Rustuna's values of a trial with these internal values."""
        values = params if self._places is None else [params[place] for place in self._places]
        encoded = values
        if self._encoders:
            encoded = list(values)
            for index, encode in self._encoders:
                encoded[index] = encode(values[index])
        if self._bounds is None:
            return self._names, self._distributions, encoded
        inside = [bound.low <= value <= bound.high for value, bound in zip(values, self._bounds, strict=True)]
        return (
            list(compress(self._names, inside)),
            list(compress(self._distributions, inside)),
            list(compress(encoded, inside)),
        )


class Column:
    """A parameter as Rustuna gets it. ``drawn`` is for random draws, ``modelled`` for the densities of TPE.

    ``decode`` turns Rustuna's value into an internal one, and ``encode`` an internal value into Rustuna's; None: it is the same.
    """

    __slots__ = ("decode", "drawn", "encode", "modelled")

    def __init__(self, drawn: Any, modelled: Any, decode: Convert = float, encode: Convert | None = None) -> None:
        self.drawn, self.modelled, self.decode, self.encode = drawn, modelled, decode, encode


def as_it_is(distribution: Distribution) -> Column:
    """The distribution itself, with Rustuna's faults: ``verify`` has to repeat the asks of older studies."""
    if distribution.kind == "categorical":
        given = rust.Distribution.categorical(list(range(len(distribution.choices))))
    else:
        build = rust.Distribution.float if distribution.kind == "float" else rust.Distribution.int
        given = build(distribution.low, distribution.high, log=distribution.log, step=distribution.step)
    return Column(given, given)


def as_in_optuna(distribution: Distribution) -> Column:
    """A column that Rustuna draws from, and models, as Optuna's samplers do with the distribution."""
    if distribution.kind == "categorical" or (distribution.step is None and not distribution.log):
        return as_it_is(distribution)
    narrow = distribution.log and log(distribution.high) - log(distribution.low) < _NARROW
    if distribution.kind == "float" and distribution.log:
        return _log_float(distribution, not narrow)
    return _log_int(distribution) if distribution.log and not narrow else _grid(distribution)


def _log_float(distribution: Distribution, is_log: bool) -> Column:
    low, high = distribution.low, distribution.high
    given = rust.Distribution.float(low, high, log=is_log, step=None)
    return Column(given, given, lambda value: min(max(value, low), high))  # exp(ln(low)) may be below low


def _log_int(distribution: Distribution) -> Column:
    low, high = distribution.low, distribution.high
    drawn = rust.Distribution.float(low - 0.5, high + 0.5, log=True, step=None)
    return Column(drawn, _halved(low, high, True), lambda value: float(min(max(round(value), low), high)))


def _grid(distribution: Distribution) -> Column:
    low, step, value_at, last = distribution.low, distribution.step, distribution.value_at, (distribution.cardinality or 1) - 1
    drawn = rust.Distribution.int(0, last, log=False, step=1)
    return Column(
        drawn,
        _halved(0, last, False),
        lambda index: float(value_at(min(max(round(index), 0), last))),
        lambda value: float(round((value - low) / step)),
    )


def _halved(low: int, high: int, is_log: bool) -> Any:
    """The ints from ``low`` to ``high`` for TPE, each as its two halves, low - 0.25 and low + 0.25.

    Rustuna cuts the density on a grid off in the middle of the outermost cells, so that the ends of an int distribution count
    for half. Here it cuts off a quarter, and the inner half of each end counts in full.
    """
    return rust.Distribution.float(low - 0.25, high + 0.25, log=is_log, step=0.5)
