"""Which column of a table is which parameter or result of a study, and what its cells say."""

from __future__ import annotations

from itertools import islice

from journaltune.base import COMPLETE, FAIL, PRUNED
from journaltune.base.errors import SpaceError, UsageError, one_line
from journaltune.base.frozen import Frozen
from journaltune.base.jsontext import NOT_FINITE, loads
from journaltune.base.words import near, text_of
from journaltune.space.distributions import shown_value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from journaltune.space import Space
    from journaltune.study.rows import Row, Table

# How others name the column of a parameter: ours and Optuna's, then MLflow's, W&B's and Hydra's.
_PREFIXES = ("params_", "", "params.", "params/", "config.", "config/", "config_")
_STATE_COLUMNS = ("state", "State", "status", "Status")
STATES = {
    **dict.fromkeys(("complete", "completed", "finished", "succeeded", "success", "done"), COMPLETE),
    **dict.fromkeys(("pruned", "stopped"), PRUNED),
    **dict.fromkeys(("fail", "failed", "crashed", "crash", "killed", "error"), FAIL),
}
UNFINISHED = ("running", "waiting", "pending", "queued", "scheduled", "preempted", "preempting")
_CONSTRAINTS = ("constraints_", "system_attrs_constraints:")
# Columns that we and Optuna print: the times and intermediate values are read, the others belong to the study that they are of.
_OWN = (
    *("number", "datetime_start", "datetime_complete", "intermediate_values", "values", "duration", "duration_s"),
    *("seed", "attempt", "owner", "standing", "usage"),
)
_WORDS = {"True": True, "False": False, "None": None, "NaN": NOT_FINITE["nan"]}


class Past(Frozen):
    """A finished trial that was run elsewhere; ``label`` says where it stands. ``state``: a code, None if it is not finished.

    ``params``: external values. ``began``, ``ended``: ISO 8601, None where nobody says.
    """

    label: str
    state: int | None
    params: dict[str, Any]
    values: list[float] | None = None
    attrs: Mapping[str, Any] = {}
    constraints: Mapping[str, float] = {}
    intermediate: Mapping[int, float] = {}
    began: str | None = None
    ended: str | None = None


class Parameters:
    """Reads the parameters of a row. UsageError for a table that has a column for none of them.

    ``blank_is_null``: a blank cell of a CSV, as we and Optuna print null, is null where that is a choice; else it is left out.
    """

    def __init__(self, space: Space, table: Table, *, blank_is_null: bool) -> None:
        self._space, self._is_text = space, table.is_text
        self._seen: dict[tuple[str, str], Any] = {}
        found = {name: _column(name, table.columns) for name in (*space.parameters, *space.distributions)}
        # Other programs show the columns that a permutation, a simplex or a normal number is stored as.
        self.columns = {name: column for name, column in found.items() if column is not None}
        if not self.columns:
            have, want = _shown(table.columns), _shown(space.parameters)
            raise UsageError(f"no column is a parameter of the study: there are {have or 'none'}, and its parameters are {want}")
        self._numbers = {name: column for name, column in self.columns.items() if self._is_text and _is_number(space, name)}
        self._others = {name: column for name, column in self.columns.items() if name not in self._numbers}
        self._blanks = dict.fromkeys(filter(self._may_be_null, self._others)) if self._is_text and blank_is_null else {}

    def _may_be_null(self, name: str) -> bool:
        try:
            return bool(self._space.encode({name: None}, partial=True))
        except SpaceError:
            return False

    def of(self, row: Row) -> dict[str, Any]:
        """The row's parameters by name. SpaceError for a text that means none of its parameter's choices, or two; whether the
        space has these parameters, its ``encode`` tells."""
        cells = row.cells
        others = {name: cells[column] for name, column in self._others.items() if column in cells}
        if not self._is_text:
            return others
        numbers = {name: _json(cells[column]) for name, column in self._numbers.items() if column in cells}
        return self._blanks | numbers | {name: self._read(name, cell) for name, cell in others.items()}

    def _read(self, name: str, text: str) -> Any:
        key = name, text
        if key not in self._seen:
            self._seen[key] = value_of(self._space, name, text)
        return self._seen[key]


def _is_number(space: Space, name: str) -> bool:
    """Whether the values of a parameter, or of a column of one, are numbers."""
    known = space.parameters.get(name, space.distributions.get(name))
    return known is not None and (known.known() == "number" if hasattr(known, "known") else known.kind != "categorical")


def _shown(names: Iterable[str]) -> str:
    return ", ".join(map(one_line, islice(names, 10)))


def _column(name: str, columns: Sequence[str]) -> str | None:
    return next((f"{prefix}{name}" for prefix in _PREFIXES if f"{prefix}{name}" in columns), None)


def value_of(space: Space, name: str, text: str) -> Any:
    """The value of a parameter that a text means. SpaceError if it is none, or may be two."""
    error: SpaceError | None = None
    for tier in _meanings(text):
        found: dict[tuple[Any, ...], Any] = {}
        for value in tier:
            try:
                found.setdefault(tuple(space.encode({name: value}, partial=True).items()), value)
            except SpaceError as refusal:
                error = error or refusal
        if len(found) > 1:
            raise SpaceError(
                f"{one_line(name)}: {one_line(text)} may be a number or a text, and both are choices; write the row as JSON"
            )
        if found:
            return next(iter(found.values()))
    raise error if error is not None else SpaceError(f"{one_line(name)}: {one_line(text)} is no value")


def _meanings(text: str) -> Iterator[list[Any]]:
    """What a text may stand for: first what we would print so, then what pandas and spreadsheets make of other values."""
    read = _json(text)
    yield [read, text] if not isinstance(read, str) and text_of(read) == text else [text]
    loose = [] if isinstance(read, str) else [read]
    if isinstance(read, float) and read - read == 0 and read == int(read):
        loose.append(int(read))  # pandas makes floats of the integers of a column with gaps
    if text in _WORDS:
        loose.append(_WORDS[text])
    if text[:1] == "'":
        loose.append(text[1:])  # against a spreadsheet that would run the text as a formula
    yield loose


def _json(text: str) -> Any:
    """A text as JSON has it; the text itself if it is none."""
    try:
        return loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return float(text) if text.isascii() and "_" not in text else text
    except ValueError:
        return text


class Results:
    """Reads what came of the trials of a table. ``value``: the column of the result, or a list of them, one an objective."""

    def __init__(self, table: Table, names: Sequence[str | None], value: str | Sequence[str] | None) -> None:
        self._is_text = table.is_text
        self._state = next((name for name in _STATE_COLUMNS if name in table.columns), None)
        named = [value] if isinstance(value, str) else list(value or [])
        self.columns = _named(table, named, len(names)) if named else _found(table, names)
        self._attrs = {name.removeprefix("user_attrs_"): name for name in table.columns if name.startswith("user_attrs_")}
        self._constraints = {
            name.removeprefix(prefix): name for prefix in _CONSTRAINTS for name in table.columns if name.startswith(prefix)
        }

    def leaves(self, column: str) -> bool:
        """Whether nothing is known of a column: neither what it says, nor that it says nothing of another study's trials."""
        known = {*self.columns, *self._attrs.values(), *self._constraints.values(), *_OWN, self._state, ""}
        return column not in known and not column.startswith(("usage_", "system_attrs_"))

    def of(self, row: Row, params: dict[str, Any]) -> Past:
        """The trial of a row. UsageError for a state or a result that can't be read."""
        cells = row.cells
        given = [cells.get(column) for column in self.columns]
        values = None if any(cell is None for cell in given) else [_float(name, cell) for name, cell in zip(self.columns, given)]  # noqa: B905
        return Past(
            row.label,
            self._code(cells, values),
            params,
            values,
            {name: self._attr(cells[column]) for name, column in self._attrs.items() if cells.get(column) is not None},
            {name: _float(column, cells[column]) for name, column in self._constraints.items() if cells.get(column) is not None},
            self._intermediate(cells.get("intermediate_values")),
            _text(cells.get("datetime_start")),
            _text(cells.get("datetime_complete")),
        )

    def _code(self, cells: Mapping[str, Any], values: list[float] | None) -> int | None:
        said = cells.get(self._state) if self._state is not None else None
        if said is None:
            if values is None:
                raise UsageError(f"there is no result in {_shown(self.columns)}")
            return COMPLETE
        word = str(said).lower().rpartition(".")[2]  # TrialState.COMPLETE
        if word in UNFINISHED:
            return None
        if word not in STATES:
            raise UsageError(f"{shown_value(said)} is no state that is known; there are {', '.join(STATES)}")
        if STATES[word] == COMPLETE and values is None:
            raise UsageError(f"it is {word}, but there is no result in {_shown(self.columns)}")
        return STATES[word]

    def _attr(self, cell: Any) -> Any:
        """An attribute of a CSV is what its text is in JSON, if we would print that so."""
        if not self._is_text:
            return cell
        read = _json(cell)
        if not isinstance(read, str) and text_of(read) == cell and cell not in NOT_FINITE:  # "nan" is a reason, too
            return read
        return cell[1:] if cell[:2] in ("'=", "'@", "'+", "'-") else cell

    def _intermediate(self, cell: Any) -> dict[int, float]:
        read = _json(cell) if isinstance(cell, str) else cell
        if not read:
            return {}
        try:
            return {int(step): _float("intermediate_values", value) for step, value in read.items()}
        except (AttributeError, ValueError, TypeError):
            raise UsageError("intermediate_values is no JSON object of numbers by step") from None


def _named(table: Table, named: list[str], n_objectives: int) -> list[str]:
    for column in named:
        if column not in table.columns:
            word = near(column, table.columns)
            hint = f"did you mean {one_line(word)}?" if word else f"there are {_shown(table.columns)}"
            raise UsageError(f"there is no column {column!r}; {hint}")
    if len(named) != n_objectives:
        raise UsageError(f"the study has {n_objectives} objectives; name a column for each, not {len(named)}")
    return named


def _found(table: Table, names: Sequence[str | None]) -> list[str]:
    """The column of each objective, by our name for it, Optuna's or its own."""
    columns = []
    for place, name in enumerate(names):
        known = [f"values_{name}", name, f"metrics.{name}"] if name is not None else []
        known += [f"values_{place}", *(["value"] if len(names) == 1 else [])]
        found = next((column for column in known if column in table.columns), None)
        if found is None:
            what = name if name is not None else f"objective {place}" if len(names) > 1 else "the result"
            raise UsageError(
                f"no column is called like {what}; name it with --value, such as --value {one_line(table.columns[-1])}"
            )
        columns.append(found)
    return columns


def _float(what: str, cell: Any) -> float:
    try:
        if isinstance(cell, bool):
            raise ValueError
        return float(NOT_FINITE.get(cell, cell) if isinstance(cell, str) else cell)
    except (TypeError, ValueError, OverflowError):
        raise UsageError(f"{one_line(what)} is {shown_value(cell)}, which is no number") from None


def _text(cell: Any) -> str | None:
    return cell if isinstance(cell, str) else None
