"""Where the acquisition is highest: random rows and changes of the best known ones, of which the most promising are improved.

As in SMAC (Hutter, Hoos, Leyton-Brown, "Sequential model-based optimization for general algorithm configuration", LION 5, 2011,
section 4.3), but that numbers follow their slopes.
"""

from __future__ import annotations

import numpy as np

from journaltune.suggest.samplers.gp.lbfgs import minimise

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

    from journaltune.suggest.samplers.gp.acquisition import Acquisition
    from journaltune.suggest.samplers.gp.axes import Axes, Key
    from journaltune.suggest.samplers.gp.stream import Stream

    Array = NDArray[np.float64]
    Branch = tuple[int, float]

_N_RANDOM, _N_NEAR, _N_BASES, _N_STARTS = 600, 400, 6, 6
_MOST_RANKED = 200
_ROUNDS = 4
_APART = 0.05  # of a length scale, between starts
_CLIMB, _POLISH = (25, 1e-3, 1e-6), (50, 1e-7, 1e-14)  # steps, and where they end: slope and gain
_WORTH_IT = 1e-6
_ALLOWED, _BATCHES, _BATCH = 64, 8, 1500  # rows that keep the constraints, and random ones among which they are looked for
_SHORTER = 0.5 ** np.arange(1, 8)  # steps towards what breaks a constraint


class Search:
    """``best_first``: the known rows, best first. With ``branch`` the search stays where one column has one value."""

    def __init__(
        self, acquisition: Acquisition, axes: Axes, best_first: Array, stream: Stream, branch: Branch | None = None
    ) -> None:
        self._acquisition, self._axes, self._stream, self._branch = acquisition, axes, stream, branch
        self._lengths = acquisition.posterior.hyper.lengths[: len(axes)]
        self._best_first = best_first
        self._default = axes.random(stream, 1)[0]
        for row in best_first[::-1]:  # what a change switches on comes from the best row that has it
            self._default = _filled(row, self._default)

    def best(self, taken: Collection[Key]) -> Array:
        """The best row found that is not ``taken``, while there is one; NaN where a parameter is absent."""
        ordered = self.candidates()
        keys = self._axes.keys(ordered)
        new = (place for place, key in enumerate(keys) if key not in taken and self._axes.keeps_rules(ordered[place]))
        chosen: Array = ordered[next(new, 0)]
        return chosen

    def candidates(self) -> Array:
        """The rows looked at, the best first; those that rounding breaks a constraint with are among them."""
        rows = self._enough(self._in_branch(np.concatenate([self._axes.random(self._stream, _N_RANDOM), self._near()])))
        values = self._at(rows)
        ranked = np.argsort(-values, kind="stable")
        climbed = [self._climbed(rows[start], float(values[start])) for start in self._starts(rows, ranked)]
        climbed.sort(key=lambda found: -found[1])
        # Several starts reach one optimum from several sides; which of them is ahead, rounding decides.
        polished = self._along_slopes(climbed[0][0], _POLISH)
        return self._axes.masked(np.concatenate([polished[None], np.array([row for row, _ in climbed]), rows[ranked]]))

    def _enough(self, rows: Array) -> Array:
        """Rows that keep the constraints, as far as enough of them can be found; all if there are none."""
        kept = self._allowed(rows)
        for _ in range(_BATCHES):
            if len(kept) >= _ALLOWED:
                break
            more = self._in_branch(self._axes.random(self._stream, _BATCH))
            kept = np.concatenate([kept, self._allowed(more)])
        return kept if len(kept) else rows

    def _allowed(self, rows: Array) -> Array:
        return rows[self._axes.allowed(self._axes.masked(rows))]

    def _at(self, rows: Array) -> Array:
        """The acquisition; below everything where a constraint is broken."""
        masked = self._axes.masked(rows)
        allowed = self._axes.allowed(masked)
        if allowed.all():
            return self._acquisition.at(masked)
        values = np.full(len(rows), -np.inf)
        if allowed.any():
            values[allowed] = self._acquisition.at(masked[allowed])
        return values

    def _in_branch(self, rows: Array) -> Array:
        if self._branch is not None:
            rows[:, self._branch[0]] = self._branch[1]
        return rows

    def _near(self) -> Array:
        """Changes of the best rows and of the best one of each branch: some numbers by small steps, few categories at all."""
        bases, shape = self._bases(), (_N_NEAR, len(self._axes))
        rows = bases[np.floor(self._stream.uniform(_N_NEAR) * len(bases)).astype(int)]
        size = 10.0 ** (2.5 * self._stream.uniform(_N_NEAR, 1) - 3.0)
        hit = self._stream.uniform(*shape) < max(0.3, 2.0 / len(self._axes))
        moved = np.abs(rows + np.where(hit, self._stream.normal(*shape) * size, 0.0))
        moved = np.where(moved > 1.0, 2.0 - moved, moved)  # reflected at the bounds
        flipped = self._stream.uniform(*shape) < 1.0 / len(self._axes)
        others = np.where(flipped, self._axes.random(self._stream, _N_NEAR), rows)
        return self._axes.snapped(np.where(np.array(self._axes.n_choices) > 0, others, moved))

    def _bases(self) -> Array:
        rows = list(self._best_first[:_N_BASES])
        for column, value in self._axes.branches():
            rows += list(self._best_first[self._best_first[:, column] == value][:1])
        return np.array([_filled(row, self._default) for row in rows])

    def _starts(self, rows: Array, ranked: NDArray[np.intp]) -> list[int]:
        """The most promising rows that are apart from one another, and those of the most promising branches."""
        category = np.array(self._axes.n_choices) > 0
        scaled = np.where(category, 1.0, 1.0 / self._lengths) * rows
        starts: list[int] = []
        for place in ranked[:_MOST_RANKED].tolist():
            if all(np.abs(scaled[place] - scaled[other]).max() > _APART for other in starts):
                starts.append(place)
                if len(starts) == _N_STARTS:
                    break
        order, most = ranked.tolist(), len(starts) + _N_STARTS
        best = [
            np.flatnonzero(rows[ranked, at] == value)[:1] for at, value in (self._axes.branches() if self._branch is None else ())
        ]
        for rank in sorted({int(found[0]) for found in best if found.size}):
            if order[rank] not in starts and len(starts) < most:
                starts.append(order[rank])
        return starts

    def _climbed(self, row: Array, value: float) -> tuple[Array, float]:
        """Uphill along slopes and over neighbours in turns; without neighbours there is nothing to take turns with."""
        for _ in range(_ROUNDS if any(grid is not None for grid in self._axes.grids) else 1):
            before = value
            row, value = self._better(row, value, self._along_slopes(row, _CLIMB)[None])
            row, value = self._over_neighbours(row, value)
            if value - before < _WORTH_IT:
                break
        return row, value

    def _along_slopes(self, row: Array, limits: tuple[int, float, float]) -> Array:
        masked = self._axes.masked(row[None])[0].copy()
        columns = np.flatnonzero(self._axes.slope & ~np.isnan(masked))
        if not columns.size:
            return row
        lengths = self._lengths[columns]

        def loss(scaled: Array) -> tuple[float, Array]:
            masked[columns] = scaled * lengths
            found, slopes = self._acquisition.slope(masked)
            return -found, -slopes[columns] * lengths

        low, high = np.zeros(len(columns)), 1.0 / lengths
        reached = row.copy()
        reached[columns] = minimise(loss, row[columns] / lengths, low, high, *limits)[0] * lengths
        found: Array = self._axes.snapped(reached[None])[0]
        if len(self._allowed(found[None])):
            return found
        kept = self._allowed(self._axes.snapped(row + _SHORTER[:, None] * (reached - row)))
        return kept[0] if len(kept) else row

    def _over_neighbours(self, row: Array, value: float) -> tuple[Array, float]:
        """The best change of one column, or of as many of the columns that have a good change as pays."""
        present = ~np.isnan(self._axes.masked(row[None])[0])
        changes = [
            (column, place)
            for column in np.flatnonzero(present).tolist()
            if self._branch is None or column != self._branch[0]
            for place in self._axes.neighbours(row, column).tolist()
        ]
        if not changes:
            return row, value
        rows = np.repeat(row[None], len(changes), axis=0)
        for at, (column, place) in enumerate(changes):
            rows[at, column] = place
        values = self._at(rows)
        return self._better(row, value, np.concatenate([rows[[int(values.argmax())]], _together(row, value, changes, values)]))

    def _better(self, row: Array, value: float, rows: Array) -> tuple[Array, float]:
        values = self._at(rows)
        at = int(values.argmax())
        return (rows[at], float(values[at])) if values[at] > value else (row, value)


def _together(row: Array, value: float, changes: Sequence[tuple[int, float]], values: Array) -> Array:
    """The row with its two best changes of different columns, with its three best, and so on."""
    rows, reached, changed = [], row.copy(), set()
    for at in np.argsort(-values, kind="stable").tolist():
        column, place = changes[at]
        if values[at] > value and column not in changed:
            changed.add(column)
            reached[column] = place
            rows.append(reached.copy())
    return np.array(rows[1:]).reshape(-1, len(row))


def _filled(row: Array, default: Array) -> Array:
    return np.where(np.isnan(row), default, row)
