"""Which parameters many candidates have, and which of them keep the constraints: a whole column at once where an expression can
take that, and where it reads few values, each combination of these once."""

from __future__ import annotations

import numpy as np

from journaltune.space.evaluation import UNKNOWN, Uncomputable
from journaltune.suggest.samplers.gp.scale import internals_of, n_values, nearly

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from numpy.typing import NDArray

    from journaltune.space import Distribution
    from journaltune.space.evaluation import Expression
    from journaltune.space.rules import Rules, Step

    Array = NDArray[np.float64]
    Mask = NDArray[np.bool_]

_FEW = 8  # rows, which are looked at one by one
_NOT_AT_ONCE = ("min", "max")  # Python computes them by comparisons, and here a comparison is true of all rows or of none


class _Column(np.ndarray):
    """Numbers that are true if all are, so that the check for overflow in an expression serves all rows."""

    is_column = True

    def __bool__(self) -> bool:
        return bool(np.asarray(self).all())


class Constraints:
    """The conditions and constraints of ``rules``, for rows of unit coordinates in the order of ``distributions``."""

    def __init__(self, rules: Rules, distributions: Mapping[str, Distribution]) -> None:
        self._require = [(each, _read_by(each, rules)) for each in rules.require]
        conditional = [(step.condition, step) for step in rules.steps if step.condition is not None]
        self._conditions = [(condition, _read_by(condition, rules), step.columns) for condition, step in conditional]
        self._constants = rules.constants
        self._places = {name: (place, known) for place, (name, known) in enumerate(distributions.items())}
        self._few = [n_values(known) > 0 for known in distributions.values()]
        self._seen: dict[tuple[str, bool], dict[tuple[float, ...], bool]] = {}

    def masked(self, rows: Array) -> Array:
        """Whole rows with NaN in place of what their conditions leave out: in order, as one may read what another leaves out."""
        found = rows.copy()
        for condition, steps, columns in self._conditions:
            held = self._at_once(condition, steps, found, {}, False) if len(found) >= _FEW else None
            if held is None:
                held = np.array(self._one_by_one(condition, steps, found, False), bool)
            for column in columns:
                if column in self._places:
                    found[~held, self._places[column][0]] = np.nan
        return found

    def keep(self, rows: Array) -> Mask:
        """Whether each row keeps all of them; NaN stands where a parameter is absent. Continuous values are not rounded."""
        columns: dict[str, tuple[_Column, Mask]] = {}
        kept, rest = np.ones(len(rows), bool), []
        for expression, steps in self._require if len(rows) >= _FEW else ():
            found = self._at_once(expression, steps, rows, columns, True)
            if found is None:
                rest.append((expression, steps))
            else:
                kept &= found
        for expression, steps in rest if len(rows) >= _FEW else self._require:
            left = np.flatnonzero(kept)
            kept[left] = self._one_by_one(expression, steps, rows[left], True)
        return kept

    def _one_by_one(self, expression: Expression, steps: Sequence[Step], rows: Array, unknown: bool) -> list[bool]:
        """Whether it holds in each row; ``unknown`` where that hangs on an absent parameter."""
        places = [self._places[column][0] for step in steps for column in step.columns if column in self._places]
        if not all(self._few[place] for place in places):
            return [self._holds(expression, steps, row, unknown) for row in rows.tolist()]
        seen = self._seen.setdefault((expression.text, unknown), {})
        keys = [tuple(row) for row in np.where(np.isnan(rows[:, places]), -1.0, rows[:, places]).tolist()]
        for key, at in {key: at for at, key in enumerate(keys) if key not in seen}.items():
            seen[key] = self._holds(expression, steps, rows[at].tolist(), unknown)
        return [seen[key] for key in keys]

    def _at_once(
        self,
        expression: Expression,
        steps: Sequence[Step],
        rows: Array,
        columns: dict[str, tuple[_Column, Mask]],
        unknown: bool,
    ) -> Mask | None:
        """As `_one_by_one`; None where only a row at a time can say so."""
        if not all(step.is_number for step in steps) or any(word in expression.text for word in _NOT_AT_ONCE):
            return None
        for step in steps:
            if step.name not in columns:
                columns[step.name] = self._column(step, rows)
        try:
            with np.errstate(all="raise"):
                found = expression.holds({step.name: columns[step.name][0] for step in steps})
        except (Uncomputable, FloatingPointError):
            return None
        if not isinstance(found, _Column):
            return None
        absent = np.logical_or.reduce([columns[step.name][1] for step in steps])
        held: Mask = np.where(absent, unknown, np.asarray(found))
        return held

    def _column(self, step: Step, rows: Array) -> tuple[_Column, Mask]:
        """The numbers of one parameter, and where it is absent."""
        if step.name not in self._places:
            return np.full(len(rows), self._constants[step.name]).view(_Column), np.zeros(len(rows), bool)
        place, known = self._places[step.name]
        absent = np.isnan(rows[:, place])
        return internals_of(known, np.where(absent, 0.0, rows[:, place])).view(_Column), absent

    def _holds(self, expression: Expression, steps: Sequence[Step], row: Sequence[float], unknown: bool) -> bool:
        params: dict[str, Any] = {}
        try:
            for step in steps:
                if step.derived is not None:
                    value = step.derived.value(params)
                    if value is not UNKNOWN:
                        params[step.name] = value
                else:
                    self._enter(step, row, params)
            held = expression.holds(params)
            return unknown if held is None else held
        except Uncomputable:
            return False

    def _enter(self, step: Step, row: Sequence[float], params: dict[str, Any]) -> None:
        """Add what expressions see of a searched parameter, unless it is absent."""
        internal = {}
        for column in step.columns:
            place, known = self._places.get(column, (-1, None))
            if known is None:
                internal[column] = self._constants[column]
            elif row[place] != row[place]:
                return
            else:
                internal[column] = nearly(known, row[place])
        params[step.name] = step.seen(step.external(internal))


def _read_by(expression: Expression, rules: Rules) -> list[Step]:
    """The parameters that an expression reads, and those that these are computed from, in order."""
    wanted, steps = set(expression.names), []
    for step in reversed(rules.steps):
        if step.name in wanted:
            steps.append(step)
            wanted.update(step.derived.names if step.derived is not None else ())
    return steps[::-1]
