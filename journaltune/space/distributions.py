"""Distributions of one column, equal to Optuna's: the same JSON, internal values and verdicts (optuna.distributions)."""

from __future__ import annotations

from journaltune.base.errors import SpaceError
from journaltune.base.frozen import Frozen
from journaltune.base.jsontext import NOT_FINITE, dumps_as_python, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# In the order of Optuna's constructors, which is the order in its JSON: readers compare bytes.
_ATTRIBUTES = {
    "FloatDistribution": ("step", "low", "high", "log"),
    "IntDistribution": ("log", "step", "low", "high"),
    "CategoricalDistribution": ("choices",),
    "UniformDistribution": ("low", "high"),
    "LogUniformDistribution": ("low", "high"),
    "DiscreteUniformDistribution": ("low", "high", "q"),
    "IntUniformDistribution": ("step", "low", "high"),
    "IntLogUniformDistribution": ("step", "low", "high"),
}


_MOST_CACHED = 4096
_cache: dict[str, Distribution] = {}  # by their JSON: a study's few distributions are read again for each of its trials


class Distribution(Frozen):
    """The values that one column may take. Two distributions are equal when Optuna's JSON of both is the same.

    ``kind`` says how samplers search: "float", "int" or "categorical". Floats and ints have ``low``, ``high``, ``log`` and
    ``step`` (None for a float without steps), categoricals have ``choices``. An ordered choice has all of these: it is stored as
    Optuna's categorical, and searched as the int that is the index of its choice. ``class_name`` is Optuna's, deprecated classes
    included.
    """

    kind: str
    class_name: str
    low: Any
    high: Any
    step: Any
    log: bool
    choices: tuple[Any, ...]
    _json: str | None
    _grid: tuple[int, int, int] | None

    def __init__(
        self,
        kind: str,
        class_name: str,
        low: float = 0,
        high: float = 0,
        step: float | None = None,
        log: bool = False,
        choices: tuple[Any, ...] = (),
    ) -> None:
        self._set(kind=kind, class_name=class_name, low=low, high=high, step=step, log=log, choices=choices)
        self._set(_json=None, _grid=None)

    def __reduce__(self) -> tuple[object, ...]:
        return Distribution.from_json, (self.to_json(),)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Distribution) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash(self.to_json())

    def __repr__(self) -> str:
        return f"Distribution.from_json({self.to_json()!r})"

    def to_json(self) -> str:
        """Byte for byte what ``optuna.distributions.distribution_to_json`` gives."""
        if self._json is None:
            attributes = {key: self.step if key == "q" else getattr(self, key) for key in _ATTRIBUTES[self.class_name]}
            self._set(_json=dumps_as_python({"name": self.class_name, "attributes": attributes}))
        return str(self._json)

    @staticmethod
    def from_json(text: str) -> Distribution:
        """Reads all that ``optuna.distributions.json_to_distribution`` reads: deprecated and abbreviated forms too.

        Raises ValueError for anything else.
        """
        distribution = _cache.get(text)
        if distribution is None:
            try:
                data = loads(text)
            except RecursionError:
                raise ValueError("a distribution's JSON is nested too deeply") from None
            distribution = distribution_from_data(data)
            if len(_cache) < _MOST_CACHED:
                _cache[text] = distribution
        return distribution

    def to_external(self, internal: float) -> Any:
        """The value that a trainer sees."""
        if self.kind == "float":
            return internal
        return self.choices[int(internal)] if self.choices else int(internal)

    def to_internal(self, value: object, bounded: bool = True) -> float:
        """The float that stands for ``value`` in the journal; SpaceError when it is not a value of this distribution.

        Choices of different types differ: True, 1, 1.0 and "1" are four values; NaN equals itself. Without ``bounded`` any number
        is a value of a range, as bounds can change in a study. The strings "inf", "-inf" and "nan" are these numbers, as JSON has
        to spell them, unless they are choices themselves.
        """
        value = _unwrapped(value)
        if self.choices:
            return self._choice_index(value)
        value = _number_named(value)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise SpaceError(f"{shown_value(value)} is not a number; give {self.allowed()}")
        try:
            internal = float(value)
        except OverflowError:
            internal = float("inf")
        if bounded and not self.contains(internal):
            raise SpaceError(f"{shown_value(value)} is not allowed; give {self.allowed()}")
        return internal

    def _choice_index(self, value: object) -> float:
        for meant in (value, _number_named(value)):
            for index, choice in enumerate(self.choices):
                if _type_of(choice) is _type_of(meant) and _equal(choice, meant):
                    return float(index)
        raise SpaceError(f"{shown_value(value)} is not one of the choices; give {self.allowed()}")

    def allowed(self) -> str:
        """For messages: the allowed values in words."""
        if self.choices:
            more = ", ..." if len(self.choices) > 10 else ""
            return "one of " + ", ".join(shown_value(choice) for choice in self.choices[:10]) + more
        noun = "an integer" if self.kind == "int" else "a number"
        steps = "" if self.step in (None, 1) else f" in steps of {self.step!r}"
        return f"{noun} from {self.low!r} to {self.high!r}{steps}"

    def contains(self, internal: float) -> bool:
        """Optuna's ``_contains``; False where Optuna raises (NaN and infinities of a categorical)."""
        if self.choices:
            return internal - internal == 0 and 0 <= int(internal) < len(self.choices)
        if not self.low <= internal <= self.high:
            return False
        if self.kind == "int":
            return bool((internal - self.low) % self.step == 0)
        if self.step is None:
            return True
        steps = (internal - self.low) / self.step
        return bool(abs(steps - round(steps)) < 1.0e-8)

    @property
    def cardinality(self) -> int | None:
        """How many values there are; None where they are continuous."""
        if self.choices:
            return len(self.choices)
        if self.low == self.high:
            return 1
        if self.kind == "int":
            return int((self.high - self.low) // self.step) + 1
        return None if self.step is None else round((self.high - self.low) / self.step) + 1

    def value_at(self, index: int) -> float:
        """The internal value at ``index`` of finitely many; an int where Optuna has one.

        A float is the one nearest to the decimal LOW + index * STEP, so that it prints as 0.3, not 0.30000000000000004.
        """
        if self.choices:
            return index
        if self.kind == "int":
            return int(self.low + index * self.step)
        grid = self._grid
        if grid is None:
            grid = _whole_numbers(self.low, self.step or 0)
            self._set(_grid=grid)
        low, step, unit = grid
        return (low + index * step) / unit  # ints divided: one rounding, and no import of ``decimal``, which takes milliseconds

    def canonical(self, internal: float) -> float:
        """The one spelling of a value on a float's grid, whatever rounding error it came with; any other value as it is."""
        if self.kind != "float" or self.step is None or not self.contains(internal):
            return internal
        return self.value_at(round((internal - self.low) / self.step))

    @property
    def decoder(self) -> Callable[[float], Any]:
        """The function from an internal value to the external one that trainers and people see, in its canonical spelling."""
        return self.to_external if self.step is None or self.kind != "float" else self.canonical

    @property
    def single(self) -> bool:
        """Optuna's ``single()``: whether there is one value only."""
        if self.choices:
            return len(self.choices) == 1
        if self.low == self.high:
            return True
        if self.kind == "int":
            return bool(not self.log and self.high - self.low < self.step)
        if self.step is None or not self.high - self.low <= 1.5 * self.step:
            return False
        from decimal import Decimal  # for the one case that floats can't decide: a range of about one step

        return Decimal(str(self.high)) - Decimal(str(self.low)) < Decimal(str(self.step))


def compatible(old: Distribution, new: Distribution) -> bool:
    """The verdict of ``optuna.distributions.check_distribution_compatibility``, to which 1, 1.0 and True are equal."""
    if old.class_name != new.class_name or old.log != new.log:
        return False
    return len(old.choices) == len(new.choices) and all(map(_equal, old.choices, new.choices))


def agrees(now: Distribution, then: Distribution) -> bool:
    """Whether an internal value means the same in both: as `compatible`, but ``now`` may have more choices behind the others."""
    if not then.choices or len(then.choices) >= len(now.choices):
        return compatible(now, then)
    return now.class_name == then.class_name and all(map(_equal, then.choices, now.choices))


def float_distribution(
    low: Any, high: Any, log: Any = False, step: Any = None, class_name: str = "FloatDistribution"
) -> Distribution:
    """Optuna's ``FloatDistribution``; ValueError or ArithmeticError where it raises."""
    if log and step is not None:
        raise ValueError("a log has no step; leave it out")
    _check_range(low, high, step)
    if log and low <= 0.0:
        raise ValueError("the lower bound of a log must be above 0")
    if step is not None:
        high = _adjusted_high(low, high, step)
        step = float(step)
    return Distribution("float", class_name, float(low), float(high), step, log)


def int_distribution(low: Any, high: Any, log: Any = False, step: Any = 1, class_name: str = "IntDistribution") -> Distribution:
    """Optuna's ``IntDistribution``; ValueError or ArithmeticError where it raises."""
    if log and step != 1:
        raise ValueError("a log has no step; leave it out")
    _check_range(low, high, step)
    if log and low < 1:
        raise ValueError("the lower bound of a log of integers must be 1 or more")
    low, high, step = int(low), int(high), int(step)
    return Distribution("int", class_name, low, high - (high - low) % step, step, log)


def categorical_distribution(choices: Any) -> Distribution:
    """Optuna's ``CategoricalDistribution``."""
    if len(choices) == 0:
        raise ValueError("there are no choices")
    return Distribution("categorical", "CategoricalDistribution", choices=tuple(choices))


def ordered_distribution(choices: Any) -> Distribution:
    """The same, searched in the order of the choices."""
    return Distribution("int", "CategoricalDistribution", 0, len(choices) - 1, 1, choices=tuple(choices))


def _check_range(low: Any, high: Any, step: Any) -> None:
    if low > high:
        raise ValueError("the lower bound is above the upper one; swap them")
    if step is not None and step <= 0:
        raise ValueError("a step must be above 0; write a larger one")


_CONSTRUCTORS: dict[str, Callable[..., Distribution]] = {
    "FloatDistribution": lambda low, high, log=False, step=None: float_distribution(low, high, log, step),
    "IntDistribution": lambda low, high, log=False, step=1: int_distribution(low, high, log, step),
    "CategoricalDistribution": categorical_distribution,
    "UniformDistribution": lambda low, high: float_distribution(low, high, class_name="UniformDistribution"),
    "LogUniformDistribution": lambda low, high: float_distribution(low, high, True, class_name="LogUniformDistribution"),
    "DiscreteUniformDistribution": lambda low, high, q: float_distribution(
        low, high, step=q, class_name="DiscreteUniformDistribution"
    ),
    "IntUniformDistribution": lambda low, high, step=1: int_distribution(
        low, high, step=step, class_name="IntUniformDistribution"
    ),
    "IntLogUniformDistribution": lambda low, high, step=1: int_distribution(
        low, high, True, step, class_name="IntLogUniformDistribution"
    ),
}


def distribution_from_data(data: Any) -> Distribution:
    """The distribution that decoded JSON stands for; ValueError when it stands for none."""
    try:
        if "name" in data:
            return _CONSTRUCTORS[data["name"]](**data["attributes"])
        return _from_abbreviated(data)
    except (TypeError, KeyError, IndexError, ArithmeticError, AttributeError) as error:
        what = str(error).replace("<lambda>()", "it") or type(error).__name__
        raise ValueError(f"not a distribution of Optuna's: {what}") from None


def _from_abbreviated(data: Any) -> Distribution:
    if data["type"] == "categorical":
        return categorical_distribution(data["choices"])
    low, high, step, log = data["low"], data["high"], data.get("step"), data.get("log", False)
    if data["type"] == "float":
        return float_distribution(low, high, log, step)
    if data["type"] == "int":
        return int_distribution(low, high, log, 1 if step is None else step)
    raise ValueError("not a distribution of Optuna's: the type is not float, int or categorical")


def _adjusted_high(low: Any, high: Any, step: Any) -> Any:
    """The last value of the grid at or below ``high``, in the decimal arithmetic of Optuna."""
    if _on_grid(low, high, step):
        return high
    from decimal import Decimal  # a few ms, and a stored distribution is on its grid already

    low_, step_ = Decimal(str(low)), Decimal(str(step))
    width = Decimal(str(high)) - low_
    return high if width % step_ == 0 else float((width // step_) * step_ + low_)


def _on_grid(low: object, high: object, step: object) -> bool:
    """Whether the range certainly is a whole number of steps, in the decimals that people write."""
    try:
        parts = [_decimal_parts(str(bound)) for bound in (low, high, step)]
    except ValueError:
        return False
    unit = min(exponent for _, exponent in parts)
    if max(exponent for _, exponent in parts) - unit > 28:
        return False
    low_, high_, step_ = (digits * 10 ** (exponent - unit) for digits, exponent in parts)
    # Beyond 28 digits ``decimal`` rounds, and Optuna goes by the rounded result.
    return bool(abs(high_ - low_) < 10**28 and (high_ - low_) % step_ == 0)


def _whole_numbers(low: object, step: object) -> tuple[int, int, int]:
    """Two decimals as whole numbers of a common unit, and how many of these units make 1."""
    parts = [_decimal_parts(str(bound)) for bound in (low, step)]
    exponent = min(0, *(exponent for _, exponent in parts))
    low_, step_ = (digits * 10 ** (place - exponent) for digits, place in parts)
    return low_, step_, 10**-exponent


def _decimal_parts(text: str) -> tuple[int, int]:
    mantissa, _, exponent = text.partition("e")
    whole, _, fraction = mantissa.partition(".")
    return int(whole + fraction), int(exponent or 0) - len(fraction)


def _unwrapped(value: Any) -> Any:
    """A scalar of numpy or torch as Python's own, so that people may pass what their code computed."""
    if value is None or isinstance(value, (bool, int, float, str)) or not callable(getattr(value, "item", None)):
        return value
    try:
        return value.item()
    except Exception:
        return value


def _number_named(value: object) -> object:
    """The number that JSON has to spell as a string; any other value as it is."""
    return NOT_FINITE.get(value, value) if isinstance(value, str) else value


def _type_of(value: object) -> type:
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind
    return type(value)


def _equal(one: Any, other: Any) -> bool:
    return bool(one == other or (one != one and other != other))


def shown_value(value: object) -> str:
    """For messages: any value on one line of bounded length."""
    if isinstance(value, str):
        return ascii(value) if len(value) <= 60 else ascii(value[:60]) + "..."
    if isinstance(value, int) and value.bit_length() > 200:
        return "a huge integer"
    if value is None or isinstance(value, (bool, int, float)):
        return repr(value)
    return f"a {type(value).__name__}"
