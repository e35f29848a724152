"""Tables for people: as wide as the terminal, never wider."""

from __future__ import annotations

import os
import shutil
import sys
from unicodedata import combining, east_asian_width

from journaltune.base.frozen import Frozen
from journaltune.cli.output import can_show, visible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

GAP = 2
NARROWEST = 8


class Column(Frozen):
    """A column of texts under a name. A table that is too wide loses columns of the greatest ``rank`` first, never rank 0."""

    name: str
    cells: list[str]
    rank: int
    right: bool

    def __init__(self, name: str, cells: Sequence[str], rank: int = 0, right: bool = False) -> None:
        self._set(name=visible(name), cells=[visible(cell) for cell in cells], rank=rank, right=right)


def page_width() -> int | None:
    """$COLUMNS, else the terminal's width; None, no limit, when output goes into a file or pipe."""
    if not os.environ.get("COLUMNS", "").isdigit() and not sys.stdout.isatty():
        return None
    return shutil.get_terminal_size().columns


def fit(columns: Sequence[Column], width: int | None) -> tuple[str, list[str]]:
    """The table's text and the names of the columns that had to be left out."""
    kept = list(columns)
    dropped = []
    while width is not None and _least_width(kept) > width and any(column.rank for column in kept):
        last = max(kept, key=lambda column: column.rank)
        kept.remove(last)
        dropped.append(last.name)
    widths = _widths(kept, width)
    rows = zip(*([column.name, *column.cells] for column in kept), strict=True)
    return "".join(_row(kept, widths, cells) + "\n" for cells in rows), dropped[::-1]


def text_width(text: str) -> int:
    """Columns of a terminal that the text takes."""
    if text.isascii():
        return len(text)
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def shorten(text: str, width: int) -> str:
    """The text cut to ``width``, with an ellipsis. A number keeps its exponent: 1.2345e-05 must not become 1.23."""
    if text_width(text) <= width:
        return text
    ellipsis = "…" if can_show("…") else "~"
    mantissa, e, exponent = text.partition("e")
    tail = e + exponent if e and mantissa.lstrip("-").replace(".", "", 1).isdigit() and exponent.lstrip("+-").isdigit() else ""
    room = width - len(tail) - 1
    cut = mantissa if tail else text
    while cut and text_width(cut) > room:
        cut = cut[:-1]
    return cut + ellipsis + tail


def _least_width(columns: Sequence[Column]) -> int:
    return sum(min(_natural_width(column), NARROWEST) + GAP for column in columns) - GAP


def _natural_width(column: Column) -> int:
    return max(map(text_width, (column.name, *column.cells)))


def _widths(columns: Sequence[Column], width: int | None) -> list[int]:
    """Each column's width: the widest ones give way first, down to ``NARROWEST``."""
    natural = [_natural_width(column) for column in columns]
    if width is None:
        return natural
    room = width - GAP * (len(columns) - 1)
    limit = max(natural)
    while limit > NARROWEST and sum(min(n, limit) for n in natural) > room:
        limit -= 1
    return [min(n, limit) for n in natural]


def _row(columns: Sequence[Column], widths: Sequence[int], cells: Sequence[str]) -> str:
    padded = []
    for column, width, cell in zip(columns, widths, cells, strict=True):
        text = shorten(cell, width)
        blank = " " * (width - text_width(text))
        padded.append(blank + text if column.right else text + blank)
    return (" " * GAP).join(padded).rstrip()
