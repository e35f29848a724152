"""A study as a deterministic parallel search may see it: trial k knows the results of trials up to k - lag, and no others.

When a trial finishes depends on the machine. So results count in the order of their trials' numbers, and those of the last
``lag - 1`` trials don't count yet: they are shown as running, finished or not.
"""

from __future__ import annotations

from journaltune.journal.state import RUNNING, LiveTrial, StudyState

TYPE_CHECKING = False
if TYPE_CHECKING:
    from journaltune.study.open_study import OpenStudy

_RESULTS = ("constraints:", "constraints")  # system attributes that came with a result


def awaited(state: StudyState, number: int, lag: int) -> int | None:
    """The first trial that has to finish before trial ``number`` can be asked for; None when it can be now."""
    running = [trial.number for trial in state.live.values() if trial.state == RUNNING and trial.number <= number - lag]
    return min(running, default=None)


class Lagged:
    """Makes such views of one study; cheap when each is for a later trial than the one before."""

    __slots__ = ("_left_out", "_n_known", "_view")

    def __init__(self, _: OpenStudy) -> None:
        self._view: StudyState | None = None
        self._n_known = 0
        self._left_out: list[int] = []

    def view(self, state: StudyState, number: int, lag: int) -> StudyState:
        """What trial ``number`` sees of ``state``, in which all trials up to ``number - lag`` have finished, or still wait."""
        n_known = max(number - lag + 1, 0)
        view = self._view
        # Results stand in the order of numbers: one that comes in between is not where it belongs behind those that are there.
        if view is None or self._n_known > n_known or any(waited not in state.live for waited in self._left_out):
            view, self._n_known, self._left_out = StudyState(state.study_id, state.name, state.directions), 0, []
            self._view = view
        for known in range(self._n_known, n_known):
            if known in state.live:
                self._left_out.append(known)
            else:
                view.finished.take(state.finished, state.finished.row_of(known))
        self._n_known = n_known
        view.n_trials, view.config, view.system_attrs, view.user_attrs = (
            number,
            state.config,
            state.system_attrs,
            state.user_attrs,
        )
        unknown = *self._left_out, *range(n_known, number)
        view.live = {known: _as_running(view, state, known) for known in unknown}
        return view


def _as_running(view: StudyState, state: StudyState, number: int) -> LiveTrial:
    """A trial as it was when it was asked for."""
    live = state.live.get(number)
    shown = LiveTrial(view, number if live is None else live.trial_id, number)
    if live is not None:
        shown.state, shown.params, shown.distributions, shown.odd = live.state, live.params, live.distributions, live.odd
        attrs = live.system_attrs
    else:
        row = state.finished.row_of(number)
        shape, params, shown.odd = state.finished.parameters(row)
        shown.distributions = dict(shape)
        shown.params = dict(zip(shown.distributions, params, strict=True))
        attrs = state.finished.extras.get(number, {}).get("system_attrs", {})
    shown.system_attrs = {key: value for key, value in attrs.items() if not key.startswith(_RESULTS)}
    return shown
