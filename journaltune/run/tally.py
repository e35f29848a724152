"""How far a study is, kept up to date by what is new: a look after each of ten thousand trials must not read all of them."""

from __future__ import annotations

from bisect import insort
from math import isnan

from journaltune.base import COMPLETE, FAIL
from journaltune.base.constraints import constraints_in
from journaltune.base.model import USAGE_ATTR
from journaltune.journal.state import HAS_EXTRAS, HIDDEN, STATE_MASK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from journaltune.journal.state import Finished, StudyState
    from journaltune.study import OpenStudy

_RUNS_FOR_MEDIAN = 3


class Tally:
    """Of the finished trials of a study: how many a budget counts; how many failed, by reason; the best; and how long the
    complete ones took."""

    __slots__ = ("_n_seen", "_walls_s", "best", "n_finished", "reasons")

    def __init__(self, _: Finished) -> None:
        self._n_seen = self.n_finished = 0
        self._walls_s: list[float] = []
        self.reasons: dict[str, int] = {}
        self.best: tuple[float, int] | None = None  # value and number, for one objective

    def update(self, state: StudyState) -> Tally:
        finished, sign = state.finished, -1.0 if state.directions[0] == 2 else 1.0
        codes, numbers = finished.column("codes"), finished.column("numbers")
        for row in range(self._n_seen, len(codes)):
            code = codes[row]
            self.n_finished += not code & HIDDEN
            extras = finished.extras.get(numbers[row], {}) if code & HAS_EXTRAS else {}
            if code & STATE_MASK == FAIL and not code & HIDDEN:
                reason = str(extras.get("user_attrs", {}).get("fail_reason", "no reason"))
                self.reasons[reason] = self.reasons.get(reason, 0) + 1
            elif code & (STATE_MASK | HIDDEN) == COMPLETE:
                self._complete(finished.row_values(row), numbers[row], extras.get("system_attrs", {}), sign)
        self._n_seen = len(codes)
        return self

    def _complete(self, values: list[float] | None, number: int, attrs: dict[str, Any], sign: float) -> None:
        usage = attrs.get(USAGE_ATTR)
        if isinstance(usage, dict) and isinstance(usage.get("wall_s"), int | float):
            insort(self._walls_s, usage["wall_s"])
        if values is None or len(values) != 1 or isnan(values[0]) or any(v > 0 for v in constraints_in(attrs).values()):
            return
        if self.best is None or (sign * values[0], number) < (sign * self.best[0], self.best[1]):
            self.best = values[0], number

    def median_wall_s(self) -> float | None:
        """How long a complete trial took; None before three did."""
        n = len(self._walls_s)
        return None if n < _RUNS_FOR_MEDIAN else (self._walls_s[(n - 1) // 2] + self._walls_s[n // 2]) / 2


def tally_of(study: OpenStudy) -> Tally:
    """The tally of a study, as far as its journal was read."""
    state = study.state()
    return study.cached_for(state.finished, Tally).update(state)
