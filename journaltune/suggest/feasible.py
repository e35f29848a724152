"""Configurations of a space with rules: what a sampler suggests is settled by them, or drawn again until they allow it.

A sampler suggests a value for every column, whether a condition leaves it out or not. What its rules don't allow is never handed
out: the sampler is asked again with other seeds, then columns of its suggestions are mixed with those of the best trials, and at
last the space is drawn from at random, and searched value by value. Parameters that no rule connects are drawn apart, so that
constraints on some are kept by drawing those again; and where a suggestion breaks some, the rest of it stays.
"""

from __future__ import annotations

from _random import Random  # ``random`` imports hashlib and others for distributions that nobody needs here
from math import exp, log

from journaltune.base import derive_seed
from journaltune.base.errors import InfeasibleError, SpaceError
from journaltune.space import Distribution

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from journaltune.space import Space
    from journaltune.space.rules import Rules, Step
    from journaltune.suggest import Suggested

    # Parameters that rules connect: of each its place and step, a function for each column, and whether one is fixed.
    Part = list[tuple[int, Step, list[Callable[[float], float]], bool]]

SUGGESTIONS = 12  # of the sampler
_MIXTURES = 200
_DRAWS = 100_000  # so that one space in e^10 of those with one allowed draw in 10,000 is given up
_SEARCHES, _SEARCHED = 400, 500  # searches by value, each from other first values on, and values that one tries
_SHARE = 5  # of so many draws a share is told; a hundredth of them is nothing to speak of
_FEASIBLE = 0xFEA5  # apart from the purposes that base names


def drawer(known: Distribution) -> Callable[[float], float]:
    """The function from a number in [0, 1) to an internal value, as random search draws it."""
    count = known.cardinality
    if known.log:
        margin = 0.5 if known.kind == "int" else 0.0
        low, width = log(known.low - margin), log(known.high + margin) - log(known.low - margin)
        if known.kind == "int":
            return lambda unit: float(min(max(round(exp(low + unit * width)), known.low), known.high))
        return lambda unit: min(max(exp(low + unit * width), known.low), known.high)
    if count is None:
        return lambda unit: known.low + unit * (known.high - known.low)
    return lambda unit: float(known.value_at(int(unit * count)))


def settled(
    drawing: Drawing, suggest: Callable[[int], Suggested], others: Callable[[], Sequence[Mapping[str, float]]]
) -> Suggested:
    """The sampler's suggestion if it is allowed, or else what is made of it, or else a random configuration.

    ``suggest(k)`` is the k-th suggestion, with a value for every column: what breaks a constraint in the first ones is taken from
    later ones. ``others`` are good configurations that were tried.
    """
    suggested = suggest(0)
    kept, internal, before = drawing.settle(suggested.internal), suggested.internal, suggested.internal
    for attempt in range(1, SUGGESTIONS):
        if kept is not None:
            return suggested.but(internal=kept)
        suggested = suggest(attempt)
        if suggested.internal == before:  # this sampler's suggestions do not depend on its seed
            break
        before = suggested.internal
        internal = {**internal, **{name: before[name] for name in drawing.broken(internal)}}
        kept = drawing.settle(internal)
    return suggested.but(internal=kept or drawing.mixed(internal, others()) or drawing.found(internal))


class Drawing:
    """Random configurations of a space with rules, with some columns fixed. ``random`` gives numbers in [0, 1)."""

    def __init__(self, space: Space, rules: Rules, fixed: Mapping[str, float], seed: int) -> None:
        self._space, self._rules, self._fixed = space, rules, fixed
        self.random = Random(derive_seed(seed, 0, _FEASIBLE)).random
        self._parts: list[Part] | None = None
        self.n_draws = _n_draws(len(space.distributions) - len(fixed))

    def draw(self) -> dict[str, float] | None:
        """The next draw, settled; None if the rules don't allow it."""
        drawn = [] if self._rules.allows_nothing() else [self._of(part) for part in self._components()]
        return None if None in drawn or not drawn else self._joined(drawn)

    def settle(self, internal: Mapping[str, float]) -> dict[str, float] | None:
        """The configuration, if the rules allow it and every fixed column is in it."""
        whole = {**internal, **self._fixed}
        kept = self._space.settled({name: whole[name] for name in self._space.distributions})
        return kept if kept is not None and self._fixed.keys() <= kept.keys() else None

    def mixed(self, suggested: Mapping[str, float], others: Sequence[Mapping[str, float]]) -> dict[str, float] | None:
        """A suggestion some of whose columns are replaced by those of another configuration; None if none is allowed."""
        random = self.random
        broken = self.broken(suggested)
        for _ in range(_MIXTURES if others else 0):
            other, share = others[int(random() * len(others))], random()
            mixture = self.settle(
                {name: other.get(name, own) if name in broken and random() < share else own for name, own in suggested.items()}
            )
            if mixture is not None and mixture != other:
                return mixture
        return None

    def broken(self, internal: Mapping[str, float]) -> set[str]:
        """The columns that would have to be others: those of parameters that are connected by a rule which does not hold."""
        return {name for part in self._components() if self._of(part, internal) is None for name in _columns(part)}

    def found(self, suggested: Mapping[str, float] | None = None) -> dict[str, float]:
        """An allowed configuration, of a suggestion what can stay. InfeasibleError when there seems to be none."""
        kept = []
        for part in self._components():
            found = None if suggested is None else self._of(part, suggested)
            kept.append(self._drawn(part) if found is None else found)
            if kept[-1] is None:
                break
        if None in kept or self._rules.allows_nothing():
            raise InfeasibleError(
                f"none of {_n_draws(len(_columns(part))):,} random draws keeps to the constraints and conditions of the space"
                + (" with the parameters that are fixed" if self._fixed else "")
                + "; loosen a constraint (`require`), or narrow the ranges to where they hold"
            )
        return self._joined(kept)

    def _components(self) -> list[Part]:
        if self._parts is None:
            from journaltune.space.counting import components

            self._parts = [self._part(places) for places in components(self._rules)]
        return self._parts

    def _part(self, places: Sequence[int]) -> Part:
        steps = [(place, self._rules.steps[place]) for place in places]
        return [(place, step, self._drawers(step), not self._fixed.keys().isdisjoint(step.columns)) for place, step in steps]

    def _drawers(self, step: Step) -> list[Callable[[float], float]]:
        known = zip(step.columns, step.distributions, strict=True)
        return [_always(self._fixed[name]) if name in self._fixed else drawer(each) for name, each in known]

    def _of(self, part: Part, given: Mapping[str, float] | None = None) -> dict[str, float] | None:
        """A component's columns, drawn at random or as ``given``; None if the rules don't allow them."""
        rules, random = self._rules, self.random
        values: dict[str, Any] = {}
        kept: dict[str, float] = {}
        for place, step, drawers, is_fixed in part:
            if step.derived is not None:
                if not rules.enter_derived(step, values):
                    return None
            elif step.condition is None or rules.is_present(step, values):
                for column, draw in zip(step.columns, drawers, strict=True):
                    kept[column] = draw(random()) if given is None else given[column]
                if step.is_read:
                    values[step.name] = step.value(kept)
            elif is_fixed:
                return None
            if rules.decided[place] and not rules.allows(place, values):
                return None
        return kept

    def _drawn(self, part: Part) -> dict[str, float] | None:
        """A component's columns as the rules allow them: by draws, or else where values are finite, by looking at them in order,
        from random ones on."""
        for _ in range(_n_draws(len(_columns(part)))):
            drawn = self._of(part)
            if drawn is not None:
                return drawn
        if any(known.cardinality is None for _, step, *_ in part for known in step.distributions):
            return None
        from journaltune.space.counting import TooManyError, points

        fixed, places = {name: self._fixed[name] for name in _columns(part) if name in self._fixed}, [each[0] for each in part]
        for _ in range(_SEARCHES):
            try:
                searched = points(self._rules, _SEARCHED, self.random, places)
                return next((point for point in searched if fixed.items() <= point.items()), None)
            except TooManyError:
                pass
        return None

    def _joined(self, parts: Sequence[Mapping[str, float] | None]) -> dict[str, float]:
        kept = {column: value for part in parts if part is not None for column, value in part.items()}
        return {column: kept[column] for column in self._rules.columns if column in kept}


def _n_draws(n_columns: int) -> int:
    """As many as have together as many columns as a hundred thousand configurations of ten."""
    return max(1000, min(_DRAWS, 10 * _DRAWS // max(1, n_columns)))


def _columns(part: Part) -> list[str]:
    return [column for _, step, *_ in part for column in step.columns]


def _always(value: float) -> Callable[[float], float]:
    return lambda _: value


def check_feasible(space: Space) -> str | None:
    """What to say of a space of which few random draws are allowed; None if there is nothing to say.

    SpaceError for a space of which no configuration is allowed, or none is found.
    """
    rules = space.rules
    if rules is None or not rules.restricts:
        return None
    drawing, allowed, drawn = Drawing(space, rules, {}, 0), 0, 0
    n_draws, enough = drawing.n_draws // _SHARE, drawing.n_draws // _SHARE // 100
    while drawn < n_draws and allowed < enough:
        drawn += 1
        allowed += drawing.draw() is not None
    if allowed >= enough:
        return None
    count = space.n_points()
    if count == 0:
        raise SpaceError("no configuration keeps to the constraints of the space (`require`); loosen one")
    if not allowed:
        try:
            drawing.found()
        except InfeasibleError as error:
            raise SpaceError(str(error)) from None
    few = f"{allowed} of {drawn:,} random draws keep to the constraints of the space" + (
        "" if count is None else f", which has {count:,} configurations"
    )
    return f"{few}: asks take longer; narrow the ranges to where the constraints hold"
