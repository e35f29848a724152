"""The trial of an Optuna study that has another one's parameters: by an index that grows with the study."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from optuna.distributions import distribution_to_json
from optuna.trial import TrialState

from journaltune.journal.keys import Index, KeyMaker
from journaltune.journal.state import COMPLETE, STATE_MASK
from journaltune.optuna_bridge.backend import JournaltuneStorage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from optuna import Trial
    from optuna.distributions import BaseDistribution
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial


def newest_twin(trial: Trial) -> FrozenTrial | None:
    """The complete trial with the same parameters, distributions aside, that is the newest; None when there is none."""
    storage, study_id = trial.study._storage, trial.study._study_id
    by_study = _indexes.setdefault(storage, {})
    if study_id not in by_study:
        if isinstance(storage, JournaltuneStorage):
            by_study[study_id] = _OfOurs(storage, study_id)
        else:
            by_study[study_id] = _OfOthers(storage, study_id)
    number = by_study[study_id].newest(trial)
    if number is None:
        return None
    return storage.get_trial(storage.get_trial_id_from_study_id_trial_number(study_id, number))


class _OfOurs:
    """On the keys that the journal's own state holds."""

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
            return max((numbers[row] for row in rows if codes[row] & STATE_MASK == COMPLETE), default=None)


class _OfOthers:
    """On any other storage: each trial is read once when it has finished, and asked for again until it has."""

    def __init__(self, storage: BaseStorage, study_id: int) -> None:
        self._storage, self._study_id = storage, study_id
        self._maker = KeyMaker()
        self._texts: dict[BaseDistribution, str] = {}
        self._newest: dict[int, int] = {}
        self._unfinished: list[int] = []
        self._n_known = 0

    def newest(self, trial: Trial) -> int | None:
        storage, number = self._storage, trial.number
        candidates = [*self._unfinished, *range(self._n_known, number)]
        self._unfinished, self._n_known = [], max(self._n_known, number)
        for other in candidates:
            found = storage.get_trial(storage.get_trial_id_from_study_id_trial_number(self._study_id, other))
            if found.state == TrialState.COMPLETE:
                key = self._key(found)
                self._newest[key] = max(other, self._newest.get(key, other))
            elif not found.state.is_finished():
                self._unfinished.append(other)
        return self._newest.get(self._key(storage.get_trial(trial._trial_id)))

    def _key(self, trial: FrozenTrial) -> int:
        texts = {name: self._text(distribution) for name, distribution in trial.distributions.items()}
        internal = {name: trial.distributions[name].to_internal_repr(value) for name, value in trial.params.items()}
        return self._maker.key_of(internal, texts)

    def _text(self, distribution: BaseDistribution) -> str:
        found = self._texts.get(distribution)
        if found is None:
            found = self._texts[distribution] = distribution_to_json(distribution)
        return found


_indexes: WeakKeyDictionary[BaseStorage, dict[int, _OfOurs | _OfOthers]] = WeakKeyDictionary()
