"""Rows of a table that somebody brings: CSV, JSON lines or a JSON array, told by the content."""

from __future__ import annotations

import sys

from journaltune.base.errors import UsageError
from journaltune.base.frozen import Frozen
from journaltune.base.jsontext import loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_NESTED = ("params", "user_attrs", "constraints")
_SEPARATORS = ",;\t"


class Row(Frozen):
    """One row: cells by column, without the blank ones of a CSV; or what is wrong with it. ``label`` says where it stands."""

    label: str
    cells: dict[str, Any]
    wrong: str = ""


class Table(Frozen):
    """``is_text``: cells are texts as they stand in a CSV, which only their use tells how to read."""

    columns: tuple[str, ...]
    rows: list[Row]
    is_text: bool


def read_table(path: str) -> Table:
    """The table in a file, or on stdin for "-". UsageError where it can't be read; a row that is wrong says so itself."""
    text = _text_of(path)
    first = text.lstrip()[:1]
    if not first:
        raise UsageError(f"{_shown(path)} is empty; give it rows, as CSV with a header or as JSON lines")
    if first not in ("{", "["):
        return _of_csv(path, text)
    rows = list(_of_array(path, text) if first == "[" else _of_lines(text))
    columns = tuple({column: None for row in rows for column in row.cells})
    return Table(columns, rows, False)


def _text_of(path: str) -> str:
    try:
        if path == "-":
            return sys.stdin.buffer.read().decode("utf-8-sig")
        with open(path, "rb") as file:
            return file.read().decode("utf-8-sig")
    except (OSError, ValueError) as error:
        what = "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else getattr(error, "strerror", None) or error
        raise UsageError(f"{_shown(path)} can't be read: {what}") from None


def _shown(path: str) -> str:
    return "stdin" if path == "-" else path


def _of_csv(path: str, text: str) -> Table:
    import csv
    import io

    header = text.split("\n", 1)[0]
    separator = max(_SEPARATORS, key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        columns = tuple(name.strip() for name in next(reader))
        twice = next((name for name in columns if columns.count(name) > 1), None)
        if twice is not None:
            raise UsageError(f"{_shown(path)} has two columns {twice!r}; rename one")
        return Table(columns, list(_csv_rows(reader, columns)), True)
    except csv.Error as error:
        raise UsageError(f"{_shown(path)} is no CSV at line {reader.line_num}: {error}") from None


def _csv_rows(reader: Any, columns: tuple[str, ...]) -> Iterator[Row]:
    start = reader.line_num + 1
    for cells in reader:
        label, start = f"line {start}", reader.line_num + 1
        if not cells:
            continue
        if len(cells) != len(columns):
            yield Row(label, {}, f"it has {len(cells)} cells, and the header {len(columns)} columns")
        else:
            yield Row(label, {name: cell for name, cell in zip(columns, cells, strict=True) if cell != ""})


def _of_lines(text: str) -> Iterator[Row]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield _of_object(f"line {number}", loads(line))
            except (ValueError, RecursionError):
                yield Row(f"line {number}", {}, "it is no JSON object")


def _of_array(path: str, text: str) -> Iterator[Row]:
    try:
        values = loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{_shown(path)} is neither a JSON array nor JSON lines: {error}") from None
    for number, value in enumerate(values, 1):
        yield _of_object(f"row {number}", value)


def _of_object(label: str, value: object) -> Row:
    """An object as a row: the parts of a trial as `trials --format jsonl` prints them become columns as in its CSV."""
    if not isinstance(value, dict):
        return Row(label, {}, "it is no JSON object")
    cells: dict[str, Any] = {}
    for key, item in value.items():
        if key in _NESTED and isinstance(item, dict):
            cells |= {f"{key}_{name}": each for name, each in item.items()}
        elif key == "values" and isinstance(item, list):
            names = ["value"] if len(item) == 1 else [f"values_{place}" for place in range(len(item))]
            cells |= dict(zip(names, item, strict=True))
        else:
            cells[key] = item
    return Row(label, cells)
