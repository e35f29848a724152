"""TPE by groups of columns, as Optuna's ``TPESampler(group=True)``: it models jointly what trials always have together.

Rustuna's joint densities take trials with every column only. So each group has its own storage, with the trials that have all of
its columns, and its own startup. A complete trial that has some columns of a group only, as one of before a parameter was added
or a bound moved, splits that group in two: nothing is lost of what it tells.
"""

from __future__ import annotations

from journaltune.base.codes import PRUNED
from journaltune.base.constraints import constraints_in
from journaltune.base.seeds import GROUP, derive_seed
from journaltune.suggest.samplers.from_rustuna import RustStudy, violation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from typing import Any

    from journaltune.journal.state import Shape
    from journaltune.space import Distribution
    from journaltune.suggest.history import History


class Grouped:
    """The storages of all groups. What ``suggest`` answers depends on its arguments and on the finished trials alone."""

    def __init__(
        self, directions: Sequence[int], space: Mapping[str, Distribution], by_index: bool, groups: Sequence[Sequence[str]]
    ) -> None:
        self._space, self._by_index, self._groups, self._directions = space, by_index, groups, directions
        self._whole = RustStudy(directions, space, by_index)  # stays empty: it tells which columns a trial has
        self._patterns: set[frozenset[str]] = set()
        self._divisions: list[list[str]] = []
        self._parts: list[RustStudy] = []
        self._n_read = 0
        present = [[name for name in group if name in space] for group in groups]  # constants are no columns of a sampler
        self._divide([columns for columns in present if columns])

    def serves(self, space: Mapping[str, Distribution], history: History, groups: Sequence[Sequence[str]]) -> bool:
        if self._space is not space or self._groups != groups or self._n_read > history.n_finished():
            return False
        return not any(part.is_worn for part in self._parts)

    def suggest(self, history: History, seed: int, n_startup: int, sampler: Callable[[int], Any]) -> dict[str, float]:
        """Internal values for every column, in declared order. ``sampler(seed)``: a fresh one of Rustuna's."""
        self._catch_up(history)
        imputed = [(state, self._columns_of(*asked[1:]), *asked[1:]) for state, asked in history.imputed_by_state()]
        worst = history.worst() if imputed else None
        attrs = violation(history.worst_constraints()) if worst is not None else {}
        values: dict[str, float] = {}
        for index, (columns, part) in enumerate(zip(self._divisions, self._parts, strict=True)):
            own = derive_seed(seed, index, GROUP) if index else seed
            whole = [(state, shape, params) for state, has, shape, params in imputed if has.issuperset(columns)]
            n_observed = part.n_complete + sum(state == PRUNED for state, _, _ in whole)
            if n_observed < n_startup or part.n_complete + (worst is not None) * len(whole) < n_startup:
                values |= part.at_random(own)
                continue
            added = [part.add(shape, params, worst, attrs)[0] for _, shape, params in whole] if worst is not None else []
            values |= part.suggest(sampler(own))
            part.discard(added)
        return {name: values[name] for name in self._space}

    def _columns_of(self, shape: Shape, params: Sequence[float]) -> frozenset[str]:
        return frozenset(self._whole.columns_of(shape, params))

    def _catch_up(self, history: History) -> None:
        for _, shape, params, *_ in history.complete(self._n_read):
            self._split(self._columns_of(shape, params))
        for _, shape, params, values, attrs in history.complete(self._n_read):
            has = self._columns_of(shape, params)
            attrs = violation(constraints_in(attrs)) if attrs else attrs
            for columns, part in zip(self._divisions, self._parts, strict=True):
                if has.issuperset(columns):
                    part.add(shape, params, values, attrs)
                    part.n_complete += 1
        self._n_read = history.n_finished()

    def _split(self, has: frozenset[str]) -> None:
        """Divide groups of which a trial has some columns only. The storages begin anew then."""
        if has in self._patterns:
            return
        self._patterns.add(has)
        if any(0 < len(has.intersection(columns)) < len(columns) for columns in self._divisions):
            self._divide([part for columns in self._divisions for part in _parts(columns, has)])

    def _divide(self, divisions: list[list[str]]) -> None:
        self._divisions, self._n_read = divisions, 0
        spaces = [{name: self._space[name] for name in columns} for columns in divisions]
        self._parts = [RustStudy(self._directions, space, self._by_index) for space in spaces]


def _parts(columns: Sequence[str], has: Collection[str]) -> list[list[str]]:
    """The columns that a trial has and those that it lacks, whichever comes first in front; empty ones are left out."""
    parts = [name for name in columns if name in has], [name for name in columns if name not in has]
    return sorted(filter(None, parts), key=lambda part: columns.index(part[0]))
