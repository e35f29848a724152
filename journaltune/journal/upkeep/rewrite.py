"""A replayed journal as records again, as few as can be: a trial is one where Optuna can express it so."""

from __future__ import annotations

import json
import os

from journaltune.base import FAIL, MINIMIZE, RUNNING
from journaltune.base.jsontext import dumps
from journaltune.journal import file as files
from journaltune.journal import records
from journaltune.journal.fold import Fold
from journaltune.journal.state import NO_TIME, STATE_MASK, JournalState, LiveTrial, to_moment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from journaltune.journal.state import StudyState

_OF_THE_OLD_FILE = ("at", "from", "saw", "id", "exact", "requests")
_OTHER = "compacted"  # not our name: replay leaves our asks undecoded, and takes their parameters for complete


class Original(records.RecordReader):
    """A journal that is replayed to its end, and two things that no state holds: Rustuna's discards, how a NaN is spelled.

    Rustuna can't read a NaN: it writes a word instead, and so do we, with the number in the metadata. Where another program
    wrote the number, Rustuna can't read the journal anyway.
    """

    __slots__ = ("_nan", "discards", "size_bytes", "state")

    def __init__(self, path: str, fd: int) -> None:
        super().__init__()
        self.discards: list[dict[str, Any]] = []
        self._nan = ""  # "word", or "number" where one record has it as a number
        fold = Fold(path, self, JournalState(), records.Chain(), thorough=True)
        for data in files.chunks(fd, os.fstat(fd).st_size):
            fold.feed(data, fold.offset)
        self.state, self.size_bytes = fold.state, fold.offset

    def decode(self, text: bytes) -> dict[str, Any]:
        record = super().decode(text)
        if record.get("op_code") == records.DISCARD_TRIALS:
            self.discards.append({key: value for key, value in record.items() if key not in ("crc", "jt")})
        if b"NaN" in text and self._nan != "number":
            constants: list[str] = []
            json.loads(text, parse_constant=constants.append)
            self._nan = "number" if "NaN" in constants else "word"
        return record

    def spelled(self, fields: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
        """Fields of a record as the journal's readers can read them, and metadata with the numbers where these are words."""
        if self._nan != "word":
            return fields, {}
        text = dumps(fields)
        words: dict[str, Any] = json.loads(text, parse_constant=str)
        return words, {} if words == fields else {"exact": text}


def records_of(original: Original) -> Iterator[dict[str, Any]]:
    """The records of the whole journal.

    Ids count the records that create studies and trials, so each deleted study and each of its trials gets one, too.
    """
    state = original.state
    deleted = [study_id for study_id in range(state.n_studies) if study_id not in state.studies]
    for study_id in range(state.n_studies):
        if study_id in deleted:
            yield records.create_study(_unused_name(state, study_id), [MINIMIZE], None)
        else:
            yield from _study(original, state.studies[study_id])
    studies = {study_id: _Trials(original, study) for study_id, study in state.studies.items()}
    for owner in _owners(state):
        if owner is None:
            lost = {"study_id": deleted[0], "datetime_start": None, "state": FAIL}
            yield {"op_code": records.CREATE_TRIAL, "worker_id": "", **lost}
        else:
            yield from studies[owner].create_next()
    for trials in studies.values():
        yield from trials.finish_all()
    for study in state.studies.values():
        yield from _attrs(original, study, records.SET_STUDY_SYSTEM_ATTR, _withdrawals(study))
    for study_id in deleted:
        yield records.study_record(records.DELETE_STUDY, study_id)
    yield from original.discards


def _unused_name(state: JournalState, study_id: int) -> str:
    name = f"deleted-{study_id}"
    while state.study_named(name) is not None:
        name += "-"
    return name


def _study(original: Original, study: StudyState) -> Iterator[dict[str, Any]]:
    config = None if records.CONFIG_ATTR in study.system_attrs else study.config
    yield records.create_study(study.name, study.directions, config)
    yield from _attrs(original, study, records.SET_STUDY_USER_ATTR, study.user_attrs)
    rest = {key: value for key, value in study.system_attrs.items() if key not in _withdrawals(study)}
    yield from _attrs(original, study, records.SET_STUDY_SYSTEM_ATTR, rest)


def _withdrawals(study: StudyState) -> dict[str, Any]:
    """The attributes that withdraw results: they take effect on trials that are finished by then."""
    return {key: value for key, value in study.system_attrs.items() if key.startswith(records.WITHDRAWN)}


def _attrs(original: Original, study: StudyState, op_code: int, attrs: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    field = "user_attr" if op_code == records.SET_STUDY_USER_ATTR else "system_attr"
    for key, value in attrs.items():
        fields, exact = original.spelled({field: {key: value}})
        yield records.study_record(op_code, study.study_id, **fields, **({"jt": exact} if exact else {}))


def _owners(state: JournalState) -> list[int | None]:
    """The study of each trial by the trial's id; None for a study that was deleted."""
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

    __slots__ = ("_distributions", "_late", "_n_created", "_n_finished", "_requests", "_spelled", "_study")

    def __init__(self, original: Original, study: StudyState) -> None:
        self._study, self._spelled = study, original.spelled
        self._n_created = self._n_finished = 0
        self._late = _late(study.finished.column("numbers"))
        self._distributions = [dict(shape) for shape in study.finished.shape_list]
        self._requests: dict[int, list[str]] = {}
        for request, number in study.requests.items():
            self._requests.setdefault(number, []).append(request)

    def create_next(self) -> Iterator[dict[str, Any]]:
        """The records that create a trial. If it is created finished, those that finish trials before it come first."""
        number, self._n_created = self._n_created, self._n_created + 1
        trial, steps = self._trial(number), {}
        if any(type(step) is not int for step in trial.intermediate):  # in a record that creates a trial, steps are whole numbers
            steps, trial.intermediate = trial.intermediate, {}
            self._late.add(number)
        if number not in self._study.live:
            if number in self._late:
                trial.state, trial.values, trial.ended = RUNNING, None, NO_TIME
            else:
                row = self._study.finished.row_of(number)
                yield from self._finish_before(row)
                self._n_finished = row + 1
        yield self._created(trial)
        for step, value in steps.items():
            fields, _ = self._spelled({"step": step, "intermediate_value": value})
            yield records.trial_record(records.SET_TRIAL_INTERMEDIATE, trial.trial_id, **fields)

    def finish_all(self) -> Iterator[dict[str, Any]]:
        return self._finish_before(len(self._study.finished))

    def _finish_before(self, row: int) -> Iterator[dict[str, Any]]:
        for number in self._study.finished.column("numbers")[self._n_finished : row]:
            trial = self._trial(number)
            fields, _ = self._spelled({"state": trial.state, "values": trial.values, "datetime_complete": _iso(trial.ended)})
            yield records.trial_record(records.SET_TRIAL_STATE_VALUES, trial.trial_id, **fields)
        self._n_finished = row

    def _trial(self, number: int) -> LiveTrial:
        """A copy of a trial, in the form of one that is not finished."""
        study, finished = self._study, self._study.finished
        trial = LiveTrial(study, study.id_of(number), number)
        if number in study.live:
            for field in LiveTrial.__slots__:
                setattr(trial, field, getattr(study.live[number], field))
            return trial
        row, extras = finished.row_of(number), finished.extras.get(number, {})
        shape, params, _ = finished.parameters(row)
        trial.state, trial.values = finished.column("codes")[row] & STATE_MASK, finished.row_values(row)
        trial.began, trial.ended = finished.column("began")[row], finished.column("ended")[row]
        trial.params = {name: value for (name, _), value in zip(shape, params, strict=True)}
        trial.distributions = self._distributions[finished.column("shapes")[row]]  # one object, which is encoded once
        if "distributions" in extras:
            trial.distributions = {**trial.distributions, **extras["distributions"]}
        for field in ("user_attrs", "system_attrs", "intermediate"):
            setattr(trial, field, extras.get(field, {}))
        trial.metadata = {"compacted": True}
        return trial

    def _created(self, trial: LiveTrial) -> dict[str, Any]:
        steps = {str(step): value for step, value in trial.intermediate.items()}
        mappings = {"user_attrs": trial.user_attrs, "system_attrs": trial.system_attrs, "intermediate_values": steps}
        plain, exact = self._spelled({name: mapping for name, mapping in mappings.items() if mapping})
        if exact and records.NAN_STEP_ATTR in trial.system_attrs:  # where others find a step that was NaN
            plain["intermediate_values"] = {
                step: value for step, value in plain.get("intermediate_values", {}).items() if value != "NaN"
            }
        metadata = {key: value for key, value in trial.metadata.items() if key not in _OF_THE_OLD_FILE} | exact
        if trial.number in self._requests:
            metadata["requests"] = self._requests[trial.number]
        whole = trial.params.keys() == trial.distributions.keys() and "requests" not in metadata
        values, _ = self._spelled({"values": trial.values})
        optional = {**values, "datetime_complete": _iso(trial.ended), **plain, "jt": metadata}
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


def _late(numbers: Sequence[int]) -> set[int]:
    """The trials that finished after one with a higher number."""
    late, highest = set(), -1
    for number in numbers:
        if number < highest:
            late.add(number)
        highest = max(highest, number)
    return late


def _iso(microseconds: int) -> str | None:
    moment = to_moment(microseconds)
    return None if moment is None else moment.isoformat(timespec="microseconds")
