"""Parameters that are more than one column of their own name: several columns, values behind labels, computed, conditional.

What a parameter is made of is stored as columns of primitive distributions, so that every program that reads the journal can
show and search them. A column of several has the name of its parameter, a dot, and a word: ``order.0``, ``lr.quantile``.
"""

from __future__ import annotations

from math import inf

from journaltune.base.errors import SpaceError
from journaltune.base.frozen import Frozen
from journaltune.base.jsontext import dumps_unicode
from journaltune.space import constructed
from journaltune.space.distributions import (
    Distribution,
    categorical_distribution,
    float_distribution,
    int_distribution,
    shown_value,
)
from journaltune.space.spelling import literal_text, spec_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

_MOST_LAWS = 1000
_laws: dict[tuple[float, float, float, float, bool], constructed.Normal] = {}  # making one takes longer than using it
MOST_PARTS = 1000  # of a permutation or a simplex


class Parameter(Frozen):
    """``condition`` is the text of what has to hold, or the parameter is absent; "" if it is always there."""

    condition: str

    def columns(self, name: str) -> dict[str, Distribution]:
        """The columns of a parameter with this name, in order; none for a computed one."""
        raise NotImplementedError

    def rounded_columns(self, name: str) -> tuple[str, ...]:
        """The columns, where several places of them stand for one value; `encode` gives the one that is to stand there."""
        return ()

    def decode(self, columns: Sequence[Any]) -> Any:
        """The parameter's value from the external values of its columns."""
        raise NotImplementedError

    def encode(self, value: object, bounded: bool) -> list[float]:
        """The internal values of the columns. SpaceError for a value that the parameter can't have."""
        raise NotImplementedError

    def allowed(self) -> str:
        """For messages: the allowed values in words."""
        raise NotImplementedError

    def text(self) -> str:
        """The spec without its condition."""
        raise NotImplementedError

    def with_choices(self, choices: Sequence[Any]) -> Parameter:
        """The same with its choices, or labels, in this order; for a choice."""
        raise NotImplementedError

    def known(self) -> tuple[Any, ...] | str | None:
        """What expressions may know of the value: all choices, "number", or None where they can't read it."""
        raise NotImplementedError


class Conditional(Parameter):
    """One column, under a condition."""

    distribution: Distribution

    def columns(self, name: str) -> dict[str, Distribution]:
        return {name: self.distribution}

    def decode(self, columns: Sequence[Any]) -> Any:
        return columns[0]

    def encode(self, value: object, bounded: bool) -> list[float]:
        return [self.distribution.to_internal(value, bounded)]

    def allowed(self) -> str:
        return self.distribution.allowed()

    def text(self) -> str:
        return spec_text(self.distribution)

    def with_choices(self, choices: Sequence[Any]) -> Parameter:
        return Conditional(self.condition, categorical_distribution(choices))

    def known(self) -> tuple[Any, ...] | str | None:
        return known_of(self.distribution)


class Labelled(Parameter):
    """A choice whose labels are stored and searched; the JSON values behind them are handed out."""

    distribution: Distribution
    values: tuple[Any, ...]

    def columns(self, name: str) -> dict[str, Distribution]:
        return {name: self.distribution}

    def decode(self, columns: Sequence[Any]) -> Any:
        return self.values[int(self.distribution.to_internal(columns[0]))]

    def encode(self, value: object, bounded: bool) -> list[float]:
        """A value, or its label."""
        texts = [dumps_unicode(each) for each in self.values]
        try:
            text = dumps_unicode(value)
        except TypeError:
            text = ""
        return [float(texts.index(text))] if text in texts else [self.distribution.to_internal(value, bounded)]

    def allowed(self) -> str:
        return self.distribution.allowed()

    def text(self) -> str:
        pairs = zip(self.distribution.choices, self.values, strict=True)
        return f"choice({', '.join(f'{literal_text(label)}={dumps_unicode(value)}' for label, value in pairs)})"

    def with_choices(self, choices: Sequence[Any]) -> Parameter:
        values = dict(zip(self.distribution.choices, self.values, strict=True))
        return Labelled(self.condition, categorical_distribution(choices), tuple([values[label] for label in choices]))

    def known(self) -> tuple[Any, ...] | str | None:
        return self.distribution.choices


class Permutation(Parameter):
    """An order of ``items``, as the digits of its Lehmer code."""

    items: tuple[Any, ...]

    def columns(self, name: str) -> dict[str, Distribution]:
        n_items = len(self.items)
        return {f"{name}.{place}": int_distribution(0, n_items - 1 - place) for place in range(n_items - 1)}

    def decode(self, columns: Sequence[Any]) -> Any:
        return [self.items[place] for place in constructed.decode_permutation([int(digit) for digit in columns])]

    def encode(self, value: object, bounded: bool) -> list[float]:
        places = {_key(item): place for place, item in enumerate(self.items)}
        order = [places.get(_key(item), -1) for item in value] if isinstance(value, list | tuple) else []
        if sorted(order) != list(range(len(self.items))):
            raise SpaceError(f"{_shown(value)} is no order of the items; give {self.allowed()}")
        return [float(digit) for digit in constructed.encode_permutation(order)]

    def allowed(self) -> str:
        shown = ", ".join(map(shown_value, self.items[:10])) + (", ..." if len(self.items) > 10 else "")
        return f"a list of all {len(self.items)} items ({shown}) in some order"

    def text(self) -> str:
        count = len(self.items)
        if self.items == tuple(range(count)):
            return f"permutation({count})"
        return f"permutation({', '.join(map(literal_text, self.items))})"

    def known(self) -> tuple[Any, ...] | str | None:
        return None


class Simplex(Parameter):
    """Proportions that sum to 1, a flat Dirichlet; with ``names`` a mapping, else a list of ``n_parts``."""

    n_parts: int
    names: tuple[str, ...] = ()

    def columns(self, name: str) -> dict[str, Distribution]:
        return {
            f"{name}.{part}": float_distribution(0.0, 1.0) for part in (self.names or range(self.n_parts))[: self.n_parts - 1]
        }

    def rounded_columns(self, name: str) -> tuple[str, ...]:
        return tuple(self.columns(name))

    def decode(self, columns: Sequence[Any]) -> Any:
        parts = constructed.decode_simplex(columns)
        return dict(zip(self.names, parts, strict=True)) if self.names else parts

    def encode(self, value: object, bounded: bool) -> list[float]:
        if self.names and isinstance(value, dict):
            parts = [value.get(name) for name in self.names] if value.keys() == set(self.names) else []
        else:
            parts = list(value) if isinstance(value, list | tuple) and not self.names else []
        numbers = [part for part in parts if isinstance(part, int | float) and not isinstance(part, bool) and part >= 0]
        try:
            if len(numbers) == self.n_parts:
                return constructed.encode_simplex(numbers)
        except ValueError:
            pass
        raise SpaceError(f"{_shown(value)} is not allowed; give {self.allowed()}")

    def allowed(self) -> str:
        what = f"a mapping of {', '.join(self.names)} to" if self.names else f"a list of {self.n_parts}"
        return f"{what} proportions that sum to 1"

    def text(self) -> str:
        return f"simplex({', '.join(map(literal_text, self.names)) if self.names else self.n_parts})"

    def known(self) -> tuple[Any, ...] | str | None:
        return None


class Normal(Parameter):
    """A normally distributed number, or one whose logarithm is; searched by its quantile. Perhaps truncated."""

    is_log: bool
    mean: float
    sd: float
    bounds: tuple[float, float] | None = None

    def columns(self, name: str) -> dict[str, Distribution]:
        return {f"{name}.quantile": float_distribution(0.0, 1.0)}

    def _law(self) -> constructed.Normal:
        arguments = (self.mean, self.sd, *(self.bounds or (-inf, inf)), self.is_log)
        if arguments not in _laws:
            if len(_laws) >= _MOST_LAWS:
                _laws.clear()
            _laws[arguments] = constructed.Normal(*arguments)
        return _laws[arguments]

    def rounded_columns(self, name: str) -> tuple[str, ...]:
        return tuple(self.columns(name))

    def decode(self, columns: Sequence[Any]) -> Any:
        return self._law().decode(columns[0])

    def encode(self, value: object, bounded: bool) -> list[float]:
        if isinstance(value, bool) or not isinstance(value, int | float) or value - value != 0:
            raise SpaceError(f"{_shown(value)} is not a number; give {self.allowed()}")
        try:
            return [self._law().encode(float(value))]
        except ValueError:
            raise SpaceError(f"{shown_value(value)} is not allowed; give {self.allowed()}") from None

    def allowed(self) -> str:
        if self.bounds is not None:
            return f"a number from {self.bounds[0]!r} to {self.bounds[1]!r}"
        return "a number above 0" if self.is_log else "a number"

    def text(self) -> str:
        numbers = ", ".join(map(repr, (self.mean, self.sd, *(self.bounds or ()))))
        return f"{'lognormal' if self.is_log else 'normal'}({numbers})"

    def known(self) -> tuple[Any, ...] | str | None:
        return "number"


class Derived(Parameter):
    """A value that is computed from others, or a constant: handed out and shown, and neither stored nor searched."""

    expression: str

    def columns(self, name: str) -> dict[str, Distribution]:
        return {}

    def allowed(self) -> str:
        return f"what it is computed to be, {self.expression}, or leave it out"

    def text(self) -> str:
        return f"= {self.expression}"

    def known(self) -> tuple[Any, ...] | str | None:
        return "number"


def built(
    function: str, given: Sequence[Any], labels: Mapping[Any, Any], categorical: Callable[[list[Any]], Distribution]
) -> Parameter:
    """The parameter that ``function`` of the grammar makes. ``categorical`` checks that values are choices, and distinct.

    ValueError for arguments that it does not take.
    """
    if function == "choice":
        return Labelled("", categorical(list(labels)), tuple(labels.values()))
    count = given[0] if len(given) == 1 and type(given[0]) is int and 0 <= given[0] <= MOST_PARTS else None
    if function == "permutation":
        items = tuple(range(count)) if count is not None else categorical(list(given)).choices
        _require(2 <= len(items) <= MOST_PARTS, f"a permutation has 2 to {MOST_PARTS} items")
        return Permutation("", items)
    if function == "simplex":
        names = () if count is not None else categorical(list(given)).choices
        _require(all(isinstance(name, str) for name in names), "the parts of a simplex have words as names")
        _require(2 <= (count or len(names)) <= MOST_PARTS, f"a simplex has 2 to {MOST_PARTS} parts")
        return Simplex("", count or len(names), names)
    return _normal(function == "lognormal", given)


def _normal(is_log: bool, given: Sequence[Any]) -> Parameter:
    numbers = [float(value) for value in given if isinstance(value, int | float) and not isinstance(value, bool)]
    _require(len(numbers) == len(given) and len(given) in (2, 4), "it takes two numbers, or four")
    mean, sd, *bounds = numbers
    _require(sd > 0, "the standard deviation must be above 0")
    _require(not bounds or bounds[0] < bounds[1], "the lower bound is not below the upper one")
    _require(not (is_log and bounds) or bounds[0] >= 0, "a number that has a logarithm is above 0")
    normal = Normal("", is_log, mean, sd, (bounds[0], bounds[1]) if bounds else None)
    normal.decode([0.5])  # ValueError for one that floats can't hold
    return normal


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise ValueError(what)


def known_of(distribution: Distribution) -> tuple[Any, ...] | str:
    """What expressions may know of a column."""
    return distribution.choices or "number"


def _key(item: object) -> tuple[type, object]:
    return type(item), item if isinstance(item, str | int | float | bool | None) else repr(item)


def _shown(value: object) -> str:
    try:
        text = dumps_unicode(value)
    except (TypeError, ValueError):
        return shown_value(value)
    return text if len(text) <= 80 else text[:80] + "..."
