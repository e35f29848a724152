"""Optuna's samplers, and any other ``BaseSampler``: each suggestion from a fresh one over a view of the history.

Nothing stays in memory: a class may note what it learns in attributes of trials and of the study only, and must not override
``after_trial``, because nothing of ours runs when a trial ends. Caches that it can fill again from the trials do no harm.
"""

from __future__ import annotations

import random
import re
import warnings
from contextlib import contextmanager, nullcontext
from functools import partial

import numpy as np
import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseGASampler, BaseSampler
from optuna.trial import FrozenTrial, TrialState

from journaltune.base.errors import ExhaustedError, JournaltuneError, UsageError
from journaltune.suggest import Suggested
from journaltune.suggest.samplers.generations import mended
from journaltune.suggest.samplers.optuna_classes import check_class, check_options, kind_of, quiet, sampler_class, takes_seed
from journaltune.suggest.samplers.optuna_view import COMPLETE, NONE, HistoryStorage, TrialsView

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from journaltune.space import Distribution
    from journaltune.space.rules import Rules
    from journaltune.suggest.history import History

_SEED_MASK = 0xFFFFFFFF
_N_PROBED = 24


class _Study(optuna.Study):
    def stop(self) -> None:
        raise ExhaustedError("the sampler has nothing left to suggest; stop here, or take another one")


class OptunaSampler:
    """A sampler by short name, ``optuna.CLASSNAME`` or ``module:Class``; options are its keyword arguments, but not its seed."""

    finite = False
    rules: Rules | None = None

    def __init__(self, name: str, options: Mapping[str, Any], by_index: bool) -> None:
        self._name = name
        self._class = sampler_class(name)
        self._options = dict(options)
        self._kind = kind_of(self._class, name)
        self.marks_enqueued = self._kind.visible == COMPLETE
        check_class(self._class, name, self._kind)
        check_options(self._class, name, options)
        self._seeded = takes_seed(self._class)
        self._n_startup = self._startup_trials()
        self._view: TrialsView | None = None
        self._cma_cache: dict[str, Any] = {}

    def _startup_trials(self) -> int:
        """How many trials the class samples at random first: imputed trials must not count for these."""
        import inspect

        known = inspect.signature(self._class).parameters.get("n_startup_trials")
        default = known.default if known is not None and isinstance(known.default, int) else 0
        return int(self._options.get("n_startup_trials", default))

    def check(self, distributions: Mapping[str, Distribution], n_objectives: int) -> None:
        """See ``samplers.Sampler``."""
        if self._kind.single and n_objectives > 1:
            raise UsageError(f"sampler {self._name} takes one objective, not {n_objectives}; take tpe, nsgaii or nsgaiii")
        space = {name: known for name, known in distributions.items() if not known.single}
        if self._kind.numeric and space and all(known.kind == "categorical" for known in space.values()):
            raise UsageError(f"sampler {self._name} searches in numbers only, and every parameter has categories; take tpe")
        try:
            self.fresh(0, 0)
            if self._kind.known and not self._kind.slow:
                self._try_out(space, n_objectives, _N_PROBED)
        except (TypeError, ValueError, AttributeError, AssertionError) as error:
            raise UsageError(f"sampler {self._name} does not take these options: {_line(error)}") from error
        if not self._kind.known:
            self._probe(space, n_objectives)

    def fresh(self, seed: int, constant_seed: int) -> BaseSampler:
        """A new sampler of the class, for one suggestion."""
        seed = (constant_seed if self._kind.constant else seed) & _SEED_MASK
        options = {**quiet(self._class), **self._options, **({"seed": seed} if self._seeded else {})}
        with _muted():
            if self._class is optuna.samplers.CmaEsSampler:
                from journaltune.suggest.samplers.cmaes import ReplayedCmaEs

                sampler = ReplayedCmaEs(**options)
                sampler.cache = self._cma_cache
                return sampler
            if "reference_points" in options:
                options["reference_points"] = np.asarray(options["reference_points"], dtype=float)
            return self._class(**options)

    def suggest(
        self, history: History, distributions: Mapping[str, Distribution], number: int, seed: int, constant_seed: int
    ) -> Suggested:
        """See ``samplers.Sampler``."""
        view = self._view
        if view is None or not view.serves(distributions, history):
            kind, optional = self._kind, () if self.rules is None else self.rules.optional
            view = TrialsView(distributions, kind.visible, kind.partial, kind.huge, kind.exact, optional)
            self._cma_cache = {}
        self._view = None  # until the end: an exception may leave anything in the cache
        storage = HistoryStorage(history.directions, number, lambda: view.trials(history, self._n_startup), history.study_attrs)
        try:
            internal = self._sample(storage, view, seed, constant_seed)
            attrs = storage.attrs(history.n_writes)
        except JournaltuneError:
            raise
        except Exception as error:
            raise JournaltuneError(
                f"sampler {self._name} gave up on this history ({type(error).__name__}: {_line(error)}); "
                "take another one with `journaltune create --exist-ok --sampler NAME`"
            ) from error
        self._view = view
        return Suggested(internal, attrs)

    def _sample(self, storage: HistoryStorage, view: TrialsView, seed: int, constant_seed: int) -> dict[str, float]:
        """Internal values. Raises whatever the sampler raises."""
        sampler = self.fresh(seed, constant_seed)
        if isinstance(sampler, BaseGASampler):
            storage.amend(partial(mended, sampler))
        with _muted(), _one_thread() if self._kind.slow else nullcontext():
            self._fill(sampler, storage, view)
        return {name: self._internal(name, view, storage.asked.params[name]) for name in view.space}

    def _fill(self, sampler: BaseSampler, storage: HistoryStorage, view: TrialsView) -> None:
        """Set the asked trial's parameters as ``optuna.Trial`` does, without writing each step to a storage."""
        study, trial = _Study("history", storage, sampler=sampler), storage.asked
        sampler.before_trial(study, trial)
        joint = dict(view.native) if self._kind.declared else sampler.infer_relative_search_space(study, trial)
        relative = sampler.sample_relative(study, trial, joint)
        for name, native in view.native.items():
            if name in relative and native._contains(native.to_internal_repr(relative[name])):
                value = relative[name]
            else:
                value = sampler.sample_independent(study, trial, name, native)
            trial.params[name] = value
            trial.distributions[name] = native

    def _internal(self, name: str, view: TrialsView, value: Any) -> float:
        internal = float(view.native[name].to_internal_repr(value))
        if not view.space[name].contains(internal):
            raise JournaltuneError(
                f"sampler {self._name} suggested {value!r} for parameter {name!r}; give {view.space[name].allowed()}"
            )
        return internal

    def _probe(self, space: Mapping[str, Distribution], n_objectives: int) -> None:
        """UsageError when an unknown class does not suggest the same from the same seed and trials.

        It sees first no trial and then a few made-up ones, with Python's and numpy's global random generators in two states.
        """
        before = random.getstate(), np.random.get_state()
        try:
            for n_trials in (0, _N_PROBED):
                outcomes = [self._outcome(space, n_objectives, n_trials, state) for state in (1, 2)]
                if outcomes[0] != outcomes[1]:
                    raise UsageError(
                        f"sampler {self._name} suggests otherwise from the same seed and trials: it depends on something else "
                        "(a global random generator, the time), so its suggestions could not be verified"
                    )
        finally:
            random.setstate(before[0])
            np.random.set_state(before[1])

    def _outcome(self, space: Mapping[str, Distribution], n_objectives: int, n_trials: int, state: int) -> Any:
        random.seed(state)
        np.random.seed(state)
        try:
            return self._try_out(space, n_objectives, n_trials)
        except JournaltuneError:
            raise
        except Exception as error:
            raise UsageError(f"sampler {self._name} does not work here ({type(error).__name__}: {_line(error)})") from error

    def _try_out(self, space: Mapping[str, Distribution], n_objectives: int, n_trials: int) -> Any:
        """A suggestion after so many made-up trials. Raises whatever the sampler raises."""
        view, draw = TrialsView(space, NONE, False, None), random.Random(0)
        trials = [_made_up(view, draw, number, n_objectives) for number in range(n_trials)]
        storage = HistoryStorage([1] * n_objectives, n_trials, lambda: trials, dict)
        try:
            return self._sample(storage, view, 1, 1), storage.attrs(int)
        finally:
            self._cma_cache = {}


def _made_up(view: TrialsView, draw: random.Random, number: int, n_objectives: int) -> FrozenTrial:
    params: dict[str, Any] = {}
    for name, known in view.space.items():
        if known.kind == "float":
            params[name] = known.low if known.step else draw.uniform(known.low, known.high)
        else:
            params[name] = (
                draw.randrange(len(known.choices)) if known.kind == "categorical" else draw.choice((known.low, known.high))
            )
    values = [draw.random() for _ in range(n_objectives)]
    return FrozenTrial(
        number, TrialState.COMPLETE, None, None, None, params, dict(view.native), {}, {}, {}, number, values=values
    )


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())


_MUTED = (
    ("ignore", None, ExperimentalWarning, None, 0),
    ("ignore", None, FutureWarning, None, 0),
    ("ignore", re.compile("Clip non-finite values"), UserWarning, None, 0),
)


class _muted:
    """No warnings that a class is experimental or an option deprecated: Optuna gives them at each construction, so at each ask.

    It adds filters and removes just these. ``warnings.catch_warnings`` would restore the whole list, and with it undo changes
    that another thread made meanwhile.
    """

    def __enter__(self) -> None:
        self._added = [entry for entry in _MUTED if entry not in warnings.filters]
        warnings.filters[:0] = self._added  # type: ignore[index]

    def __exit__(self, *_: object) -> None:
        for entry in self._added:
            if entry in warnings.filters:
                warnings.filters.remove(entry)  # type: ignore[attr-defined]


@contextmanager
def _one_thread() -> Iterator[None]:
    """PyTorch calculates in this thread alone. The matrices are so small that more threads take twice as long, and a process
    that is forked after those threads have started waits for them for ever."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
