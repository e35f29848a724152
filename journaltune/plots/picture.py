"""A study as Optuna's plots read it: in memory, with parameters as they are handed out, and names that no renderer interprets."""

from __future__ import annotations

from contextlib import contextmanager
from copy import copy
from math import isfinite
from warnings import catch_warnings, simplefilter

import optuna
from optuna.trial import FrozenTrial, TrialState

from journaltune.base.constraints import as_attrs
from journaltune.base.frozen import Frozen
from journaltune.plots.axes import axes, columns
from journaltune.plots.sample import MOST, N_RECENT, loss_of, places_shown, sample
from journaltune.study.best import signs_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Sequence
    from datetime import datetime
    from typing import Any

    from optuna.distributions import BaseDistribution

    from journaltune.base.model import Trial
    from journaltune.plots.sample import Sample
    from journaltune.study import OpenStudy

    Spell = Callable[[str], str]

_MOST_LETTERS = 200


@contextmanager
def quiet() -> Iterator[None]:
    """Optuna says nothing of studies in memory, of what is experimental in it, and of trials that a plot leaves out."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with catch_warnings():
            simplefilter("ignore")
            yield
    finally:
        optuna.logging.set_verbosity(verbosity)


class Picture(Frozen):
    """One study, ready to be drawn. ``searched`` are the names of axes that a sampler chose, ``objectives`` the shown names."""

    trials: list[FrozenTrial]
    name: str
    directions: tuple[str, ...]
    objectives: list[str]
    axes: list[str]
    searched: list[str]
    sample: Sample

    def study(self, most: int, names: Sequence[str] | None = None) -> optuna.Study:
        """An Optuna study of about so many of the trials, with the parameters of these names."""
        shown = self.shown(most)
        return _in_memory(self, shown if names is None else [_but(trial, names=names) for trial in shown])

    def numbered(self, most: int) -> optuna.Study:
        """The same with trials numbered anew, without parameters: Optuna's history takes a trial's number for its place."""
        return _in_memory(self, [_but(trial, place, ()) for place, trial in enumerate(self.shown(most))])

    def shown(self, most: int) -> list[FrozenTrial]:
        """About so many of the trials: see ``places_shown``."""
        (sign, *_) = signs_of(self.directions)
        losses = [_loss(trial, sign) for trial in self.trials]
        best = set(self.sample.best)
        wanted = {place for place, trial in enumerate(self.trials) if trial.number in best}
        return [self.trials[place] for place in places_shown(losses, most, wanted)]

    def cut(self, place: int, limit: float, title: str) -> Picture:
        """The same with another name for one objective, where no finite value is worse than the limit."""
        held = max if self.directions[place] == "maximize" else min
        trials, objectives = list(self.trials), list(self.objectives)
        for at, trial in enumerate(trials):
            if trial.values and isfinite(trial.values[place]) and held(trial.values[place], limit) == limit:
                values = list(trial.values)
                values[place] = limit
                trials[at] = copy(trial)
                trials[at].values = values
        objectives[place] = title
        return self.but(trials=trials, objectives=objectives)

    def differs(self, name: str) -> bool:
        """Whether complete trials have more than one value of this parameter."""
        complete = (trial.params for trial in self.trials if trial.state == TrialState.COMPLETE)
        return len({repr(params[name]) for params in complete if name in params}) > 1

    def recent(self) -> optuna.Study:
        """An Optuna study of the last trials, all of them."""
        return _in_memory(self, self.trials[-N_RECENT:])


def picture(study: OpenStudy, spell: Spell, title: str | None = None, most: int = MOST) -> Picture:
    """Of about so many trials, and of the last ones, see `sample`. ``spell`` writes a name, a category or an attribute so that
    the renderer shows it as it stands."""
    chosen = sample(study, most)
    known = axes(study.space, chosen.trials)
    found = columns(known, chosen.trials)
    spelled = {name: spell(name) for name in found}
    params: dict[int, dict[str, Any]] = {trial.number: {} for trial in chosen.trials}
    spaces: dict[int, dict[str, BaseDistribution]] = {trial.number: {} for trial in chosen.trials}
    for name, (distribution, values) in found.items():
        distribution, values = _spelled(distribution, values, spell)
        for number, value in values.items():
            params[number][spelled[name]] = value
            spaces[number][spelled[name]] = distribution
    n = len(study.directions)
    names = [spell(name or (f"objective {i}" if n > 1 else "value")) for i, name in enumerate(study.objective_names)]
    searched = [spelled[axis.name] for axis in known if axis.is_searched and axis.name in found]
    trials = [
        _frozen(trial, params[trial.number], spaces[trial.number], 0 if trial.number in chosen.withdrawn else n, spell)
        for trial in chosen.trials
    ]
    return Picture(trials, spell(title or study.name), study.directions, names, list(spelled.values()), searched, chosen)


def _spelled(distribution: BaseDistribution, values: dict[int, Any], spell: Spell) -> tuple[BaseDistribution, dict[int, Any]]:
    if not isinstance(distribution, optuna.distributions.CategoricalDistribution):
        return distribution, values
    choices = [_text(choice, spell) for choice in distribution.choices]
    return optuna.distributions.CategoricalDistribution(choices), {number: _text(each, spell) for number, each in values.items()}


def _text(value: Any, spell: Spell) -> Any:
    return spell(value) if isinstance(value, str) else value


def _frozen(
    trial: Trial, params: dict[str, Any], spaces: dict[str, BaseDistribution], n_objectives: int, spell: Spell
) -> FrozenTrial:
    """``n_objectives``: 0 for a trial whose result was withdrawn. Without a result for each a complete trial is a failed one."""
    state, values = TrialState(int(trial.state)), trial.values
    if state == TrialState.COMPLETE and (values is None or len(values) != n_objectives):
        state, values = TrialState.FAIL, None
    return FrozenTrial(
        number=trial.number,
        trial_id=trial.number,
        state=state,
        value=None,
        values=values,
        datetime_start=_local(trial.datetime_start),
        datetime_complete=_local(trial.datetime_complete),
        params=params,
        distributions=spaces,
        user_attrs=_plain({**trial.user_attrs, **_peak(trial)}, spell),
        system_attrs=as_attrs(trial.constraints),
        intermediate_values=trial.intermediate_values,
    )


def _peak(trial: Trial) -> dict[str, Any]:
    peak = (trial.usage or {}).get("peak_bytes")
    return {} if peak is None else {"peak_MiB": round(peak / 2**20, 1)}


def _local(moment: datetime | None) -> datetime | None:
    """Local time without a zone, as Optuna keeps it."""
    return None if moment is None else moment.astimezone().replace(tzinfo=None)


def _plain(value: Any, spell: Spell) -> Any:
    if isinstance(value, dict):
        return {spell(str(key)): _plain(item, spell) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, spell) for item in value[:_MOST_LETTERS]]
    return spell(value[:_MOST_LETTERS]) if isinstance(value, str) else value


def _loss(trial: FrozenTrial, sign: float) -> float | None:
    is_feasible = all(value <= 0 for value in trial.constraints.values())
    return loss_of(trial.values if trial.state == TrialState.COMPLETE else None, is_feasible, sign)


def _but(trial: FrozenTrial, number: int | None = None, names: Sequence[str] = ()) -> FrozenTrial:
    """The same trial with another number, and with these of its parameters."""
    number = trial.number if number is None else number
    return FrozenTrial(
        number=number,
        trial_id=number,
        state=trial.state,
        value=None,
        values=trial.values,
        datetime_start=trial.datetime_start,
        datetime_complete=trial.datetime_complete,
        params={name: trial.params[name] for name in names if name in trial.params},
        distributions={name: trial.distributions[name] for name in names if name in trial.params},
        user_attrs=trial.user_attrs,
        system_attrs=trial.system_attrs,
        intermediate_values=trial.intermediate_values,
    )


class _Trials(optuna.storages.InMemoryStorage):
    """A storage whose one study has just these trials, with their numbers: Optuna would number them anew, and copy each."""

    def __init__(self, trials: list[FrozenTrial]) -> None:
        super().__init__()
        self._shown = trials

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        return [trial for trial in self._shown if states is None or trial.state in states]


def _in_memory(picture: Picture, trials: list[FrozenTrial]) -> optuna.Study:
    with quiet():
        directions = [optuna.study.StudyDirection[direction.upper()] for direction in picture.directions]
        return optuna.create_study(storage=_Trials(trials), study_name=picture.name, directions=directions)
