"""NSGA-II with the operators of its authors, simulated binary crossover and polynomial mutation, and a population that grows.

Optuna's and Rustuna's NSGA-II swap values between two parents and mutate by drawing a value anew from its whole range. In two
columns, three of four children have a value from anywhere: where 4 % of a space keep the constraints, so do 5 % of the children,
however many generations have passed. And 200 trials are four generations of 50. Here a child lies near its parents, and the
first generations are small: the population grows with the number of trials, up to the usual 50, and mutations get smaller.

Trials are compared as in the paper: those that keep their constraints by fronts and crowding, before those that violate some, by
how much in all. As in ``nsgaii``, generation and parents stand in the record of the ask. A trial without a generation, such as an
imported one, counts as one of the first generation.

Sources: Deb, Pratap, Agarwal, Meyarivan, "A fast and elitist multiobjective genetic algorithm: NSGA-II", 2002. Growing
populations as in Kollat, Reed, "Comparing state-of-the-art evolutionary multi-objective algorithms for long-term groundwater
monitoring design", 2006.
"""

from __future__ import annotations

from _random import Random
from math import inf

from journaltune.base import MAXIMIZE, MINIMIZE
from journaltune.base.constraints import constraints_in, total_violation
from journaltune.base.frozen import Frozen
from journaltune.suggest import Suggested
from journaltune.suggest.history import STUDY_ATTRS
from journaltune.suggest.samplers.from_rustuna import RustStudy
from journaltune.suggest.samplers.nsgaii import GENERATION, HUGE, PARENTS, NsgaiiSampler, parents_in
from journaltune.suggest.samplers.unit import UnitColumn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from journaltune.space import Distribution
    from journaltune.suggest.history import History

_FIRST, _MOST = 10, 50  # parents
_SHARE, _CHILDREN, _LEAST_CHILDREN = 5, 8, 3  # a fifth of the trials are parents; they have an eighth as many children, or three
_MUTATIONS = 2  # columns that a child differs in by mutation, on average
_WIDE, _NARROWER, _NARROWEST = (
    10.0,
    4,
    100.0,
)  # distribution index of mutations at the start, trials after which it is 1 more, last
_CHUNK = 100  # trials that are compared with each other at a time


class GeneticSampler(NsgaiiSampler):
    """Options as of ``NsgaiiSampler``; with ``population_size``, each generation and its parents are that many."""

    _pool: _Pool | None = None

    def _suggest(self, history: History, distributions: Mapping[str, Distribution], seed: int) -> Suggested:
        pool = self._pool
        if pool is None or pool.space is not distributions or pool.n_read > history.n_finished():
            pool = self._pool = _Pool(distributions, self._by_index)
        pool.catch_up(history)
        fixed = self._options.get("population_size")
        generation, n_parents, n_before = pool.with_room(None if fixed is None else int(fixed))
        attrs: dict[str, Any] = {GENERATION: str(generation)}
        if not generation:
            return Suggested(self._study(history, distributions).at_random(seed), attrs)
        noted = parents_in(history.study_attrs())
        earlier, chosen = (pool.known(noted.get(place, ())) for place in (generation - 1, generation))
        if not chosen:
            chosen = pool.elite(earlier, generation, n_parents)
            written = {f"{PARENTS}{generation}": [each.number for each in chosen]}
            attrs[STUDY_ATTRS] = {"place": history.n_writes(), "attrs": written}
        parents = [each.units for each in chosen]
        nearness = min(_WIDE + min(n_before / _NARROWER, pool.n_feasible), _NARROWEST)
        return Suggested(self._child(parents, pool.columns, nearness, Random(seed).random), attrs)

    def _child(
        self, parents: Sequence[Sequence[float]], columns: Mapping[str, UnitColumn], nearness: float, draw: Callable[[], float]
    ) -> dict[str, float]:
        mother, father = _winner(parents, draw()), _winner(parents, draw())
        crosses = draw() < self._options.get("crossover_prob", 0.9)
        swapping, mutation = self._options.get("swapping_prob", 0.5), self._options.get("mutation_prob")
        if mutation is None:
            mutation = min(1.0, _MUTATIONS / len(columns))
        chances = [mutation / 2 if column.is_choice else mutation for column in columns.values()]  # a choice changes wholly
        child = [
            column.crossed(one, other, draw(), draw() < 0.5) if draw() < swapping and crosses else one
            for column, one, other in zip(columns.values(), mother, father, strict=True)
        ]
        places = [place for place, chance in enumerate(chances) if draw() < chance]
        if not places and child == list(mother):  # it would be the mother once more
            places = [int(draw() * len(child))]
        listed = list(columns.values())
        for place in places:
            child[place] = listed[place].mutated(child[place], nearness, draw())
        return {name: column.decode(unit) for (name, column), unit in zip(columns.items(), child, strict=True)}


def _winner(parents: Sequence[Sequence[float]], drawn: float) -> Sequence[float]:
    """The better of two random parents, which stand best first: one number decides, by the distribution of the smaller place."""
    return parents[min(int((1 - (1 - drawn) ** 0.5) * len(parents)), len(parents) - 1)]


def _sizes(fixed: int | None) -> Iterator[tuple[int, int, int]]:
    """How many trials each generation has, how many parents these have, and how many trials there are before."""
    size, n_parents, n_before = fixed or _FIRST, 0, 0
    while True:
        yield size, n_parents, n_before
        n_before += size
        n_parents = fixed or max(_FIRST, min(_MOST, n_before // _SHARE))
        size = fixed or max(_LEAST_CHILDREN, n_parents // _CHILDREN)


class _Individual(Frozen):
    """A complete trial: its values to be minimized, how much it violates its constraints, and its parameters in the unit cube."""

    number: int
    losses: tuple[float, ...]
    violation: float
    units: tuple[float, ...]


class _Pool:
    """The complete trials that fit into the space, by generation."""

    def __init__(self, distributions: Mapping[str, Distribution], by_index: bool) -> None:
        self.space = distributions
        self.columns = {name: UnitColumn(distribution) for name, distribution in distributions.items()}
        self.n_read = self.n_feasible = 0
        self.by_number: dict[int, _Individual] = {}
        self._by_generation: dict[int, list[_Individual]] = {}
        self._fits = RustStudy([MINIMIZE], distributions, by_index, modelled=False).fits

    def catch_up(self, history: History) -> None:
        signs = [-1.0 if direction == MAXIMIZE else 1.0 for direction in history.directions]
        for number, shape, params, values, attrs in history.complete(self.n_read):
            if self._fits(shape, params):
                internal = {name: value for (name, _), value in zip(shape, params, strict=True)}
                units = tuple(column.encode(internal[name]) for name, column in self.columns.items())
                # Crowding distances are ratios of differences, which the largest doubles don't have.
                losses = tuple(sign * min(max(value, -HUGE), HUGE) for sign, value in zip(signs, values, strict=True))
                individual = _Individual(number, losses, total_violation(constraints_in(attrs)), units)
                generation = str(attrs.get(GENERATION))
                self._by_generation.setdefault(int(generation) if generation.isdecimal() else 0, []).append(individual)
                self.by_number[number] = individual
                self.n_feasible += individual.violation <= 0
        self.n_read = history.n_finished()

    def with_room(self, fixed: int | None) -> tuple[int, int, int]:
        """The first generation that is not full, how many parents it has, and how many trials the generations before have."""
        sizes = enumerate(_sizes(fixed))
        return next(
            (generation, n_parents, n_before)
            for generation, (size, n_parents, n_before) in sizes
            if len(self._by_generation.get(generation, ())) < size
        )

    def known(self, numbers: Sequence[Any]) -> list[_Individual]:
        """The parents that were chosen, if all of them fit into the space; else none, so that others are chosen."""
        return [self.by_number[number] for number in numbers] if all(number in self.by_number for number in numbers) else []

    def elite(self, earlier: Sequence[_Individual], generation: int, size: int) -> list[_Individual]:
        """The parents of a generation, best first: of the parents of the last one, and of its trials.

        Where the last one's parents don't fit into the space any more, of all trials before.
        """
        if not earlier:
            candidates = [
                each for place, members in sorted(self._by_generation.items()) if place < generation for each in members
            ]
        else:
            candidates = [*earlier, *self._by_generation.get(generation - 1, [])]
        kept: list[_Individual] = []
        for start in range(0, len(candidates), _CHUNK):
            kept = best_of(kept + candidates[start : start + _CHUNK], size)
        return kept


def best_of(individuals: Sequence[_Individual], size: int) -> list[_Individual]:
    """The best individuals by constrained domination, best first; inside a front, those that stand apart."""
    chosen: list[_Individual] = []
    for front in _fronts([each for each in individuals if each.violation <= 0]):
        distances = _crowding(front)
        chosen += sorted(front, key=lambda each: (-distances[each.number], each.number))
        if len(chosen) >= size:
            return chosen[:size]
    rest = [each for each in individuals if not each.violation <= 0]
    return (chosen + sorted(rest, key=lambda each: (each.violation, each.number)))[:size]


def _fronts(individuals: Sequence[_Individual]) -> Iterable[list[_Individual]]:
    """Those that no other one dominates, then those that only these dominate, and so on."""
    left = sorted(individuals, key=lambda each: (each.losses, each.number))
    while left:
        front: list[_Individual] = []
        rest: list[_Individual] = []
        for each in left:  # sorted, so only one before it can dominate it
            dominated = any(
                other.losses != each.losses and all(a <= b for a, b in zip(other.losses, each.losses, strict=True))
                for other in front
            )
            (rest if dominated else front).append(each)
        yield front
        left = rest


def _crowding(front: Sequence[_Individual]) -> dict[int, float]:
    """By number: the sum over the objectives of the distance between the neighbours; the outermost are infinitely far away."""
    distances = {each.number: 0.0 for each in front}
    for axis in range(len(front[0].losses)):
        ordered = sorted(front, key=lambda each: (each.losses[axis], each.number))
        low, high = ordered[0], ordered[-1]
        distances[low.number] = distances[high.number] = inf
        span = high.losses[axis] - low.losses[axis]
        if span > 0:
            for before, each, after in zip(ordered, ordered[1:], ordered[2:], strict=False):
                distances[each.number] += (after.losses[axis] - before.losses[axis]) / span
    return distances
