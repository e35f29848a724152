"""Configurations of a space with rules: what a sampler suggests is settled by them, or drawn again until they allow it.

A sampler suggests a value for every column, whether a condition leaves it out or not. What its rules don't allow is never handed
out: the sampler is asked again with other seeds, then columns of its suggestions are mixed with those of the best trials, and at
last the space is drawn from at random, and searched value by value.
"""

from __future__ import annotations

from _random import Random  # ``random`` imports hashlib and others for distributions that nobody needs here
from math import exp, log

from journaltune.base.errors import InfeasibleError, SpaceError
from journaltune.base.seeds import derive_seed
from journaltune.space import Distribution

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from journaltune.space import Space
    from journaltune.space.rules import Rules
    from journaltune.suggest.samplers import Suggested

SUGGESTIONS = 12  # of the sampler
_MIXTURES = 200
_DRAWS = 100_000  # so that one space in e^10 of those with one allowed draw in 10,000 is given up
_SEARCHES, _SEARCHED = 400, 500  # searches by value, each from other first values on, and values that one tries
_SHARE = 5  # of so many draws a share is told; a hundredth of them is nothing to speak of
_FEASIBLE = 0xFEA5  # apart from the purposes that base.seeds names


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
    """The first of the sampler's suggestions that is allowed, or else what is made of it, or else a random configuration.

    ``suggest(k)`` is the k-th suggestion, with a value for every column; ``others`` are good configurations that were tried.
    """
    before: Mapping[str, float] | None = None
    for attempt in range(SUGGESTIONS):
        suggested = suggest(attempt)
        kept = drawing.settle(suggested.internal)
        if kept is not None:
            return suggested.but(internal=kept)
        if suggested.internal == before:  # this sampler's suggestions do not depend on its seed
            break
        before = suggested.internal
    return suggested.but(internal=drawing.mixed(suggested.internal, others()) or drawing.found())


class Drawing:
    """Random configurations of a space, with some columns fixed. ``random`` gives numbers in [0, 1)."""

    def __init__(self, space: Space, rules: Rules, fixed: Mapping[str, float], seed: int) -> None:
        self._space, self._rules, self._fixed = space, rules, fixed
        self.random = Random(derive_seed(seed, 0, _FEASIBLE)).random
        self._drawers = {name: drawer(known) for name, known in space.distributions.items() if name not in fixed}
        # As many columns as a hundred thousand configurations of ten.
        self.n_draws = max(1000, min(_DRAWS, 10 * _DRAWS // max(1, len(self._drawers))))

    def draw(self) -> dict[str, float] | None:
        """The next draw; None if the rules don't allow it, or a fixed column is not in it.

        Parameters are drawn in an order in which constraints show as early as they can, and none that is absent.
        """
        rules = self._rules
        values: dict[str, Any] = {}
        kept: dict[str, float] = {}
        if rules.allows_nothing():
            return None
        for place, step in enumerate(rules.steps):
            if step.derived is not None:
                if not rules.enter_derived(step, values):
                    return None
            elif rules.is_present(step, values):
                for column in step.columns:
                    kept[column] = self._drawers[column](self.random()) if column in self._drawers else self._fixed[column]
                if step.is_read:
                    values[step.name] = step.seen(step.external(kept))
            if rules.decided[place] and not rules.allows(place, values):
                return None
        if self._fixed and not self._fixed.keys() <= kept.keys():
            return None
        return {column: kept[column] for column in rules.columns if column in kept}

    def settle(self, internal: Mapping[str, float]) -> dict[str, float] | None:
        """The configuration, if the rules allow it and every fixed column is in it."""
        whole = {**internal, **self._fixed}
        kept = self._space.settled({name: whole[name] for name in self._space.distributions})
        return kept if kept is not None and self._fixed.keys() <= kept.keys() else None

    def mixed(self, suggested: Mapping[str, float], others: Sequence[Mapping[str, float]]) -> dict[str, float] | None:
        """A suggestion some of whose columns are replaced by those of another configuration; None if none is allowed."""
        random = self.random
        for _ in range(_MIXTURES if others else 0):
            other, share = others[int(random() * len(others))], random()
            mixture = self.settle({name: other.get(name, own) if random() < share else own for name, own in suggested.items()})
            if mixture is not None and mixture != other:
                return mixture
        return None

    def found(self) -> dict[str, float]:
        """An allowed configuration. InfeasibleError, which says how many draws were allowed, when there seems to be none."""
        for _ in range(self.n_draws):
            drawn = self.draw()
            if drawn is not None:
                return drawn
        searched = self._searched()
        if searched is None:
            raise InfeasibleError(
                f"none of {self.n_draws:,} random draws keeps to the constraints and conditions of the space"
                + (" with the parameters that are fixed" if self._fixed else "")
                + "; loosen a constraint (`require`), or narrow the ranges to where they hold"
            )
        return searched

    def _searched(self) -> dict[str, float] | None:
        """An allowed configuration, where values are finite: parameters in order, and of each all values from a random one on."""
        from journaltune.space.counting import TooManyError, points

        if any(known.cardinality is None for known in self._space.distributions.values()):
            return None
        for _ in range(_SEARCHES):
            try:
                for point in points(self._rules, _SEARCHED, self.random):
                    if self._fixed.items() <= point.items():
                        return point
                return None
            except TooManyError:
                pass
        return None


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
