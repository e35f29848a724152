"""How many configurations a space with rules has, and which: by trying values in order, as far as rules allow them.

Parameters that no rule connects are independent, so their counts multiply, and a parameter that no rule reads counts for as many
as it has values. What is left is tried one by one, up to a limit.
"""

from __future__ import annotations

from itertools import product
from math import prod

from journaltune.base.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from journaltune.space.rules import Rules, Step

MOST_TRIED = 500_000  # values, in all
_DEEPEST = 400  # parameters that one component may have: each is a level of recursion


class TooManyError(UsageError):
    """There are more configurations than this looks at."""


def n_points(rules: Rules) -> int | None:
    """The number of configurations; None where they are continuous, or more than can be looked at."""
    budget = [MOST_TRIED]
    try:
        counts = [_Counted(rules, component, budget).count() for component in components(rules)]
    except TooManyError:
        return None
    if 0 in counts:
        return 0
    return None if None in counts else prod(counts)  # type: ignore[arg-type]


def components(rules: Rules) -> list[list[int]]:
    """The places of the steps, in groups that no rule connects, each in order."""
    leader = {step.name: step.name for step in rules.steps}

    def find(name: str) -> str:
        while leader[name] != name:
            leader[name] = name = leader[leader[name]]
        return name

    linked = [(step.name, *step.reads) for step in rules.steps] + [each.names for each in rules.require]
    for names in linked:
        for other in names[1:]:
            leader[find(other)] = find(names[0])
    groups: dict[str, list[int]] = {}
    for place, step in enumerate(rules.steps):
        groups.setdefault(find(step.name), []).append(place)
    return list(groups.values())


class _Counted:
    """One component."""

    def __init__(self, rules: Rules, places: Sequence[int], budget: list[int]) -> None:
        self._rules, self._budget = rules, budget
        self._places = places
        self._seen: dict[int, list[Any]] = {}  # by place: what expressions see of each value
        if len(places) > _DEEPEST:
            raise TooManyError("too many parameters depend on each other")

    def count(self) -> int | None:
        """None where a parameter is continuous in some configuration."""
        try:
            return self._from(0, {})
        except _ContinuousError:
            return None

    def _from(self, level: int, values: dict[str, Any]) -> int:
        """``values`` is changed: what stands there of later parameters is of another configuration, and nothing reads it."""
        if level == len(self._places):
            return 1
        place = self._places[level]
        step = self._rules.steps[place]
        if step.derived is not None or not self._rules.is_present(step, values):
            values.pop(step.name, None)
            if not self._rules.enter_derived(step, values) or not self._rules.allows(place, values):
                return 0
            return self._from(level + 1, values)
        counts = [known.cardinality for known in step.distributions]
        if None in counts:
            if self._from(level + 1, values):  # whatever else there is, it is not empty
                raise _ContinuousError
            return 0
        if not step.is_read:
            return prod(counts) * self._from(level + 1, values)  # type: ignore[arg-type]
        total, is_last = 0, level + 1 == len(self._places)
        for value in self._all_seen(place, step, prod(counts)):  # type: ignore[arg-type]
            values[step.name] = value
            if self._rules.allows(place, values):
                total += 1 if is_last else self._from(level + 1, values)
        return total

    def _all_seen(self, place: int, step: Step, count: int) -> list[Any]:
        """What expressions see of each value of a parameter. TooManyError beyond the budget."""
        self._budget[0] -= count
        if self._budget[0] < 0:
            raise TooManyError("too many configurations to count")
        if place not in self._seen:
            self._seen[place] = [step.value(internal) for internal in _values(step)]
        return self._seen[place]


class _ContinuousError(Exception):
    pass


def _values(step: Step, uniform: Callable[[], float] = float) -> Iterator[dict[str, float]]:
    """Every value of a parameter, as internal values of its columns; of each column from the place ``uniform`` on."""
    ranges = []
    for known in step.distributions:
        count = known.cardinality or 0
        first = int(uniform() * count)
        ranges.append([*range(first, count), *range(first)])
    for indexes in product(*ranges):
        values = [float(known.value_at(index)) for known, index in zip(step.distributions, indexes, strict=True)]
        yield dict(zip(step.columns, values, strict=True))


def points(
    rules: Rules, most: int, uniform: Callable[[], float] = float, component: Sequence[int] | None = None
) -> Iterator[dict[str, float]]:
    """Every configuration once, as internal values of the columns that it has. TooManyError beyond ``most`` tried values.

    All columns have finitely many values. They are tried in order, from the first one on, or from where ``uniform``, which gives
    numbers in [0, 1), says. With a ``component``, places of steps that no rule connects with others, it is of these only.
    """
    budget = [most]
    places = range(len(rules.steps)) if component is None else component

    def walk(level: int, values: dict[str, Any], kept: dict[str, float]) -> Iterator[dict[str, float]]:
        if level == len(places):
            yield {column: kept[column] for column in rules.columns if column in kept}
            return
        place = places[level]
        step = rules.steps[place]
        if step.derived is not None or not rules.is_present(step, values):
            inner = dict(values)
            if rules.enter_derived(step, inner) and rules.allows(place, inner):
                yield from walk(level + 1, inner, kept)
            return
        for internal in _values(step, uniform):
            budget[0] -= 1
            if budget[0] < 0:
                raise TooManyError(f"the space has more than {most} combinations that would have to be looked at")
            inner = {**values, step.name: step.value(internal)} if step.is_read else values
            if rules.allows(place, inner):
                yield from walk(level + 1, inner, {**kept, **internal})

    if rules.allows_nothing():
        return
    yield from walk(0, {}, {})
