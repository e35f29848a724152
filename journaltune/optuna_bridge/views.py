"""Optuna's ``FrozenTrial`` of each trial in a replayed study; that of a finished trial is built once."""

from __future__ import annotations

import gc
from datetime import datetime
from math import isnan
from operator import is_

from optuna.distributions import FloatDistribution, json_to_distribution
from optuna.trial import FrozenTrial, TrialState

from journaltune.base import COMPLETE
from journaltune.base.constraints import with_numbers
from journaltune.journal.state import HAS_EXTRAS, NO_TIME, STATE_MASK
from journaltune.study.trials import copied

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Mapping
    from typing import Any

    from optuna.distributions import BaseDistribution

    from journaltune.journal.state import LiveTrial, Shape, StudyState

_STATES = {int(state): state for state in TrialState}
_FINISHED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


class StudyView:
    """The trials of one study for Optuna. The trials that it returns are shared: a caller that changes one needs ``copy_of``."""

    __slots__ = ("_best", "_decoders", "_finished", "_live", "_n_built", "_n_judged", "study")

    def __init__(self, study: StudyState) -> None:
        self.study = study
        self._finished: list[FrozenTrial | None] = []  # by number
        self._n_built = 0  # so many rows are built
        self._live: dict[int, tuple[tuple[Any, ...], dict[int, float], FrozenTrial]] = {}
        self._decoders: dict[int, _Decoder] = {}
        self._best: tuple[float, int] | None = None
        self._n_judged = 0

    def trials(self, states: Container[TrialState] | None = None) -> list[FrozenTrial]:
        """Every trial by number, or those in one of ``states``; quick where ``states`` has no finished one."""
        if states is not None and not any(state in states for state in _FINISHED):
            return [trial for trial in self._live_trials() if trial.state in states]
        collecting = gc.isenabled()
        gc.disable()  # half of the time would go into looking for garbage among many new objects
        try:
            self._build_rows()
        finally:
            if collecting:
                gc.enable()
        trials = self._finished.copy()
        for trial in self._live_trials():
            trials[trial.number] = trial
        return [trial for trial in trials if trial is not None and (states is None or trial.state in states)]

    def finished(self, number: int) -> FrozenTrial:
        """One finished trial. KeyError when it has not finished."""
        self._make_room()
        trial = self._finished[number]
        if trial is None:
            row, column = self.study.finished.row_of(number), self.study.finished.column
            fields = (column(name)[row] for name in ("codes", "shapes", "began", "ended"))
            trial = self._finished[number] = self._build(row, number, *fields)
        return trial

    def best(self) -> FrozenTrial | None:
        """The best complete trial of a study with one objective, the earliest of equals; None before the first."""
        finished = self.study.finished
        codes, numbers, sign = finished.column("codes"), finished.column("numbers"), -1 if self.study.directions == [2] else 1
        for row in range(self._n_judged, len(codes)):
            values = finished.row_values(row) if codes[row] & STATE_MASK == COMPLETE else None
            if values and not isnan(values[0]):
                judged = (sign * values[0], numbers[row])
                self._best = judged if self._best is None else min(self._best, judged)
        self._n_judged = len(codes)
        return None if self._best is None else self.finished(self._best[1])

    def live(self, trial: LiveTrial) -> FrozenTrial:
        """A new copy of an unfinished trial: Optuna writes into the trials that it passes to objectives."""
        distributions = {name: json_to_distribution(text) for name, text in trial.distributions.items()}
        params = {name: distributions[name].to_external_repr(value) for name, value in trial.params.items()}
        return FrozenTrial(
            number=trial.number,
            trial_id=trial.trial_id,
            state=TrialState(trial.state),
            value=None,
            values=trial.values,
            datetime_start=_local(trial.began),
            datetime_complete=_local(trial.ended),
            params=params,
            distributions=distributions,
            user_attrs=copied(trial.user_attrs),
            system_attrs=with_numbers(copied(trial.system_attrs)),
            intermediate_values=dict(trial.intermediate),
        )

    def _make_room(self) -> None:
        self._finished.extend([None] * (self.study.n_trials - len(self._finished)))

    def _build_rows(self) -> None:
        self._make_room()
        finished, first = self.study.finished, self._n_built
        columns = [finished.column(name)[first:] for name in ("numbers", "codes", "shapes", "began", "ended")]
        for row, fields in enumerate(zip(*columns, strict=True), first):
            if self._finished[fields[0]] is None:
                self._finished[fields[0]] = self._build(row, *fields)
        self._n_built = first + len(columns[0])

    def _build(self, row: int, number: int, code: int, shape: int, began: int, ended: int) -> FrozenTrial:
        finished = self.study.finished
        extras: Mapping[str, Any] = finished.extras.get(number, {}) if code & HAS_EXTRAS else {}
        decoder = self._decoders.get(shape)
        if decoder is None:
            decoder = self._decoders[shape] = _Decoder(finished.shape_list[shape])
        start = finished.start_of(row)
        return FrozenTrial(
            number=number,
            trial_id=self.study.id_of(number),
            state=_STATES[code & STATE_MASK],
            value=None,
            values=finished.row_values(row),
            datetime_start=_local(began),
            datetime_complete=_local(ended),
            params=decoder.params(finished.column("params")[start : start + decoder.width].tolist()),
            distributions=decoder.with_valueless(extras.get("distributions")),
            user_attrs=dict(extras.get("user_attrs", ())),
            system_attrs=with_numbers(extras.get("system_attrs", {})),
            intermediate_values=dict(extras.get("intermediate", ())),
        )

    def _live_trials(self) -> Iterable[FrozenTrial]:
        """The unfinished trials by number; one that did not change since the last call is the same object."""
        before, self._live = self._live, {}
        for number, trial in self.study.live.items():
            looks, known = _looks(trial), before.get(number)
            if known is None or not all(map(is_, looks, known[0])) or trial.intermediate != known[1]:
                known = (looks, dict(trial.intermediate), self.live(trial))
            self._live[number] = known
        return [known[2] for known in self._live.values()]


class _Decoder:
    """External parameters for all trials of one shape, which share the objects of their distributions."""

    __slots__ = ("_distributions", "_names", "_to_external", "width")

    def __init__(self, shape: Shape) -> None:
        self._names = [name for name, _ in shape]
        self.width = len(shape)
        self._distributions = {name: json_to_distribution(text) for name, text in shape}
        same = all(isinstance(distribution, FloatDistribution) for distribution in self._distributions.values())
        self._to_external: list[Callable[[float], Any]] | None = (
            None if same else [distribution.to_external_repr for distribution in self._distributions.values()]
        )

    def params(self, internal: list[float]) -> dict[str, Any]:
        if self._to_external is None:
            return dict(zip(self._names, internal, strict=True))
        external = [convert(value) for convert, value in zip(self._to_external, internal, strict=True)]
        return dict(zip(self._names, external, strict=True))

    def with_valueless(self, texts: Mapping[str, str] | None) -> dict[str, BaseDistribution]:
        """The distributions, with those of parameters without values."""
        if not texts:
            return self._distributions
        return {**self._distributions, **{name: json_to_distribution(text) for name, text in texts.items()}}


def _looks(trial: LiveTrial) -> tuple[Any, ...]:
    """The fields that are replaced when they change. Intermediate values are not among them: they are added in place."""
    return trial.state, trial.params, trial.distributions, trial.user_attrs, trial.system_attrs, trial.values, trial.began


def _local(microseconds: int) -> datetime | None:
    """Local time without a zone, as Optuna keeps it."""
    if microseconds == NO_TIME:
        return None
    seconds, rest = divmod(microseconds, 1_000_000)
    return datetime.fromtimestamp(seconds).replace(microsecond=rest, fold=0)


def copy_of(trial: FrozenTrial) -> FrozenTrial:
    """A trial that its caller may change. Distributions stay shared: they are never changed."""
    return FrozenTrial(
        number=trial.number,
        trial_id=trial._trial_id,
        state=trial.state,
        value=None,
        values=trial.values,
        datetime_start=trial.datetime_start,
        datetime_complete=trial.datetime_complete,
        params=copied(trial.params),
        distributions=dict(trial.distributions),
        user_attrs=copied(trial.user_attrs),
        system_attrs=copied(trial.system_attrs),
        intermediate_values=dict(trial.intermediate_values),
    )
