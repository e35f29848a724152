"""Samplers that come to an end: every combination of a finite space, once, in Optuna's order.

They suggest what Optuna's ``GridSampler`` and ``BruteForceSampler`` do, bit for bit, but the trials' parameters say what was
tried, enqueued trials included, and neither repeats a combination while its trial is running or when all were tried. Neither
needs Optuna or NumPy, whose imports took nine tenths of an ask.
"""

from __future__ import annotations

from itertools import product
from math import prod

from journaltune.base.errors import ExhaustedError, UsageError
from journaltune.space import Distribution, agrees
from journaltune.space.counting import points
from journaltune.suggest import Suggested
from journaltune.suggest.samplers.mersenne import RandomState, pairwise_sum

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from journaltune.journal.state import Shape
    from journaltune.space.rules import Rules
    from journaltune.suggest.history import Asked, History

    Grid = Mapping[str, Sequence[Any]]  # by column: internal values, ints and indexes of categories as ints
    Combination = tuple[Any, ...]
    Tree = dict[Any, Any]  # by the value of a column: the tree of the columns after it

MOST_COMBINATIONS = 100_000  # of a grid, which every process lays out and shuffles
MOST_VALUES = 10_000  # of one parameter: brute force looks at each
_SEED_MASK = 0xFFFFFFFF


def values_of(name: str, distribution: Distribution) -> list[float]:
    """Every internal value of a column, in Optuna's decimal arithmetic. UsageError when too many, or continuous."""
    n_values = distribution.cardinality
    if n_values is None:
        raise UsageError(f"parameter {name!r} is continuous, and this sampler tries every value; {_way_out(name, distribution)}")
    if n_values > MOST_VALUES:
        raise UsageError(f"parameter {name!r} has {n_values} values, and this sampler tries each; give it a larger step")
    return [distribution.value_at(index) for index in range(n_values)]


def _way_out(name: str, distribution: Distribution) -> str:
    """A step, or for a logarithm, which has none, some of its values."""
    low, high = distribution.low, distribution.high
    if not distribution.log:
        return f"give it a step, as in {name}: float({low!r}, {high!r}, step={(high - low) / 4:.3g})"
    spread = [low, *(low * (high / low) ** (part / 4) for part in (1, 2, 3)), high]
    return f"name values instead, as in {name}: {' | '.join(repr(float(f'{value:.3g}')) for value in spread)}"


class Tried:
    """The combinations that were asked for, of the trials that have all columns of a space. Finished ones are read once.

    With ``partial`` a trial may lack columns, in whose place its combination has None.
    """

    def __init__(self, space: Mapping[str, Distribution], partial: bool = False) -> None:
        self.space, self._partial = space, partial
        self._n_read = 0
        self._finished: list[tuple[int, Combination]] = []
        self._columns: dict[Shape, list[tuple[int, Distribution] | None] | None] = {}

    def serves(self, space: Mapping[str, Distribution], history: History) -> bool:
        return self.space is space and self._n_read <= history.n_finished()

    def but(self, asked: int, history: History) -> set[Combination]:
        """Those of all trials but the one that is asked for."""
        self._finished += self._whole(trial for _, trial in history.finished(self._n_read))
        self._n_read = history.n_finished()
        pending = self._whole(iter(history.pending()))
        return {combination for number, combination in (*self._finished, *pending) if number != asked}

    def _whole(self, trials: Iterator[Asked]) -> Iterator[tuple[int, Combination]]:
        for number, shape, params in trials:
            if shape not in self._columns:
                self._columns[shape] = self._columns_of(shape)
            columns = self._columns[shape]
            if columns is not None and all(each is None or each[1].contains(params[each[0]]) for each in columns):
                yield number, tuple([None if each is None else _exact(each[1], params[each[0]]) for each in columns])

    def _columns_of(self, shape: Shape) -> list[tuple[int, Distribution] | None] | None:
        """Each column of the space with its place in a shape; None where one is missing, or has another kind or categories, and
        where another parameter varied too, which is not searched any more: that is another configuration."""
        places = {name: (index, text) for index, (name, text) in enumerate(shape)}
        if any(name not in self.space and not Distribution.from_json(text).single for name, text in shape):
            return None
        found: list[tuple[int, Distribution] | None] = []
        for name, known in self.space.items():
            index, text = places.get(name, (-1, ""))
            if index < 0 and self._partial:
                found.append(None)
                continue
            if index < 0 or not agrees(known, Distribution.from_json(text)):
                return None
            found.append((index, known))
        return found


def _exact(known: Distribution, value: float) -> Any:
    """The value as a grid has it: a rounding error may have missed it."""
    return known.canonical(value) if known.kind == "float" else int(value)


class FiniteSampler:
    """What both have in common: they know what was tried, and end when that is all."""

    marks_enqueued, finite = False, True
    rules: Rules | None = None
    option, not_offered = "", ""

    def __init__(self, name: str, options: Mapping[str, Any], by_index: bool) -> None:
        self._name, self._options, self._by_index = name, dict(options), by_index
        self._tried: Tried | None = None
        self._laid_out: tuple[Mapping[str, Distribution], Grid] | None = None
        self._points: tuple[Grid, list[Combination]] | None = None
        for given in options:
            if given == "seed":
                raise UsageError("a sampler's seed comes from the study's: use --seed")
            if given != self.option:
                raise UsageError(f"sampler {name} has no option {given!r}; its options are {self.option}")
            if self.not_offered:
                raise UsageError(f"option {given!r} of sampler {name} is not offered: {self.not_offered}")

    def check(self, distributions: Mapping[str, Distribution], n_objectives: int) -> None:
        """See ``samplers.Sampler``."""
        self._values({name: known for name, known in distributions.items() if not known.single})

    def suggest(
        self, history: History, distributions: Mapping[str, Distribution], number: int, seed: int, constant_seed: int
    ) -> Suggested:
        """See ``samplers.Sampler``."""
        grid, tried = self._values(distributions), self._tried
        if tried is None or not tried.serves(distributions, history):
            tried = Tried(distributions, self.rules is not None)
        self._tried = None  # until the end: an exception may leave anything in the cache
        suggested = self._suggest(distributions, grid, tried.but(number, history), seed & _SEED_MASK, constant_seed & _SEED_MASK)
        self._tried = tried
        return suggested

    def _values(self, space: Mapping[str, Distribution]) -> Grid:
        if self._laid_out is None or self._laid_out[0] is not space:
            self._laid_out = space, self._grid_of(space)
        return self._laid_out[1]

    def _grid_of(self, space: Mapping[str, Distribution]) -> Grid:
        return {name: values_of(name, distribution) for name, distribution in space.items()}

    def _allowed(self, grid: Grid) -> list[Combination]:
        """The combinations that the space's rules allow, with None where a column is absent."""
        if self._points is None or self._points[0] is not grid:
            wanted = {name: set(map(float, values)) for name, values in grid.items()}
            found = points(self.rules, MOST_COMBINATIONS) if self.rules is not None else ()
            allowed = [each for each in found if all(each[name] in wanted[name] for name in each.keys() & wanted.keys())]
            self._points = grid, list(dict.fromkeys([tuple([each.get(name) for name in grid]) for each in allowed]))
        return self._points[1]

    def _suggest(
        self, space: Mapping[str, Distribution], grid: Grid, tried: set[Combination], seed: int, constant_seed: int
    ) -> Suggested:
        raise NotImplementedError


def _exhausted(n_points: int) -> ExhaustedError:
    return ExhaustedError(
        f"all {n_points} combinations of the space were asked for; widen it with `journaltune create --exist-ok`, or stop here"
    )


class GridSampler(FiniteSampler):
    """Optuna's grid in its shuffled order, with the attributes that Optuna's own notes."""

    option = "search_space"

    def __init__(self, name: str, options: Mapping[str, Any], by_index: bool) -> None:
        super().__init__(name, options, by_index)
        given = options.get(self.option)
        if not isinstance(given, dict | None):
            raise UsageError(f"option {self.option!r} of sampler {name} maps parameters to lists of values, not {given!r}")
        self._order: tuple[Grid, int, list[int]] | None = None

    def _grid_of(self, space: Mapping[str, Distribution]) -> Grid:
        """The values to try of each column: all of them, or those that the option ``search_space`` names."""
        given = self._options.get(self.option)
        grid = super()._grid_of(space) if given is None else {n: self._given(n, known, given) for n, known in space.items()}
        if self.rules is None and prod(map(len, grid.values())) > MOST_COMBINATIONS:
            raise UsageError(
                f"the grid has {prod(map(len, grid.values()))} combinations, and at most {MOST_COMBINATIONS} are allowed; "
                "take sampler random"
            )
        return grid

    def _given(self, name: str, distribution: Distribution, given: Mapping[str, Any]) -> list[float]:
        """The values that are named for a column. In a study of before they stay as spelled, which no trial has."""
        if not isinstance(given.get(name), list) or not given[name]:
            raise UsageError(f"option search_space needs a list of values for parameter {name!r}")
        values = [distribution.to_internal(value) for value in given[name]]
        if self._by_index:
            values = list(map(distribution.canonical, values))
        if len(set(values)) != len(values):
            raise UsageError(f"option search_space names a value of parameter {name!r} twice")
        return values if distribution.kind == "float" else list(map(int, values))

    def _suggest(
        self, space: Mapping[str, Distribution], grid: Grid, tried: set[Combination], seed: int, constant_seed: int
    ) -> Suggested:
        names = sorted(grid)
        places = [list(grid).index(name) for name in names]
        taken = {tuple([combination[place] for place in places]) for combination in tried}
        if self.rules is None:
            combinations = list(product(*[grid[name] for name in names]))
        else:
            combinations = [tuple([combination[place] for place in places]) for combination in self._allowed(grid)]
        order = self._shuffled(grid, len(combinations), constant_seed)
        grid_id = next((index for index, which in enumerate(order) if combinations[which] not in taken), None)
        if grid_id is None:
            raise _exhausted(len(combinations))
        chosen = dict(zip(names, combinations[order[grid_id]], strict=True))
        external = {name: [space[name].to_external(value) for value in values] for name, values in grid.items()}
        internal = {name: float(chosen[name]) for name in grid if chosen[name] is not None}
        return Suggested(internal, {"search_space": external, "grid_id": grid_id})

    def _shuffled(self, grid: Grid, n_combinations: int, seed: int) -> list[int]:
        if self._order is None or self._order[0] is not grid or self._order[1] != seed:
            order = list(range(n_combinations))
            RandomState(seed).shuffle(order)
            self._order = grid, seed, order
        return self._order[2]


class BruteForceSampler(FiniteSampler):
    """Optuna's exhaustive search in random order: column by column, each value by how much of what is below it is untried."""

    option = "avoid_premature_stop"
    not_offered = "running trials are visible here, and not repeated"

    def _suggest(
        self, space: Mapping[str, Distribution], grid: Grid, tried: set[Combination], seed: int, constant_seed: int
    ) -> Suggested:
        if self.rules is not None:
            return self._any_untried(grid, tried, seed)
        n_combinations = prod(map(len, grid.values()))
        if len(tried) >= n_combinations:
            raise _exhausted(n_combinations)
        random, internal, node = RandomState(seed), dict[str, float](), _tree(tried)
        widths = [len(values) for values in grid.values()]
        for level, (name, values) in enumerate(grid.items(), 1):
            counts = [_n_untried(node[value], widths, level) if value in node else 1 for value in values]
            value = values[random.choice(_weights(counts))]
            internal[name] = float(value)
            node = node.get(value, {})
        return Suggested(internal, {})

    def _any_untried(self, grid: Grid, tried: set[Combination], seed: int) -> Suggested:
        """Any of what the rules allow, each as likely."""
        allowed = self._allowed(grid)
        left = [combination for combination in allowed if combination not in tried]
        if not left:
            raise _exhausted(len(allowed))
        chosen = zip(grid, left[seed % len(left)], strict=True)
        return Suggested({name: float(value) for name, value in chosen if value is not None}, {})


def _tree(tried: set[Combination]) -> Tree:
    root: Tree = {}
    for combination in tried:
        node = root
        for value in combination:
            node = node.setdefault(value, {})
    return root


def _n_untried(node: Tree, widths: Sequence[int], level: int) -> int:
    """How many values below a node are untried, as Optuna counts: one that nothing was tried of counts once, as a whole."""
    if level == len(widths):
        return 0
    return widths[level] - len(node) + sum(_n_untried(child, widths, level + 1) for child in node.values())


def _weights(counts: Sequence[int]) -> list[float]:
    """Half of the chance goes by the counts, half is the same for all values that have any left."""
    total, n_open = float(sum(counts)), float(sum(count > 0 for count in counts))
    weights = [0.5 * (count / total) + 0.5 * ((1.0 if count > 0 else 0.0) / n_open) for count in counts]
    whole = pairwise_sum(weights)
    return [weight / whole for weight in weights]
