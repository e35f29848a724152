"""The table: lines of two medians, their ratio, the bar, and whether it is met."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

TITLES = ("row", "ours", "peer", "ratio", "bar", "")


@dataclass(frozen=True, slots=True)
class Bar:
    """A limit on a line's ratio (``unit`` is x) or on our own median in that unit."""

    relation: str
    limit: float
    unit: str = "x"

    def met(self, judged: float) -> bool:
        return judged >= self.limit if self.relation == ">=" else judged <= self.limit

    def __str__(self) -> str:
        unit = self.unit if self.unit == "x" else f" {self.unit}"
        return f"{self.relation} {self.limit:g}{unit}".rstrip()


@dataclass(frozen=True, slots=True)
class Line:
    """One measured comparison: samples of both sides in ``unit``; ``ratio`` is between their medians, as the bar means it."""

    row: str
    what: str
    unit: str
    ours: Sequence[float]
    peer_name: str = ""
    peer: Sequence[float] = ()
    ratio: float | None = None
    bar: Bar | None = None
    ratio_unit: str = "x"

    @property
    def met(self) -> bool | None:
        if self.bar is None:
            return None
        judged = self.ratio if self.bar.unit == self.ratio_unit else median(self.ours)
        return judged is not None and self.bar.met(judged)

    def cells(self) -> tuple[str, ...]:
        peer = f"{self._median(self.peer)} {self.peer_name}" if self.peer else ""
        unit = self.ratio_unit if self.ratio_unit == "x" else f" {self.ratio_unit}"
        ratio = f"{self.ratio:.3g}{unit}" if self.ratio is not None else ""
        verdict = {None: "", True: "met", False: "MISSED"}[self.met]
        bar = str(self.bar) if self.bar else ""
        return (f"{self.row}: {self.what}", self._median(self.ours), peer, ratio, bar, verdict)

    def _median(self, samples: Sequence[float]) -> str:
        return f"{_number(median(samples))} {self.unit}".rstrip()


def shorter(
    row: str, what: str, unit: str, ours: Sequence[float], peer_name: str, peer: Sequence[float], at_least: float | None = None
) -> Line:
    """A time or a size: how many times as much the peer needs."""
    bar = Bar(">=", at_least) if at_least is not None else None
    return Line(row, what, unit, ours, peer_name, peer, _over(peer, ours), bar)


def more(
    row: str, what: str, unit: str, ours: Sequence[float], peer_name: str, peer: Sequence[float], at_least: float | None = None
) -> Line:
    """A rate: how many times as much we do."""
    bar = Bar(">=", at_least) if at_least is not None else None
    return Line(row, what, unit, ours, peer_name, peer, _over(ours, peer), bar)


def within(row: str, what: str, unit: str, ours: Sequence[float], peer_name: str, peer: Sequence[float], at_most: float) -> Line:
    """A time that may be at most so many times another one."""
    return Line(row, what, unit, ours, peer_name, peer, _over(ours, peer), Bar("<=", at_most))


def _over(above: Sequence[float], below: Sequence[float]) -> float:
    divisor = median(below)
    return median(above) / divisor if divisor else float("inf")


def _number(value: float) -> str:
    """Three digits, or all those before the point."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def render(lines: Sequence[Line]) -> str:
    """The table as text, one line each, numbers to the right."""
    return "\n".join(aligned([TITLES, *(line.cells() for line in lines)], to_the_right=(1, 3, 4)))


def aligned(rows: Sequence[Sequence[str]], to_the_right: Container[int]) -> list[str]:
    """Rows of as many cells each as lines of text, with a rule below the first; the columns in ``to_the_right`` end evenly."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    text = [_aligned(row, widths, to_the_right) for row in rows]
    text.insert(1, "  ".join("-" * width for width in widths).rstrip())
    return text


def _aligned(row: Sequence[str], widths: Sequence[int], to_the_right: Container[int]) -> str:
    sized = enumerate(zip(row, widths, strict=True))
    return "  ".join(text.rjust(width) if at in to_the_right else text.ljust(width) for at, (text, width) in sized).rstrip()
