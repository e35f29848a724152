"""A study as a deterministic parallel search may see it: trial k knows the results of trials up to k - lag, and no others.

When a trial finishes depends on the machine. So results count in the order of their trials' numbers, and those of the last
``lag - 1`` trials don't count yet: these trials are pending, finished or not.
"""

from __future__ import annotations

from journaltune.base import RUNNING
from journaltune.base.constraints import is_constraint
from journaltune.journal.state import LiveTrial, StudyState

TYPE_CHECKING = False
if TYPE_CHECKING:
    from journaltune.journal.state import Finished
    from journaltune.study import OpenStudy


def awaited(state: StudyState, number: int, lag: int) -> int | None:
    """The first trial that must finish before trial ``number`` can be asked for; None when it can be now."""
    running = [trial.number for trial in state.live.values() if trial.state == RUNNING and trial.number <= number - lag]
    return min(running, default=None)


class Lagged:
    """Makes such views of one study; cheap when each is for a later trial than the one before."""

    __slots__ = ("_n_known", "_view", "_waiting")

    def __init__(self, _: OpenStudy) -> None:
        self._view: StudyState | None = None
        self._n_known = 0
        self._waiting: list[int] = []  # trials among the known ones that were enqueued and not asked for yet

    def view(self, state: StudyState, number: int, lag: int) -> StudyState:
        """``state`` as trial ``number`` sees it. All trials up to ``number - lag`` must have finished, or still wait."""
        n_known = max(number - lag + 1, 0)
        view = self._view
        # Results must be in trial order; a late one, of a trial that waited, forces a rebuild.
        if view is None or self._n_known > n_known or any(waited not in state.live for waited in self._waiting):
            view, self._n_known, self._waiting = StudyState(state.study_id, state.name, state.directions), 0, []
            self._view = view
        for known in range(self._n_known, n_known):
            if known in state.live:
                self._waiting.append(known)
            else:
                _take(view.finished, state.finished, state.finished.row_of(known))
        self._n_known, view.n_trials = n_known, number
        view.config, view.system_attrs, view.user_attrs = state.config, state.system_attrs, state.user_attrs
        unknown = *self._waiting, *range(n_known, number)
        view.live = {each: _as_asked(view, state, each) for each in unknown}
        return view


def _take(view: Finished, other: Finished, row: int) -> None:
    """Append a row of another one with as many objectives."""
    (shape, params, _), number = other.parameters(row), other.column("numbers")[row]
    code, began, ended = (other.column(name)[row] for name in ("codes", "began", "ended"))
    view.append([number], [code], [view.id_of(shape)], params, other.packed_values(row), [began], [ended])
    if number in other.extras:
        view.note_extras(number, other.extras[number])


def _as_asked(view: StudyState, state: StudyState, number: int) -> LiveTrial:
    """A trial as it was when it was asked for."""
    live = state.live.get(number)
    asked = LiveTrial(view, number if live is None else live.trial_id, number)
    if live is not None:
        asked.state, asked.params, asked.distributions, asked.odd = live.state, live.params, live.distributions, live.odd
        attrs = live.system_attrs
    else:
        row = state.finished.row_of(number)
        shape, params, asked.odd = state.finished.parameters(row)
        asked.distributions = dict(shape)
        asked.params = dict(zip(asked.distributions, params, strict=True))
        attrs = state.finished.extras.get(number, {}).get("system_attrs", {})
    asked.system_attrs = {key: value for key, value in attrs.items() if not is_constraint(key)}
    return asked
