"""The newest trial of an Optuna study with given parameters, by an index that grows with the study."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from optuna.distributions import distribution_to_json
from optuna.trial import TrialState

from journaltune.base import COMPLETE
from journaltune.journal.keys import Index, KeyMaker
from journaltune.journal.state import HIDDEN, STATE_MASK
from journaltune.optuna_bridge.backend import JournaltuneStorage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from optuna import Trial
    from optuna.distributions import BaseDistribution
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial


def newest_twin(trial: Trial) -> FrozenTrial | None:
    """The newest complete trial with the same parameters, whatever its distributions; None when there is no such trial."""
    storage, study_id = trial.study._storage, trial.study._study_id
    by_study = _indexes.setdefault(storage, {})
    if study_id not in by_study:
        if isinstance(storage, JournaltuneStorage):
            by_study[study_id] = _JournalIndex(storage, study_id)
        else:
            by_study[study_id] = _StorageIndex(storage, study_id)
    number = by_study[study_id].newest(trial)
    if number is None:
        return None
    return storage.get_trial(storage.get_trial_id_from_study_id_trial_number(study_id, number))


class _JournalIndex:
    """Looks up the keys in the journal's own state."""

    def __init__(self, storage: JournaltuneStorage, study_id: int) -> None:
        self._storage, self._study_id = storage, study_id
        self._index: Index | None = None

    def newest(self, trial: Trial) -> int | None:
        with self._storage._reading() as state:
            finished, asked = state.studies[self._study_id].finished, state.live[trial._trial_id]
            if self._index is None or self._index.finished is not finished:
                self._index = Index(finished)
            codes, numbers = finished.column("codes"), finished.column("numbers")
            rows = self._index.equal_rows(asked.params, asked.distributions)
            return max((numbers[row] for row in rows if codes[row] & (STATE_MASK | HIDDEN) == COMPLETE), default=None)


class _StorageIndex:
    """For any other storage: reads each trial until it has finished, and then never again."""

    def __init__(self, storage: BaseStorage, study_id: int) -> None:
        self._storage, self._study_id = storage, study_id
        self._maker = KeyMaker()
        self._texts: dict[BaseDistribution, str] = {}
        self._newest: dict[int, int] = {}
        self._unfinished: list[int] = []
        self._n_known = 0

    def newest(self, trial: Trial) -> int | None:
        storage = self._storage
        numbers = [*self._unfinished, *range(self._n_known, trial.number)]
        self._unfinished, self._n_known = [], max(self._n_known, trial.number)
        for number in numbers:
            other = storage.get_trial(storage.get_trial_id_from_study_id_trial_number(self._study_id, number))
            if other.state == TrialState.COMPLETE:
                key = self._key(other)
                self._newest[key] = max(number, self._newest.get(key, number))
            elif not other.state.is_finished():
                self._unfinished.append(number)
        return self._newest.get(self._key(storage.get_trial(trial._trial_id)))

    def _key(self, trial: FrozenTrial) -> int:
        texts = {name: self._text(distribution) for name, distribution in trial.distributions.items()}
        internal = {name: trial.distributions[name].to_internal_repr(value) for name, value in trial.params.items()}
        return self._maker.key_of(internal, texts)

    def _text(self, distribution: BaseDistribution) -> str:
        text = self._texts.get(distribution)
        if text is None:
            text = self._texts[distribution] = distribution_to_json(distribution)
        return text


_indexes: WeakKeyDictionary[BaseStorage, dict[int, _JournalIndex | _StorageIndex]] = WeakKeyDictionary()
