"""An Optuna storage on a journal, with this package's lock, mending, snapshot and checksums."""

from __future__ import annotations

import os
import uuid
from contextlib import contextmanager
from datetime import UTC

import optuna
from optuna.distributions import (
    CategoricalDistribution,
    check_distribution_compatibility,
    distribution_to_json,
    json_to_distribution,
)
from optuna.exceptions import DuplicatedStudyError, UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.storages._base import DEFAULT_STUDY_NAME_PREFIX
from optuna.study._frozen import FrozenStudy
from optuna.study._study_direction import StudyDirection
from optuna.trial import TrialState

from journaltune.base.errors import JournaltuneError
from journaltune.journal import records
from journaltune.journal.exact import with_attrs
from journaltune.journal.journal import Journal
from journaltune.journal.lock import Turn
from journaltune.journal.place import place_of, require_here
from journaltune.optuna_bridge.attributes import intermediate_of, step_of, values_of
from journaltune.optuna_bridge.views import StudyView, copy_of
from journaltune.study.trials import copied

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Sequence
    from datetime import datetime
    from typing import Any

    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

    from journaltune.journal.place import Place
    from journaltune.journal.state import JournalState, LiveTrial, StudyState

_FIRST_CHECK, _LIVED_CHECK_EVERY = 64, 4096  # calls after which a new snapshot may be due
_logger = optuna.logging.get_logger("optuna.storages.journaltune")


class _Refusal(JournaltuneError):
    """Carries an exception of Optuna's out of the turn, which would take any other exception for a write left half done."""

    def __init__(self, verdict: Exception) -> None:
        super().__init__(verdict)
        self.verdict = verdict


class JournaltuneStorage(BaseStorage):
    """See ``journaltune.storage``. Safe for several threads; a forked child and an unpickled copy open the file anew."""

    def __init__(self, path: str, *, create: bool = True, lock_timeout_s: float = 60.0, allow_network_fs: bool = False) -> None:
        self._journal = Journal(
            path,
            create=create and not os.path.exists(path),
            lock_timeout_s=lock_timeout_s,
            allow_network_fs=allow_network_fs,
        )
        self._turn = Turn(self)
        self._views: dict[int, StudyView] = {}
        self._n_calls = 0

    def __reduce__(self) -> tuple[Any, ...]:
        journal = self._journal
        return _reopened, (place_of(journal), journal.lock_timeout_s, journal.allow_network_fs)

    def __repr__(self) -> str:
        return f"journaltune.storage({self._journal.path!r})"

    def break_off(self) -> None:
        """Forget any state that an exception may have left half done: the next call reads the journal again."""
        self._views = {}
        self._journal.break_off()

    def remove_session(self) -> None:
        """Leave a snapshot behind when one is due and close the file; any later call opens it again."""
        with self._turn.lock, self._turn:
            self._journal.save_snapshot_when_due()
            self._journal.close()

    @contextmanager
    def _reading(self) -> Iterator[JournalState]:
        try:
            with self._turn.lock, self._turn:
                self._journal.sync()
                yield self._journal.state
                self._leave_snapshot_at_times()
        except _Refusal as refusal:
            raise refusal.verdict from None

    @contextmanager
    def _writing(self, *, durable: bool) -> Iterator[JournalState]:
        """Holds the journal's lock. With ``durable`` the write is on disk at the end, and so is everything written before."""
        try:
            with self._turn.lock, self._turn:
                self._journal.sync()  # so that less is left to read while others wait for the lock
                with self._journal.locked():
                    yield self._journal.state
                if durable:
                    self._journal.flush()
                self._leave_snapshot_at_times()
        except _Refusal as refusal:
            raise refusal.verdict from None

    def _leave_snapshot_at_times(self) -> None:
        """Not when the journal is opened: its user waits for the first answer then."""
        self._n_calls += 1
        if self._n_calls == _FIRST_CHECK or self._n_calls % _LIVED_CHECK_EVERY == 0:
            self._journal.save_snapshot_when_due(lived=self._n_calls > _FIRST_CHECK)

    def _append(self, record: dict[str, Any]) -> Any:
        """The effect of a record; false if it had none, because a program without our lock was faster."""
        (effect,) = self._journal.append([record])
        return effect

    def _view(self, study: StudyState) -> StudyView:
        view = self._views.get(study.study_id)
        if view is None or view.study is not study:
            view = self._views[study.study_id] = StudyView(study)
        return view

    def create_new_study(self, directions: Sequence[StudyDirection], study_name: str | None = None) -> int:
        name = DEFAULT_STUDY_NAME_PREFIX + str(uuid.uuid4()) if study_name is None else study_name
        record = records.create_study(name, [int(direction) for direction in directions], None)
        with self._writing(durable=True) as state:
            if state.study_named(name) is not None or not self._append(record):
                raise _Refusal(DuplicatedStudyError(f"Another study with name '{name}' already exists."))
            study = state.study_named(name)
            assert study is not None
        _logger.info(f"A new study created in Journal with name: {name}")
        return study.study_id

    def delete_study(self, study_id: int) -> None:
        with self._writing(durable=True) as state:
            _study(state, study_id)
            self._append(records.study_record(records.DELETE_STUDY, study_id))
            self._views.pop(study_id, None)

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        self._set_study_attr(records.study_record(records.SET_STUDY_USER_ATTR, study_id), {"user_attr": {key: value}})

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        self._set_study_attr(records.study_record(records.SET_STUDY_SYSTEM_ATTR, study_id), {"system_attr": {key: value}})

    def _set_study_attr(self, record: dict[str, Any], fields: dict[str, Any]) -> None:
        record = with_attrs(record, fields)
        with self._writing(durable=True) as state:
            _study(state, record["study_id"])
            if not self._append(record):
                _study(state, record["study_id"])

    def get_study_id_from_name(self, study_name: str) -> int:
        with self._reading() as state:
            study = state.study_named(study_name)
            if study is None:
                raise _Refusal(KeyError(f"There is no study named {study_name!r}."))
            return study.study_id

    def get_study_name_from_id(self, study_id: int) -> str:
        with self._reading() as state:
            return _study(state, study_id).name

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        with self._reading() as state:
            return [StudyDirection(direction) for direction in _study(state, study_id).directions]

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        with self._reading() as state:
            return dict(copied(_study(state, study_id).user_attrs))

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        with self._reading() as state:
            return dict(copied(_study(state, study_id).system_attrs))

    def get_all_studies(self) -> list[FrozenStudy]:
        with self._reading() as state:
            return [
                FrozenStudy(
                    study_name=study.name,
                    direction=None,
                    user_attrs=copied(study.user_attrs),
                    system_attrs=copied(study.system_attrs),
                    study_id=study.study_id,
                    directions=[StudyDirection(direction) for direction in study.directions],
                )
                for study in state.studies.values()
            ]

    def config_of(self, study_id: int) -> dict[str, Any] | None:
        """The settings of a study of ours; None for another program's."""
        with self._reading() as state:
            config = _study(state, study_id).config
            return None if config is None else dict(copied(config))

    def add_trials(self, study_id: int, templates: Sequence[FrozenTrial]) -> None:
        """Add whole trials by one write, which is on disk when this returns."""
        made = [_record_of(template, study_id) for template in templates]
        with self._writing(durable=True) as state:
            _study(state, study_id)
            if not all(self._journal.append(made)):
                raise _Refusal(KeyError(f"Study {study_id} was deleted."))

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        running = TrialState.RUNNING
        if template_trial is None:
            record = records.create_trial(study_id, {}, {}, running)
        else:
            record = _record_of(template_trial, study_id)
        with self._writing(durable=record["state"] != running) as state:
            _study(state, study_id)
            trial = self._append(record)
            if not trial:
                raise _Refusal(KeyError(f"Study {study_id} was deleted."))
            return int(trial.trial_id)

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: BaseDistribution
    ) -> None:
        value, text = float(param_value_internal), distribution_to_json(distribution)
        if value != value or (isinstance(distribution, CategoricalDistribution) and not 0 <= value < len(distribution.choices)):
            raise ValueError(f"{param_value_internal!r} stands for no value of parameter {param_name!r}.")
        record = records.trial_record(
            records.SET_TRIAL_PARAM, trial_id, param_name=param_name, param_value_internal=value, distribution=text
        )
        with self._writing(durable=False) as state:
            _check_compatible(_updatable(state, trial_id), param_name, text)
            if not self._append(record):
                _check_compatible(_updatable(state, trial_id), param_name, text)

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        floats = values_of(values)
        with self._writing(durable=state.is_finished()) as journal_state:
            trial = _updatable(journal_state, trial_id)
            if state == TrialState.RUNNING and trial.state == TrialState.RUNNING:
                return False  # taken by another worker, or running already
            if state == TrialState.COMPLETE and floats is None and trial.values is None:
                raise _Refusal(ValueError(f"Trial {trial.number} can't be complete without a value."))
            effect = self._append(_state_record(trial_id, state, floats))
            if not effect and state != TrialState.RUNNING:
                _updatable(journal_state, trial_id)
        return bool(effect)

    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        step, value = step_of(step), float(intermediate_value)
        if value == value:
            self._update(records.trial_record(records.SET_TRIAL_INTERMEDIATE, trial_id, step=step, intermediate_value=value))
            return
        # No spelling of NaN there suits every reader: Rustuna fails at Python's, and Optuna reads Rustuna's as text.
        record = records.trial_record(records.SET_TRIAL_SYSTEM_ATTR, trial_id, system_attr={records.NAN_STEP_ATTR: step})
        self._update({**record, "jt": {"nan_step": step}})

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        self._update(with_attrs(records.trial_record(records.SET_TRIAL_USER_ATTR, trial_id), {"user_attr": {key: value}}))

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        self._update(with_attrs(records.trial_record(records.SET_TRIAL_SYSTEM_ATTR, trial_id), {"system_attr": {key: value}}))

    def _update(self, record: dict[str, Any]) -> None:
        """Change a running trial. This needs no fsync: the trial is no result before its end, whose fsync covers this."""
        with self._writing(durable=False) as state:
            _updatable(state, record["trial_id"])
            if not self._append(record):
                _updatable(state, record["trial_id"])

    def get_trial(self, trial_id: int) -> FrozenTrial:
        with self._reading() as state:
            trial = state.live.get(trial_id)
            if trial is not None:
                return self._view(trial.study).live(trial)
            study, number = _place(state, trial_id)
            return self._view(study).finished(number)

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        with self._reading() as state:
            trials = self._view(_study(state, study_id)).trials(states)
        return [copy_of(trial) for trial in trials] if deepcopy else trials

    def get_best_trial(self, study_id: int) -> FrozenTrial:
        with self._reading() as state:
            study = _study(state, study_id)
            best = self._view(study).best() if len(study.directions) == 1 else None
            n_directions = len(study.directions)
        if n_directions > 1:
            raise RuntimeError("Best trial can be obtained only for single-objective optimization.")
        if best is None:
            raise ValueError("No trials are completed yet.")
        return best

    def get_trial_id_from_study_id_trial_number(self, study_id: int, trial_number: int) -> int:
        with self._reading() as state:
            study = _study(state, study_id)
            if not 0 <= trial_number < study.n_trials:
                raise _Refusal(KeyError(f"No trial with {trial_number=} exists in study with {study_id=}."))
            return study.id_of(trial_number)

    def get_trial_number_from_id(self, trial_id: int) -> int:
        with self._reading() as state:
            return _place(state, trial_id)[1]


def _reopened(place: Place, lock_timeout_s: float, allow_network_fs: bool) -> JournaltuneStorage:
    require_here(place)
    return JournaltuneStorage(place.path, create=False, lock_timeout_s=lock_timeout_s, allow_network_fs=allow_network_fs)


def _study(state: JournalState, study_id: int) -> StudyState:
    study = state.studies.get(study_id)
    if study is None:
        raise _Refusal(KeyError(f"There is no study with id {study_id}."))
    return study


def _place(state: JournalState, trial_id: int) -> tuple[StudyState, int]:
    for study in state.studies.values():
        number = study.number_of(trial_id)
        if number is not None:
            return study, number
    raise _Refusal(KeyError(f"There is no trial with id {trial_id}."))


def _updatable(state: JournalState, trial_id: int) -> LiveTrial:
    trial = state.live.get(trial_id)
    if trial is None:
        number = _place(state, trial_id)[1]
        raise _Refusal(UpdateFinishedTrialError(f"Trial#{number} has already finished and can not be updated."))
    return trial


def _check_compatible(trial: LiveTrial, name: str, text: str) -> None:
    first = trial.study.first_distributions.get(name)
    if first is None or first[1] == text:
        return
    try:
        check_distribution_compatibility(json_to_distribution(first[1]), json_to_distribution(text))
    except ValueError as error:
        raise _Refusal(error) from None


def _state_record(trial_id: int, state: TrialState, values: list[float] | None) -> dict[str, Any]:
    if state.is_finished():
        return records.finish_trial(trial_id, state, values)
    started = {"datetime_start": records.now_iso()} if state == TrialState.RUNNING else {}
    return records.trial_record(records.SET_TRIAL_STATE_VALUES, trial_id, state=int(state), values=values, **started)


def _record_of(template: FrozenTrial, study_id: int) -> dict[str, Any]:
    """A whole trial in one record."""
    distributions = {name: distribution_to_json(kind) for name, kind in template.distributions.items()}
    params = {name: float(template.distributions[name].to_internal_repr(value)) for name, value in template.params.items()}
    if any(value != value for value in params.values()):
        raise ValueError("a parameter of the trial is NaN")
    record = records.create_trial(study_id, distributions, params, int(template.state))
    record["datetime_start"] = _iso(template.datetime_start)
    if template.datetime_complete is not None:
        record["datetime_complete"] = _iso(template.datetime_complete)
    values = values_of(template.values)
    if values is not None:
        record.update({"values": values} if len(values) > 1 else {"value": values[0]})
    record = with_attrs(
        record,
        {
            "user_attrs": template.user_attrs,
            "system_attrs": template.system_attrs,
            "intermediate_values": intermediate_of(template.intermediate_values),
        },
    )
    record["intermediate_values"] = {step: value for step, value in record["intermediate_values"].items() if value != "NaN"}
    return record


def stock_record_of(template: FrozenTrial, study_id: int) -> dict[str, Any]:
    """The same as stock Optuna writes it, for a backend of its own: with Python's word for NaN, and nothing of ours."""
    record = _record_of(template, study_id)
    record.pop("jt", None)
    attrs = {"user_attrs": template.user_attrs, "system_attrs": template.system_attrs}
    return {**record, **attrs, "intermediate_values": template.intermediate_values}


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="microseconds")
