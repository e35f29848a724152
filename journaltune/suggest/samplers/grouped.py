"""TPE by groups of columns, as Optuna's ``TPESampler(group=True)``: it models jointly what trials always have together.

Rustuna's joint densities take trials with every column only. So each group has its own storage, with trials that have all of its
columns, and its own startup. A complete trial that has some columns of a group only, as one of before a parameter was added
or a bound moved, splits that group in two: nothing is lost of what it tells. Of many trials a storage holds a few hundred: see
``bounded``.
"""

from __future__ import annotations

from itertools import compress
from math import inf, isnan
from operator import and_

from journaltune.base import GROUP, MINIMIZE, derive_seed
from journaltune.base.constraints import total_violation, violation
from journaltune.suggest.history import finite
from journaltune.suggest.samplers.bounded import Chosen
from journaltune.suggest.samplers.from_rustuna import RustStudy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from typing import Any

    from journaltune.journal.state import Shape
    from journaltune.space import Distribution
    from journaltune.suggest.history import History

    Present = Callable[[Mapping[str, float]], Collection[str]]
    MakeSampler = Callable[[int, int], Any]  # of a seed, and of the number of trials up to which it draws at random
    Asked = tuple[Shape, Sequence[float]]
    Imputed = tuple[list[float], dict[str, float]] | None  # values, and attributes that say how far they violate constraints


class Grouped:
    """The storages of all groups. What ``suggest`` answers depends on its arguments and on the finished trials alone."""

    def __init__(
        self, directions: Sequence[int], space: Mapping[str, Distribution], by_index: bool, groups: Sequence[Sequence[str]]
    ) -> None:
        self._space, self._by_index, self._groups, self._directions = space, by_index, groups, directions
        self._whole = RustStudy(directions, space, by_index)  # stays empty: it tells which columns a trial has
        self._constrained = False
        present = [[name for name in group if name in space] for group in groups]  # constants are no columns of a sampler
        self._begin([columns for columns in present if columns])

    def _begin(self, divisions: Sequence[Sequence[str]]) -> None:
        self._n_read = 0
        self._worst: list[float] = []  # loss in each objective
        self._constraints: dict[str, float] = {}  # the largest value of each
        self._parts = [_Part(columns, self._study_of(columns), len(self._directions)) for columns in divisions]

    def _study_of(self, columns: Sequence[str]) -> Callable[[], RustStudy]:
        space = {name: self._space[name] for name in columns}
        return lambda: RustStudy(self._directions, space, self._by_index)

    def serves(self, space: Mapping[str, Distribution], history: History, groups: Sequence[Sequence[str]]) -> bool:
        return self._space is space and self._groups == groups and self._n_read <= history.n_finished()

    def suggest(
        self, history: History, seed: int, n_startup: int, sampler: MakeSampler, present: Present | None = None
    ) -> dict[str, float]:
        """Internal values for every column, in declared order. ``sampler`` makes a fresh one of Rustuna's.

        In each group they are random until ``n_startup`` of its trials finished, and where the values before leave it out:
        ``present`` says which columns are there with these.
        """
        while self._n_read < history.n_finished():
            self._catch_up(history)
        pending = [(frozenset(self._whole.columns_of(*asked[1:])), asked[1:]) for asked in history.pending()]
        imputed, values, absent = self._imputed(), dict[str, float](), dict[str, float]()
        for index, part in enumerate(self._parts):
            own = derive_seed(seed, index, GROUP) if index else seed
            if index and present is not None and part.columns[0] not in present(values):
                absent = absent or self._whole.at_random(own)
                values |= {name: absent[name] for name in part.columns}
                continue
            whole = [asked for has, asked in pending if has.issuperset(part.columns)]
            if part.has_begun(n_startup, None if imputed is None else len(whole)):
                n_trials = part.fill(history, whole, imputed, self._constrained)
                values |= part.suggest(sampler(own, min(n_startup, n_trials)))
            else:
                values |= part.study.at_random(own)
        return {name: values[name] for name in self._space}

    def _imputed(self) -> Imputed:
        if not self._worst:
            return None
        signed = (loss if d == MINIMIZE else -loss for loss, d in zip(self._worst, self._directions, strict=True))
        return [finite(value) for value in signed], violation(dict(sorted(self._constraints.items())))

    def _catch_up(self, history: History) -> None:
        """Read the trials that finished since; or begin anew, where they tell of a division of the columns or of constraints."""
        skip, constraints = self._n_read, history.constraints(self._n_read)
        visible, observed, pruned = history.masks(skip)
        if constraints and not self._constrained:
            self._constrained = True
            self._begin([part.columns for part in self._parts])
            return
        patterns, present = self._presence(history, skip, visible)
        if self._split([patterns[index] for index in sorted(set(compress(present, observed)))]):
            return
        losses = history.losses(skip, observed)
        self._note_worst(losses, constraints.values())
        if self._constrained:
            rows = compress(range(skip, history.n_finished()), observed)
            losses = [(_violated(constraints.get(row, {})), *_values(loss)) for row, loss in zip(rows, losses, strict=True)]
        for part in self._parts:
            flags = bytes(columns.issuperset(part.columns) for columns in patterns)
            mask = None if all(flags) else bytes(map(flags.__getitem__, present))
            part.add(skip, mask, visible, observed, pruned, losses)
        self._n_read = history.n_finished()

    def _presence(self, history: History, skip: int, visible: bytes) -> tuple[list[frozenset[str]], Sequence[int]]:
        """Sets of columns, and which one each trial from ``skip`` on has."""
        shapes, present = history.shapes(skip)
        known = [self._whole.columns_of_shape(shape) for shape in shapes]
        if not history.any_odd(skip):
            sure = [frozenset(columns) for columns in known if columns is not None]
            if len(sure) == len(known):
                return sure, present
        patterns: dict[frozenset[str], int] = {frozenset(): 0}
        each = zip(visible, history.asked(skip), strict=True)
        found = [frozenset(self._whole.columns_of(*asked)) if is_visible else frozenset() for is_visible, asked in each]
        present = [patterns.setdefault(columns, len(patterns)) for columns in found]
        return list(patterns), present

    def _note_worst(self, losses: Sequence[Any], constraints: Collection[Mapping[str, float]]) -> None:
        if losses:
            columns = [losses] if len(self._directions) == 1 else zip(*losses, strict=True)
            worst = [max(column) for column in columns]
            self._worst = list(map(max, self._worst, worst)) if self._worst else worst
        for each in constraints:
            for name, value in each.items():
                self._constraints[name] = max(value, self._constraints.get(name, -inf))

    def _split(self, patterns: Sequence[frozenset[str]]) -> bool:
        """Divide groups of which trials have some columns only; whether there was such a group."""
        divisions = [part.columns for part in self._parts]
        for has in patterns:
            divisions = [part for columns in divisions for part in _halves(columns, has)]
        if len(divisions) == len(self._parts):
            return False
        self._begin(divisions)
        return True


def _halves(columns: Sequence[str], has: frozenset[str]) -> list[list[str]]:
    """The columns that a trial has and those that it lacks, whichever comes first in front; empty ones are left out."""
    halves = [name for name in columns if name in has], [name for name in columns if name not in has]
    return sorted(filter(None, halves), key=lambda half: columns.index(half[0]))


def _violated(constraints: Mapping[str, float]) -> float:
    total = total_violation(constraints)
    return inf if isnan(total) else total


def _values(loss: Any) -> tuple[float, ...]:
    return loss if isinstance(loss, tuple) else (loss,)


class _Part:
    """One group: its columns, the trials that have them all, and the storage with some of these trials."""

    def __init__(self, columns: Sequence[str], make: Callable[[], RustStudy], n_objectives: int) -> None:
        self.columns = list(columns)
        self._study: RustStudy | None = None  # until a suggestion needs it
        self._make = make
        self._chosen = Chosen(n_objectives)
        self._n_complete = self._n_pruned = 0
        self._held: dict[int, int] = {}  # the trials in the storage: its id by row
        self._without_result: list[int] = []  # rows that are chosen, and get the worst values
        self._added: list[int] = []  # the ids of trials that are discarded after the suggestion

    @property
    def study(self) -> RustStudy:
        if self._study is None:
            self._study = self._make()
        return self._study

    def add(self, skip: int, mask: bytes | None, visible: bytes, observed: bytes, pruned: bytes, losses: Sequence[Any]) -> None:
        """Take note of the finished trials from ``skip`` on, if the ``mask`` has them. ``losses``: those of all ``observed``."""
        if mask is not None:
            losses = list(compress(losses, compress(mask, observed)))
            visible, observed, pruned = (bytes(map(and_, mask, each)) for each in (visible, observed, pruned))
        rows = range(skip, skip + len(visible))
        seen, complete = (rows if 0 not in each else list(compress(rows, each)) for each in (visible, observed))
        self._chosen.add(seen, complete, losses)
        self._n_complete += len(complete)
        self._n_pruned += pruned.count(1)

    def has_begun(self, n_startup: int, n_pending: int | None) -> bool:
        """Whether enough trials finished, and Rustuna sees enough. ``n_pending``: None while there is no value to impute."""
        n_seen = self._n_complete if n_pending is None else self._chosen.n + n_pending
        return self._n_complete + self._n_pruned >= n_startup <= n_seen

    def fill(self, history: History, pending: Sequence[Asked], imputed: Imputed, constrained: bool) -> int:
        """Let the storage hold the trials for one suggestion, and return how many they are."""
        self._hold_chosen(history, constrained)
        if imputed is not None:
            without_result = [(shape, params) for shape, params, _ in history.several(self._without_result)]
            self._added = [self.study.add(*asked, *imputed)[0] for asked in (*without_result, *pending)]
        return len(self._held) + len(self._added)

    def suggest(self, sampler: Any) -> dict[str, float]:
        values = self.study.suggest(sampler)
        self.study.discard(self._added)
        self._added = []
        return values

    def _hold_chosen(self, history: History, constrained: bool) -> None:
        """Let the storage hold just the chosen trials. They keep their order: new ones finished later than all that are held."""
        if self.study.is_worn:
            self._study, self._held = self._make(), {}
        chosen, held = self._chosen.rows(), self._held
        have_results = history.have_results(chosen)
        self._without_result = [row for row, has_result in zip(chosen, have_results, strict=True) if not has_result]
        wanted = dict.fromkeys(compress(chosen, have_results))
        self.study.discard([held.pop(row) for row in list(held) if row not in wanted])
        new = [row for row in wanted if row not in held]
        for row, trial in zip(new, history.several(new), strict=True):
            attrs = violation(history.constraints_of(row)) if constrained else {}
            held[row] = self.study.add(*trial, attrs)[0]
