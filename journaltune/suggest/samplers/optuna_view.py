"""A history as an Optuna storage: finished trials are built once for each process, and a sampler's writes are buffered.

A trial's id is its number here. Categories are passed by index: Optuna takes 1, 1.0 and True for one value.
"""

from __future__ import annotations

import copy
from math import copysign

from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution, json_to_distribution
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.study._frozen import FrozenStudy
from optuna.trial import FrozenTrial, TrialState

from journaltune.base.checks import storable
from journaltune.base.constraints import as_attrs, constraints_in, is_constraint
from journaltune.base.errors import JournaltuneError
from journaltune.space import Distribution, agrees
from journaltune.suggest.history import STUDY_ATTRS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Container, Iterable, Mapping, Sequence
    from typing import Any, NoReturn

    from journaltune.journal.state import Shape
    from journaltune.suggest.history import Asked, History

# Which trials a sampler may see: the complete ones; these, and all others with the worst values imputed; or no trial, for
# samplers that would not look at any.
COMPLETE, IMPUTED, NONE = "complete", "imputed", "none"
_HUGE = 1e100
_WITHIN_AN_ASK = ":relative_params:"  # tells other processes the parameters before they are set, which happens in one record here


class TrialsView:
    """The trials of a history as Optuna's, for one space. Finished trials stay built from ask to ask.

    A parameter is visible where its value lies inside the present bounds, and has the present distribution then. A trial that
    lacks a parameter is visible with ``partial`` only: joint samplers would infer a conditional space from it. One in which
    another parameter varied too, as it was searched then, is visible unless ``exact``. Values beyond 1e100 become ``huge``, if
    given: samplers that calculate with differences of values overflow at the largest doubles.

    ``optional`` are columns that a condition may leave out, which no trial lacks.
    """

    def __init__(
        self,
        space: Mapping[str, Distribution],
        visible: str,
        partial: bool,
        huge: float | None,
        exact: bool = False,
        optional: Collection[str] = (),
    ) -> None:
        self.space = space
        self.native = {name: to_optuna(distribution) for name, distribution in space.items()}
        self._visible, self._partial, self._huge, self._exact = visible, partial, huge, exact
        self._wanted = [name for name in space if name not in optional]
        self._n_read = 0
        self._finished: list[FrozenTrial] = []
        self._columns: dict[Shape, list[tuple[int, str, Distribution]] | None] = {}

    def serves(self, space: Mapping[str, Distribution], history: History) -> bool:
        return self.space is space and self._n_read <= history.n_finished()

    def trials(self, history: History, n_startup: int) -> list[FrozenTrial]:
        """The visible trials, in the order of finishing. Nothing is imputed before there are ``n_startup`` results."""
        if self._visible != NONE:
            self._read_complete(history)
        return self._finished + (self._imputed(history, n_startup) if self._visible == IMPUTED else [])

    def _read_complete(self, history: History) -> None:
        for number, shape, params, values, attrs in history.complete(self._n_read):
            trial = self._trial(number, shape, params, TrialState.COMPLETE, values, attrs)
            if trial is not None:
                self._finished.append(trial)
        self._n_read = history.n_finished()

    def _imputed(self, history: History, n_startup: int) -> list[FrozenTrial]:
        worst = history.worst() if history.n_observed() >= n_startup else None
        imputed = history.imputed() if worst is not None else []
        attrs = as_attrs(history.worst_constraints()) if imputed else {}
        return self._built(imputed, TrialState.COMPLETE, worst, attrs)

    def _built(self, rows: Iterable[Asked], state: TrialState, *result: Any) -> list[FrozenTrial]:
        trials = [self._trial(*row, state, *result) for row in rows]
        return [trial for trial in trials if trial is not None]

    def _trial(
        self,
        number: int,
        shape: Shape,
        params: Sequence[float],
        state: TrialState,
        values: Sequence[float] | None = None,
        attrs: Mapping[str, Any] | None = None,
    ) -> FrozenTrial | None:
        if shape not in self._columns:
            self._columns[shape] = None if self._exact and self._varied_more(shape) else self._columns_of(shape)
        columns = self._columns[shape]
        if columns is None:
            return None
        external: dict[str, Any] = {}
        for index, name, now in columns:
            value = params[index]
            if now.contains(value):
                external[name] = value if now.kind == "float" else int(value)
        whole = len(external) == len(self.native)
        if not whole and not self._partial and not all(name in external for name in self._wanted):
            return None
        native = self.native if whole else {name: self.native[name] for name in external}
        if values is not None and self._huge is not None:
            values = [copysign(self._huge, value) if abs(value) > _HUGE else value for value in values]
        visible = _visible_attrs(attrs) if attrs else {}
        return FrozenTrial(number, state, None, None, None, external, native, {}, visible, {}, number, values=values)

    def _columns_of(self, shape: Shape) -> list[tuple[int, str, Distribution]]:
        """Each parameter of the space, in the space's order, with its place among a shape's numbers.

        A column of another kind or with other categories than the present ones tells a sampler nothing, and is left out.
        """
        places = {name: index for index, (name, text) in enumerate(shape) if self._compatible(name, text)}
        return [(places[name], name, now) for name, now in self.space.items() if name in places]

    def _varied_more(self, shape: Shape) -> bool:
        return any(name not in self.space and not Distribution.from_json(text).single for name, text in shape)

    def _compatible(self, name: str, text: str) -> bool:
        now = self.space.get(name)
        return now is not None and agrees(now, Distribution.from_json(text))


def to_optuna(distribution: Distribution) -> BaseDistribution:
    if distribution.kind == "categorical":
        return CategoricalDistribution(range(len(distribution.choices)))
    if distribution.choices:
        return IntDistribution(0, len(distribution.choices) - 1)
    return json_to_distribution(distribution.to_json())


def _visible_attrs(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Constraints come last, sorted by name: some samplers count them. Pickled optimizers are left out, whoever wrote them."""
    rest = {
        key: value for key, value in attrs.items() if key != STUDY_ATTRS and not is_constraint(key) and ":optimizer:" not in key
    }
    return rest | as_attrs(constraints_in(attrs))


class HistoryStorage(BaseStorage):
    """One study, read-only but for attributes: what a sampler sets on the study or on the asked trial is collected."""

    def __init__(
        self,
        directions: Sequence[int],
        number: int,
        trials: Callable[[], list[FrozenTrial]],
        study_attrs: Callable[[], dict[str, Any]],
    ) -> None:
        self.asked = FrozenTrial(number, TrialState.RUNNING, None, None, None, {}, {}, {}, {}, {}, number)
        self._directions = [StudyDirection(direction) for direction in directions]
        self._load_trials, self._load_study_attrs = trials, study_attrs
        self._trials: list[FrozenTrial] | None = None
        self._study_attrs: dict[str, Any] | None = None
        self._written: dict[str, Any] = {}

    def attrs(self, place: Callable[[], int]) -> dict[str, Any]:
        """Everything that the sampler set, as attributes of the asked trial. JournaltuneError for values that can't be stored."""
        attrs = {key: value for key, value in self.asked.system_attrs.items() if _WITHIN_AN_ASK not in key}
        if self._written:
            attrs[STUDY_ATTRS] = {"place": place(), "attrs": self._written}
        return {key: storable(_plain(value), f"the sampler's attribute {key!r}") for key, value in attrs.items()}

    def amend(self, change: Callable[[list[FrozenTrial], dict[str, Any]], tuple[list[FrozenTrial], dict[str, Any]]]) -> None:
        """Replace the history's trials and study attributes by changed ones."""
        self._trials, self._study_attrs = change(self.get_all_trials(0, deepcopy=False), self.get_study_system_attrs(0))

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        if self._trials is None:
            self._trials = [*self._load_trials(), self.asked]
        trials = [trial for trial in self._trials if states is None or trial.state in states]
        return copy.deepcopy(trials) if deepcopy else trials

    def get_trial(self, trial_id: int) -> FrozenTrial:
        for trial in reversed(self.get_all_trials(0, deepcopy=False)):
            if trial.number == trial_id:
                return trial
        raise KeyError(f"the sampler sees no trial {trial_id}")

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        if self._study_attrs is None:
            self._study_attrs = self._load_study_attrs()
        return {**self._study_attrs, **self._written}

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        self._written[key] = value

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        if trial_id != self.asked.number:
            self._refuse("changes an attribute of another trial")
        self.asked.system_attrs[key] = value

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        return self._directions

    def get_study_id_from_name(self, study_name: str) -> int:
        return 0

    def get_study_name_from_id(self, study_id: int) -> str:
        return "history"

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        return {}

    def get_all_studies(self) -> list[FrozenStudy]:
        return [FrozenStudy("history", None, {}, self.get_study_system_attrs(0), 0, directions=self._directions)]

    def _refuse(self, what: str) -> NoReturn:
        raise JournaltuneError(f"the sampler {what}, which no suggestion may do; take another sampler")

    def create_new_study(self, directions: Sequence[StudyDirection], study_name: str | None = None) -> int:
        self._refuse("creates a study")

    def delete_study(self, study_id: int) -> None:
        self._refuse("deletes the study")

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        self._refuse("sets a user attribute of the study")

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        self._refuse("creates a trial")

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: BaseDistribution
    ) -> None:
        self._refuse("sets a parameter of a trial")

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        self._refuse("finishes a trial")

    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        self._refuse("reports a value")

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        self._refuse("sets a user attribute of a trial")


def _plain(value: Any) -> Any:
    """Numpy's numbers and arrays as Python's."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
