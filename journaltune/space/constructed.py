"""Parameters that are made of others: permutations of integers, simplexes and normal values of numbers from 0 to 1.

Each is decoded from what the sampler draws, and encoded so that decoding gives the same again, bit for bit: the values lie on
grids that are coarser than what the columns can tell apart.
"""

from __future__ import annotations

from math import erf, erfc, exp, floor, inf, log, log10, sqrt, ulp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

PARTS = 10**9  # the grid of a simplex: proportions have nine decimals, which sum to 1 as they are printed
_SUM_TOLERANCE = 1e-6

# A normal's grid has 12 digits below its standard deviation where the density is high. The density, relative to the mass between
# the bounds, tells how far apart the neighbours of a number from 0 to 1 get; each 1,000 of it cost three digits.
_DIGITS = 12
_DENSITIES = (1e-2, 1e-5, 1e-8, 1e-11)
_EXTREME = 1e150
_MOST_LOG = 700.0
_MOST_LOG_SD = 100
_LEAST_MASS = 1e-290
_ROOT_2 = sqrt(2)
_ROOT_2PI = 2.5066282746310002


def decode_permutation(digits: Sequence[int]) -> list[int]:
    """The permutation of 0 to n - 1 with the Lehmer code ``digits``: n - 1 integers, the one at i from 0 to n - 1 - i."""
    left = list(range(len(digits) + 1))
    try:
        if min(digits, default=0) < 0:
            raise IndexError
        return [left.pop(digit) for digit in digits] + left
    except IndexError:
        raise ValueError(f"that is no Lehmer code of a permutation of {len(digits) + 1} items") from None


def encode_permutation(order: Sequence[int]) -> list[int]:
    """The Lehmer code of a permutation of 0 to n - 1: of each item but the last, how many smaller ones follow it."""
    left = list(range(len(order)))
    if sorted(order) != left:
        raise ValueError(f"that is no permutation of 0 to {len(order) - 1}")
    digits = []
    for item in order[:-1]:
        digits.append(left.index(item))
        del left[digits[-1]]
    return digits


def decode_simplex(columns: Sequence[float]) -> list[float]:
    """Proportions that sum to 1, one more than ``columns``, which lie in [0, 1]: uniform ones give the flat Dirichlet.

    Stick breaking: of k parts, the one at i takes 1 - u ** (1 / (k - 1 - i)) of what is left, which is Beta(1, k - 1 - i)
    (Devroye, Non-Uniform Random Variate Generation, 1986, chapter XI.4). A small column is a large part, as floats are densest
    at 0, and a part that takes nearly all asks for most.
    """
    left, counts = PARTS, []
    for i, column in enumerate(columns):
        counts.append(left - _kept(left, column, len(columns) - i))
        left -= counts[-1]
    return [count / PARTS for count in [*counts, left]]


def _kept(left: int, column: float, power: int) -> int:
    share: float = min(max(column, 0.0), 1.0) ** (1 / power)
    return round(left * share)


def encode_simplex(parts: Sequence[float]) -> list[float]:
    """The columns that `decode_simplex` reads as ``parts``, rounded to nine decimals.

    ValueError for parts that are no proportions, and for more than 36 of which one takes so nearly all that no float tells how
    much is left.
    """
    counts = _counts(parts)
    left, columns = PARTS, []
    for i, count in enumerate(counts[:-1]):
        power = len(counts) - 1 - i
        columns.append(((left - count) / left) ** power if left else 1.0)
        if left - _kept(left, columns[-1], power) != count:
            raise ValueError(f"part {i + 1} of {len(counts)} leaves too little for the others; make it all, or smaller")
        left -= count
    return columns


def _counts(parts: Sequence[float]) -> list[int]:
    """The parts in units of the grid. What rounding leaves over or short goes to the parts that it wronged most."""
    if not parts or not all(0 <= part <= 1 + _SUM_TOLERANCE for part in parts):
        raise ValueError("proportions lie between 0 and 1")
    total = sum(parts)
    if abs(total - 1) > _SUM_TOLERANCE:
        raise ValueError(f"proportions sum to 1, not to {total!r}")
    shares = [part / total * PARTS for part in parts]
    counts = [round(share) for share in shares]
    excess = sum(counts) - PARTS
    sign = 1 if excess > 0 else -1
    wronged = sorted(range(len(parts)), key=lambda i: (sign * (shares[i] - counts[i]), -counts[i]))
    for i in wronged[: abs(excess)]:
        counts[i] -= sign
    return counts


class Normal:
    """A normal distribution, or a lognormal one if ``is_log``: then ``mean`` and ``sd`` are of the logarithm.

    ``low`` and ``high`` cut it off; what lies between them keeps its shape. Values lie on a grid, finer than any use of them and
    coarser than what numbers in [0, 1] can tell apart: without bounds, 12 digits below the standard deviation, 9 beyond 2.7 of
    them, 6 beyond 4.6, 3 beyond 5.9, and none beyond 7. ``lowest`` and ``highest`` are the bounds, or where none lie.
    """

    __slots__ = ("_first", "_from", "_last", "_mass", "_to", "_zones", "high", "highest", "is_log", "low", "lowest", "mean", "sd")

    def __init__(self, mean: float, sd: float, low: float = -inf, high: float = inf, is_log: bool = False) -> None:
        """ValueError for numbers that make no such distribution, or none that floats can hold."""
        if not (-_EXTREME <= mean <= _EXTREME and 1 / _EXTREME <= sd <= _EXTREME):
            raise ValueError("the mean is a number, and the standard deviation one above 0; neither is huge or tiny")
        low, high = float(low), float(high)
        if not low < high or (is_log and high <= 0):
            raise ValueError("the lower bound is not below the upper one" if not low < high else "a lognormal value is above 0")
        if is_log and sd > _MOST_LOG_SD:
            raise ValueError(f"the standard deviation is of the logarithm, so it is at most {_MOST_LOG_SD}")
        self.mean, self.sd, self.low, self.high, self.is_log = mean, sd, max(low, 0.0) if is_log else low, high, is_log
        self._from, self._to = self._point(self.low), self._point(self.high)
        self._mass = _mass(self._from, self._to)
        if not self._mass > _LEAST_MASS:
            raise ValueError("next to nothing lies between the bounds, so far are they from the mean; choose others")
        self._zones = self._make_zones()
        self.lowest, self.highest, _ = self._zones[-1]
        self._first, self._last = self._rounded(self.lowest), self._rounded(self.highest)

    def _point(self, value: float) -> _Point:
        if self.is_log:
            value = log(value) if value > 0 else -inf
        return _Point((value - self.mean) / self.sd)

    def _make_zones(self) -> list[tuple[float, float, int]]:
        """From the inside out: from where to where values have how many digits. The last one ends where no value is drawn.

        The ends lie on the coarser grid of the two that meet there, so a value at an end is on both.
        """
        reaches = [sqrt(-2 * log(density * self._mass * _ROOT_2PI)) * self.sd for density in _DENSITIES]
        digits = [floor(_DIGITS - 3 * i - log10(self.sd)) for i in range(len(reaches))]
        widest = max(abs(self.mean - reaches[-1]), abs(self.mean + reaches[-1]))
        most = _DIGITS if self.is_log else floor(-log10(8 * ulp(widest)))
        digits = [min(each, most) for each in digits]
        zones = []
        for reach, own, coarser in zip(reaches, digits, [*digits[1:], digits[-1]], strict=True):
            zones.append((self._end(self.mean - reach, coarser), self._end(self.mean + reach, coarser), own))
        return zones

    def _end(self, position: float, digits: int) -> float:
        """The value at a position on the scale of the mean, kept within the bounds."""
        if not self.is_log:
            return min(max(round(position, digits), self.low), self.high)
        if self.low > 0 and position <= log(self.low):
            return self.low
        if self.high < inf and position >= log(self.high):
            return self.high
        if not -_MOST_LOG <= position <= _MOST_LOG:
            raise ValueError("such values are too large or too small for floats; choose another mean, or bounds")
        return min(max(_significant(exp(position), digits), self.low), self.high)

    def decode(self, column: float) -> float:
        """The value at a column in [0, 1]: its share of the distribution lies below."""
        if not 0 < column < 1:
            return self.lowest if column <= 0 else self.highest
        position = self.mean + self.sd * self._deviation(column)
        value = self._rounded(exp(min(position, _MOST_LOG)) if self.is_log else position)
        # A bound may lie off the grid: it stands for the value next to it.
        if value <= self._first:
            return self.lowest
        return self.highest if value >= self._last else value

    def _rounded(self, value: float) -> float:
        value = min(max(value, self.lowest), self.highest)
        digits = next(digits for start, end, digits in self._zones if start <= value <= end)
        return _significant(value, digits) if self.is_log else round(value, digits)

    def _deviation(self, column: float) -> float:
        """How many standard deviations from the mean. Each tail is measured from its own end, so that neither cancels out."""
        middle = self._from.middle + column * self._mass
        if abs(middle) <= 0.25:
            return _from_middle(middle)
        if middle < 0:
            return -_from_tail(self._from.below + column * self._mass)
        return _from_tail(self._to.above + (1 - column) * self._mass)

    def encode(self, value: float) -> float:
        """The column that `decode` reads as ``value``, rounded to its grid. ValueError for one that is never drawn."""
        if not self.lowest <= value <= self.highest:
            raise ValueError(f"{value!r} is not from {self.lowest!r} to {self.highest!r}, where all but one of 10**11 values lie")
        if value in (self.lowest, self.highest):
            return 0.0 if value == self.lowest else 1.0
        point, first, last = self._point(value), self._from, self._to
        if first.deviation > 1:
            share = (first.above - point.above) / self._mass
        elif last.deviation < -1 or point.middle < -0.25:
            share = (point.below - first.below) / self._mass
        elif point.middle > 0.25:
            share = 1 - (point.above - last.above) / self._mass
        else:
            share = (point.middle - first.middle) / self._mass
        return min(max(share, 0.0), 1.0)


class _Point:
    """A place on the standard normal: the shares of it ``below``, ``above``, and from the ``middle`` to there."""

    __slots__ = ("above", "below", "deviation", "middle")

    def __init__(self, deviation: float) -> None:
        self.deviation = deviation
        self.below, self.above = 0.5 * erfc(-deviation / _ROOT_2), 0.5 * erfc(deviation / _ROOT_2)
        self.middle = 0.5 * erf(deviation / _ROOT_2)


def _mass(first: _Point, last: _Point) -> float:
    if first.deviation > 1:
        return first.above - last.above
    return last.below - first.below if last.deviation < -1 else last.middle - first.middle


def _significant(value: float, digits: int) -> float:
    return float(f"{value:.{digits - 1}e}")


# P. J. Acklam, "An algorithm for computing the inverse normal cumulative distribution function" (2003): to 1.15e-9. One step of
# Halley's method on the error function, as he proposes, makes it exact to some units in the last place.
_A = (-3.969683028665376e01, 2.209460984245205e02, -2.759285104469687e02, 1.383577518672690e02, -3.066479806614716e01)
_B = (-5.447609879822406e01, 1.615858368580409e02, -1.556989798598866e02, 6.680131188771972e01, -1.328068155288572e01)
_C = (-7.784894002430293e-03, -3.223964580411365e-01, -2.400758277161838e00, -2.549732539343734e00, 4.374664141464968e00)
_D = (7.784695709041462e-03, 3.224671290700398e-01, 2.445134137142996e00, 3.754408661907416e00)
_A_LAST, _C_LAST = 2.506628277459239e00, 2.938163982698783e00
_TAIL = 0.02425


def _horner(coefficients: Sequence[float], x: float, last: float) -> float:
    value = 0.0
    for coefficient in coefficients:
        value = (value + coefficient) * x
    return value + last


def _near_middle(share: float) -> float:
    square = share * share
    return share * _horner(_A, square, _A_LAST) / _horner(_B, square, 1)


def _density(deviation: float) -> float:
    return exp(-0.5 * deviation * deviation) / _ROOT_2PI


def _from_middle(share: float) -> float:
    """The deviation that has ``share``, -0.25 to 0.25, between the mean and itself."""
    guess = _near_middle(share)
    error = (0.5 * erf(guess / _ROOT_2) - share) / _density(guess)
    return guess - error / (1 + 0.5 * guess * error)


def _from_tail(share: float) -> float:
    """The deviation that has ``share``, at most 0.5, above it."""
    if share <= 0:
        return inf
    if share < _TAIL:
        root = sqrt(-2 * log(share))
        guess = -_horner(_C, root, _C_LAST) / _horner(_D, root, 1)
    else:
        guess = _near_middle(0.5 - share)
    error = (0.5 * erfc(guess / _ROOT_2) - share) / _density(guess)
    return guess + error / (1 - 0.5 * guess * error)
