"""A replayed journal as records again, as few as can be: a trial is one where Optuna can express it so."""

from __future__ import annotations

import json

from journaltune.base.codes import RUNNING
from journaltune.base.jsontext import dumps
from journaltune.journal import file as files
from journaltune.journal import records
from journaltune.journal.fold import Fold
from journaltune.journal.state import NO_TIME, STATE_MASK, JournalState, LiveTrial, to_moment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from journaltune.journal.state import StudyState

_OF_THE_OLD_FILE = ("at", "from", "saw", "id", "exact", "requests")
_OTHER = "compacted"  # not our name: replay leaves our asks undecoded, and takes their parameters for complete
_EXACT = {"user_attrs": "user_attrs", "system_attrs": "system_attrs", "intermediate": "intermediate_values"}


class Original:
    """A journal as it is read up to ``size_bytes``: by us, and by other programs (``plain``)."""

    __slots__ = ("discards", "plain", "size_bytes", "spells_nan", "state")

    def __init__(self, path: str, fd: int, end: int) -> None:
        reader = _Reader()
        self.state, self.size_bytes = reader.replay(path, fd, end)
        # Rustuna can't read a NaN, and writes the word for it. Where others wrote one, Rustuna can't read the journal anyway.
        self.spells_nan = not reader.has_nan
        self.discards = reader.discards
        self.plain = self.state
        if reader.has_exact:
            self.plain, _ = _Reader(plain=True).replay(path, fd, end)

    def records(self) -> Iterator[dict[str, Any]]:
        """Ids count the records that create studies and trials, so each deleted study and each of its trials gets one too."""
        deleted = [study_id for study_id in range(self.state.n_studies) if study_id not in self.state.studies]
        for study_id in range(self.state.n_studies):
            if study_id in deleted:
                yield records.create_study(self._unused_name(study_id), [1], None)
            else:
                yield from _study(self.state.studies[study_id], self.plain.studies[study_id])
        studies = {study_id: _Trials(self, study_id) for study_id in self.state.studies}
        for owner in _owners(self.state):
            if owner is None:
                yield {
                    "op_code": records.CREATE_TRIAL,
                    "worker_id": "",
                    "study_id": deleted[0],
                    "datetime_start": None,
                    "state": 3,
                }
            else:
                yield from studies[owner].create_next()
        for study in studies.values():
            yield from study.finish_all()
        for study_id in deleted:
            yield records.study_record(records.DELETE_STUDY, study_id)
        yield from self.discards

    def _unused_name(self, study_id: int) -> str:
        name = f"deleted-{study_id}"
        while self.state.study_named(name) is not None:
            name += "-"
        return name


class _Reader(records.RecordReader):
    """Decodes all records of a journal, and notes what no state holds. With ``plain`` as other programs, which skip metadata.

    Metadata says more where a record can't hold a NaN, as Rustuna couldn't read it: ``has_exact``.
    """

    __slots__ = ("_plain", "discards", "has_exact", "has_nan")

    def __init__(self, *, plain: bool = False) -> None:
        super().__init__()
        self._plain = plain
        self.discards: list[dict[str, Any]] = []
        self.has_exact = self.has_nan = False

    def replay(self, path: str, fd: int, end: int) -> tuple[JournalState, int]:
        fold = Fold(path, self, JournalState(), records.Chain(), thorough=True)
        for data in files.chunks(fd, end):
            fold.feed(data, fold.offset)
        return fold.state, fold.offset

    def decode(self, text: bytes) -> dict[str, Any]:
        record = super().decode(text)
        if b"NaN" in text:
            json.loads(text, parse_constant=self._note_constant)
        if record.get("op_code") == records.DISCARD_TRIALS:
            self.discards.append({key: value for key, value in record.items() if key not in ("crc", "jt")})
        metadata = record.get("jt") or {}
        self.has_exact = self.has_exact or "exact" in metadata or "nan_step" in metadata
        return {**record, "jt": {"at": metadata.get("at")}} if self._plain and metadata else record

    def _note_constant(self, word: str) -> None:
        self.has_nan = self.has_nan or word == "NaN"


def _study(study: StudyState, plain: StudyState) -> Iterator[dict[str, Any]]:
    config = None if records.CONFIG_ATTR in study.system_attrs else study.config
    yield records.create_study(study.name, study.directions, config)
    for op_code, field in ((records.SET_STUDY_USER_ATTR, "user_attr"), (records.SET_STUDY_SYSTEM_ATTR, "system_attr")):
        for key, value in getattr(study, f"{field}s").items():
            attr = {key: getattr(plain, f"{field}s")[key]}
            record = records.study_record(op_code, study.study_id, **{field: attr})
            yield record if dumps(attr) == dumps({key: value}) else {**record, "jt": {"exact": dumps({field: {key: value}})}}


def _owners(state: JournalState) -> list[int | None]:
    """The study of each trial by the trial's id; None for one that was deleted."""
    owners: list[int | None] = [None] * state.n_trials
    for study in state.studies.values():
        for number in range(study.n_trials):
            owners[study.id_of(number)] = study.study_id
    return owners


class _Trials:
    """The trials of one study: created in the order of their numbers, finished in the order in which they finished.

    A trial that finished after one with a higher number can't be created finished: it is created running, and a record of its
    own finishes it when it is its turn.
    """

    __slots__ = ("_distributions", "_late", "_n_created", "_n_finished", "_plain", "_requests", "_spells_nan", "_study")

    def __init__(self, original: Original, study_id: int) -> None:
        self._study, self._plain = original.state.studies[study_id], original.plain.studies[study_id]
        self._spells_nan = original.spells_nan
        self._n_created = self._n_finished = 0
        self._late = _late(self._study.finished.column("numbers"))
        self._distributions = [dict(shape) for shape in self._study.finished.shape_list]
        self._requests: dict[int, list[str]] = {}
        for request, number in self._study.requests.items():
            self._requests.setdefault(number, []).append(request)

    def create_next(self) -> Iterator[dict[str, Any]]:
        """The records that create a trial. If it is created finished, those that finish trials before it come first."""
        number, self._n_created = self._n_created, self._n_created + 1
        trial = self._trial(self._study, number)
        plain = trial if self._plain is self._study else self._trial(self._plain, number)
        steps = plain.intermediate
        apart = any(
            type(step) is not int for step in steps
        )  # where a record creates a trial, readers take steps for whole numbers
        if number not in self._study.live:
            if apart:
                self._late.add(number)
            if number in self._late:
                trial.state, trial.values, trial.ended = RUNNING, None, NO_TIME
            else:
                row = self._study.finished.row_of(number)
                yield from self._finish_before(row)
                self._n_finished = row + 1
        yield self._created(trial, plain, {} if apart else steps)
        for step in steps if apart else ():
            value = self._spelled(steps[step])
            yield records.trial_record(records.SET_TRIAL_INTERMEDIATE, trial.trial_id, step=step, intermediate_value=value)

    def finish_all(self) -> Iterator[dict[str, Any]]:
        return self._finish_before(len(self._study.finished))

    def _finish_before(self, row: int) -> Iterator[dict[str, Any]]:
        for number in self._study.finished.column("numbers")[self._n_finished : row]:
            trial = self._trial(self._study, number)
            values = None if trial.values is None else list(map(self._spelled, trial.values))
            yield {**records.finish_trial(trial.trial_id, trial.state, values), "datetime_complete": _iso(trial.ended)}
        self._n_finished = row

    def _trial(self, study: StudyState, number: int) -> LiveTrial:
        if number in study.live:
            return study.live[number]
        trial, finished = LiveTrial(study, study.id_of(number), number), study.finished
        row, extras = finished.row_of(number), finished.extras.get(number, {})
        shape, params, _ = finished.parameters(row)
        trial.state, trial.values = finished.column("codes")[row] & STATE_MASK, finished.row_values(row)
        trial.began, trial.ended = finished.column("began")[row], finished.column("ended")[row]
        trial.params = {name: value for (name, _), value in zip(shape, params, strict=True)}
        trial.distributions = self._distributions[
            finished.column("shapes")[row]
        ]  # one object for all, so that it is encoded once
        if "distributions" in extras:
            trial.distributions = {**trial.distributions, **extras["distributions"]}
        for field in _EXACT:
            setattr(trial, field, extras.get(field, {}))
        trial.metadata = {"compacted": True}
        return trial

    def _created(self, trial: LiveTrial, plain: LiveTrial, intermediate: dict[int, float]) -> dict[str, Any]:
        metadata = {key: value for key, value in trial.metadata.items() if key not in _OF_THE_OLD_FILE}
        exact = {name: getattr(trial, field) for field, name in _EXACT.items() if _differ(trial, plain, field)}
        if exact:
            metadata["exact"] = dumps(exact)
        if trial.number in self._requests:
            metadata["requests"] = self._requests[trial.number]
        whole = trial.params.keys() == trial.distributions.keys() and "requests" not in metadata
        optional = {
            "values": None if trial.values is None else list(map(self._spelled, trial.values)),
            "datetime_complete": _iso(trial.ended),
            "user_attrs": plain.user_attrs,
            "system_attrs": plain.system_attrs,
            "intermediate_values": {step: self._spelled(value) for step, value in intermediate.items()},
            "jt": metadata,
        }
        return {
            "op_code": records.CREATE_TRIAL,
            "worker_id": records.WORKER_ID if whole else _OTHER,
            "study_id": trial.study.study_id,
            "state": trial.state,
            "distributions": trial.distributions,
            "params": trial.params,
            "datetime_start": _iso(trial.began),
            **{name: value for name, value in optional.items() if value not in (None, {})},
        }

    def _spelled(self, value: float) -> Any:
        return "NaN" if self._spells_nan and value != value else value


def _late(numbers: Sequence[int]) -> set[int]:
    """The trials that finished after one with a higher number."""
    late, highest = set(), -1
    for number in numbers:
        if number < highest:
            late.add(number)
        highest = max(highest, number)
    return late


def _differ(trial: LiveTrial, plain: LiveTrial, field: str) -> bool:
    return trial is not plain and dumps(getattr(trial, field)) != dumps(getattr(plain, field))


def _iso(microseconds: int) -> str | None:
    moment = to_moment(microseconds)
    return None if moment is None else moment.isoformat(timespec="microseconds")
