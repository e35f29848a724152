"""What an expression comes to: closures over the parameters that are present, and what their arithmetic may cost.

A closure raises KeyError where it reads an absent parameter. Those of conditions return None instead (unknown), so that `and`
and `or` can go on: Kleene's logic.
"""

from __future__ import annotations

from math import ceil, exp, floor, log, log2, sqrt
from operator import add, eq, floordiv, ge, gt, le, lt, mod, mul, ne, sub, truediv

from journaltune.base.errors import SpaceError, one_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, NoReturn

    Run = Callable[[Mapping[str, Any]], Any]
    Operation = Callable[[Any, Any], Any]
    # What is known of a value: a tuple of those that it may be, "number" for any number, None where nothing can read it.
    Known = tuple[Any, ...] | str | None

# Results beyond the largest float are refused, integers too: so no operand is large, and no operation slow.
LARGEST = 1.7976931348623157e308
_MOST_BITS = 1024
_MOST_DIGITS = 400


class Uncomputable(SpaceError, ValueError):
    """An expression has no value for these parameters: division by zero, overflow, the logarithm of a negative number, text in
    arithmetic."""


class _Unknown:
    __slots__ = ()

    def __repr__(self) -> str:
        return "UNKNOWN"

    def __bool__(self) -> bool:
        raise TypeError("an unknown value is neither true nor false")

    def __reduce__(self) -> str:
        return "UNKNOWN"


UNKNOWN = _Unknown()


class Expression:
    """``text`` on one line, and ``names``: the parameters that it reads, in order of appearance.

    ``known`` is what is known of its value before any trial, for expressions that read it in their turn.
    """

    __slots__ = ("_is_truth", "_run", "_source", "known", "names", "text")

    def __init__(self, source: tuple[Any, ...], text: str, names: tuple[str, ...], known: Known, run: Run) -> None:
        self._source, self.text, self.names, self.known, self._run = source, text, names, known, run
        self._is_truth = source[-1]

    def __reduce__(self) -> tuple[Any, ...]:
        from journaltune.space.expressions import parse  # closures don't pickle, so the text is read again

        return parse, self._source

    def value(self, params: Mapping[str, Any]) -> Any:
        """The value for ``params``, which hold the parameters that are present; UNKNOWN if it hangs on an absent one.

        Uncomputable where there is none.
        """
        try:
            value = self._run(params)
        except KeyError:
            return UNKNOWN
        except (ArithmeticError, TypeError, ValueError) as error:
            self._fail(error)
        return UNKNOWN if value is None and self._is_truth else value

    def holds(self, params: Mapping[str, Any]) -> bool | None:
        """Whether a condition is true for ``params``; None if that hangs on an absent parameter. Uncomputable as `value`."""
        try:
            value: bool | None = self._run(params)
        except (ArithmeticError, TypeError, ValueError) as error:
            self._fail(error)
        return value

    def _fail(self, error: Exception) -> NoReturn:
        raise Uncomputable(f"{one_line(self.text)} can't be computed: {why(error)}") from None


def same(one: Any, other: Any) -> bool:
    """Equal, as choices are: true is not 1."""
    return (one.__class__ is bool) is (other.__class__ is bool) and bool(one == other)


def _differ(one: Any, other: Any) -> bool:
    return not same(one, other)


def _power(base: Any, exponent: Any) -> Any:
    is_whole = isinstance(base, int) and isinstance(exponent, int)
    if is_whole and exponent > 0 and (abs(base).bit_length() - 1) * exponent > _MOST_BITS:
        raise OverflowError
    power = base**exponent
    if isinstance(power, complex):
        raise ValueError
    return power


def _round(number: Any, digits: Any = None) -> Any:
    if digits is None:
        return round(number)
    if not isinstance(digits, int) or not -_MOST_DIGITS <= digits <= _MOST_DIGITS:
        raise Uncomputable(f"the digits of round are a whole number from -{_MOST_DIGITS} to {_MOST_DIGITS}")
    return round(number, digits)


_MANY = 10_000
COMPARISONS: dict[str, Operation] = {"==": eq, "!=": ne, "<": lt, "<=": le, ">": gt, ">=": ge}
STRICT: dict[str, Operation] = {**COMPARISONS, "==": same, "!=": _differ}  # where a number may stand beside true
ARITHMETIC: dict[str, Operation] = {"+": add, "-": sub, "*": mul, "/": truediv, "//": floordiv, "%": mod, "**": _power}
FUNCTIONS: dict[str, tuple[Callable[..., Any], int, int]] = {  # with the least and the largest number of arguments
    "min": (min, 2, _MANY),
    "max": (max, 2, _MANY),
    "abs": (abs, 1, 1),
    "round": (_round, 1, 2),
    "floor": (floor, 1, 1),
    "ceil": (ceil, 1, 1),
    "log": (log, 1, 1),
    "log2": (log2, 1, 1),
    "exp": (exp, 1, 1),
    "sqrt": (sqrt, 1, 1),
}


def why(error: Exception) -> str:
    """What made an expression uncomputable."""
    if isinstance(error, Uncomputable):
        return str(error)
    if isinstance(error, ZeroDivisionError):
        return "it divides by zero"
    if isinstance(error, OverflowError):
        return "a number in it gets too large"
    if isinstance(error, TypeError):
        return "it computes with what is no number"
    return "it takes a logarithm or a root of a number that has none"


def constant(value: Any) -> Run:
    return lambda params: value


def read(name: str) -> Run:
    return lambda params: params[name]


def read_number(name: str) -> Run:
    def run(params: Mapping[str, Any]) -> Any:
        value = params[name]
        # Text times a number would be a longer text, and text % a number a formatted one.
        return value if value.__class__ is int or value.__class__ is float else _plain(value)

    return run


def _plain(value: Any) -> Any:
    if getattr(value, "is_column", False):  # numbers of many configurations at once
        return value
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError
    return int(value) if isinstance(value, int) else float(value)


def read_truth(name: str) -> Run:
    def run(params: Mapping[str, Any]) -> Any:
        value = params.get(name)
        if value is True or value is False:
            return value
        if name in params:
            raise Uncomputable("it takes for true or false what is neither")
        return None

    return run


def definite(condition: Run) -> Run:
    """A condition as an operand: KeyError where it is unknown."""

    def run(params: Mapping[str, Any]) -> Any:
        value = condition(params)
        if value is None:
            raise KeyError
        return value

    return run


def computed(operation: Operation, left: Run, right: Run) -> Run:
    def run(params: Mapping[str, Any]) -> Any:
        number = operation(left(params), right(params))
        if -LARGEST <= number <= LARGEST:  # False for NaN; a TypeError for a complex number
            return number
        raise OverflowError

    return run


def chain(first: Run, operations: Sequence[Operation], others: Sequence[Run]) -> Run:
    """``a - b + c ...`` from the left, as one loop: the length of a sum is not the depth of a call."""
    if len(others) == 1:
        return computed(operations[0], first, others[0])
    steps = tuple(zip(operations, others, strict=True))

    def run(params: Mapping[str, Any]) -> Any:
        number = first(params)
        for operation, other in steps:
            number = operation(number, other(params))
            if not -LARGEST <= number <= LARGEST:
                raise OverflowError
        return number

    return run


def called(function: Callable[..., Any], arguments: Sequence[Run]) -> Run:
    def run(params: Mapping[str, Any]) -> Any:
        number = function(*[argument(params) for argument in arguments])
        if -LARGEST <= number <= LARGEST:
            return number
        raise OverflowError

    return run


def negative(operand: Run) -> Run:
    return lambda params: -operand(params)


def opposite(condition: Run) -> Run:
    def run(params: Mapping[str, Any]) -> Any:
        value = condition(params)
        return None if value is None else not value

    return run


def every(conditions: Sequence[Run], least: bool) -> Run:
    """`and` (``least`` is False) or `or` (True): the first value that is ``least`` decides, in whatever order they stand."""

    def run(params: Mapping[str, Any]) -> Any:
        result: bool | None = not least
        for condition in conditions:
            value = condition(params)
            if value is least:
                return least
            if value is None:
                result = None
        return result

    return run


def compared(operation: Operation, left: Run, right: Run) -> Run:
    def run(params: Mapping[str, Any]) -> Any:
        try:
            return operation(left(params), right(params))
        except KeyError:
            return None

    return run


def comparison(operations: Sequence[Operation], operands: Sequence[Run]) -> Run:
    """``a < b <= c``: each operand is computed once, and none behind a comparison that is false."""
    if len(operations) == 1:
        return compared(operations[0], *operands)
    first, steps = operands[0], tuple(zip(operations, operands[1:], strict=True))

    def run(params: Mapping[str, Any]) -> Any:
        result: bool | None = True
        left, is_left_known = _known(first, params)
        for operation, operand in steps:
            right, is_right_known = _known(operand, params)
            if not (is_left_known and is_right_known):
                result = None
            elif not operation(left, right):
                return False
            left, is_left_known = right, is_right_known
        return result

    return run


def _known(operand: Run, params: Mapping[str, Any]) -> tuple[Any, bool]:
    try:
        return operand(params), True
    except KeyError:
        return None, False


def contained(left: Run, items: Sequence[Run]) -> Run:
    """``x in (a, b)``: true if it equals one of them, unknown if it may equal an absent one."""

    def run(params: Mapping[str, Any]) -> Any:
        try:
            value = left(params)
        except KeyError:
            return None
        others = [_known(item, params) for item in items]
        if any(is_known and same(value, other) for other, is_known in others):
            return True
        return False if all(is_known for _, is_known in others) else None

    return run


def among(left: Run, values: tuple[Any, ...]) -> Run:
    """As `contained`, for a list of constants of one type."""

    def run(params: Mapping[str, Any]) -> Any:
        try:
            return left(params) in values
        except KeyError:
            return None

    return run
