"""import: finished trials that were run elsewhere."""

from __future__ import annotations

from itertools import islice

from journaltune.base import FAIL, checks
from journaltune.base.constraints import as_attrs
from journaltune.base.errors import ConflictError, JournaltuneError, MachineError, NotFoundError, SpaceError, UsageError, one_line
from journaltune.base.frozen import Frozen
from journaltune.journal import records
from journaltune.journal.exact import with_attrs
from journaltune.journal.state import NO_TIME, STATE_MASK, to_microseconds, to_moment
from journaltune.study import OpenStudy, open_study, space_of
from journaltune.study.columns import Parameters, Past, Results

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime
    from typing import Any

    from journaltune.base.model import Trial
    from journaltune.journal.state import Finished
    from journaltune.space import Space
    from journaltune.study.rows import Table

_BATCH = 500  # trials under one lock: others wait some hundredths of a second
Key = tuple[int, tuple[tuple[str, float], ...], tuple[float, ...]]


class Imported(Frozen):
    """``n_known``: trials that the study had already. ``refused``: a line for each that the study can't have, with its place.
    ``notes``: what else was left out."""

    n_imported: int
    n_known: int
    n_unfinished: int
    refused: tuple[str, ...]
    notes: tuple[str, ...] = ()


class Refused(Frozen):
    """A row that can't be read."""

    line: str


def import_trials(
    study: OpenStudy, source: str, *, value: str | Sequence[str] | None = None, source_study: str | None = None
) -> Imported:
    """Record the finished trials of ``source``: a CSV or JSON lines ("-": stdin), another journal, or an Optuna storage's URL.

    Columns are matched by name: parameters as they are called, or ``params_NAME``; the result ``value``, the objective's name,
    or the column ``value`` (one for each objective). State, attributes, constraints and intermediate values as
    `journaltune trials` and Optuna's ``trials_dataframe`` name them. A NaN is a failure, as for ``tell``.

    A trial with the same parameters, state and values as one that is there is not recorded again; a table that has such a
    trial n times makes it n. What the space does not have is refused, and the rest is recorded. On disk when this returns.

    Raises UsageError for a source that can't be read, or has no column of results; NotFoundError; SpaceError without a space.
    """
    space, notes = study.look(lambda _: space_of(study)), list[str]()
    if "://" in source:
        from journaltune.optuna_bridge.stored import past_trials

        past: Iterable[Past | Refused] = past_trials(source, source_study or study.name, study.directions)
    elif source != "-" and _is_journal(source):
        past = _of_journal(study, source, source_study)
    else:
        from journaltune.study.rows import read_table

        table = read_table(source)
        past = _of_table(study, space, table, value, notes)
    return _Importer(study).run(past, notes)


def _is_journal(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return b'"op_code"' in file.readline(65_536)
    except (OSError, ValueError):  # a NUL in the name; who reads it as a table says what is wrong
        return False


def _of_journal(study: OpenStudy, path: str, name: str | None) -> Iterator[Past]:
    from journaltune.study.trials import trials

    with _opened(study, path, name) as other:
        if other.directions != study.directions:
            raise ConflictError(
                f"study {other.name!r} in {path} has other directions than {study.name!r}; they can't be compared"
            )
        listed = trials(other)
    return map(_of_trial, listed)


def _opened(study: OpenStudy, path: str, name: str | None) -> OpenStudy:
    """The other study: of that name, else the only one there, else the one with this study's name."""
    try:
        return open_study(path, name, **study.access)
    except UsageError:
        try:
            return open_study(path, study.name, **study.access)
        except NotFoundError:
            pass
        raise


def _of_trial(trial: Trial) -> Past:
    return Past(
        f"trial {trial.number}",
        int(trial.state) if trial.state.is_finished() else None,
        trial.params,
        trial.values,
        trial.user_attrs,
        trial.constraints,
        trial.intermediate_values,
        _iso(trial.datetime_start),
        _iso(trial.datetime_complete),
    )


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _of_table(
    study: OpenStudy, space: Space, table: Table, value: str | Sequence[str] | None, notes: list[str]
) -> Iterator[Past | Refused]:
    parameters = Parameters(space, table, blank_is_null=True)
    results = Results(table, study.look(lambda _: study.objective_names), value)
    left = [column for column in table.columns if column not in parameters.columns.values() and results.leaves(column)]
    if left:
        notes.append(f"columns that are not taken: {', '.join(map(one_line, left))}")
    return _rows(table, parameters, results)


def _rows(table: Table, parameters: Parameters, results: Results) -> Iterator[Past | Refused]:
    for row in table.rows:
        try:
            yield Refused(f"{row.label}: {row.wrong}") if row.wrong else results.of(row, parameters.of(row))
        except JournaltuneError as error:
            yield Refused(f"{row.label}: {error}")


class _Importer:
    """Records past trials in batches, each of which is one write."""

    def __init__(self, study: OpenStudy) -> None:
        self._study = study
        self._present: dict[Key, int] = {}  # how often the study has a trial
        self._brought: dict[Key, int] = {}  # how often the source has brought it
        self._finished: Finished | None = None
        self._n_read = 0
        self._distributions: dict[tuple[str, ...], dict[str, str]] = {}
        self.n_imported = self.n_known = self.n_unfinished = 0
        self.refused: list[str] = []

    def run(self, past: Iterable[Past | Refused], notes: list[str]) -> Imported:
        rows = iter(past)
        study = self._study
        with study.turn.lock, study.turn:
            try:
                while batch := list(islice(rows, _BATCH)):
                    with study.journal.locked():
                        self._record(batch)
                study.journal.flush(again=self.n_imported == 0)
            except MachineError as error:  # a full disk, most likely
                raise type(error)(f"{error}; {self.n_imported} trials are in already, and the same import goes on") from error
        return Imported(self.n_imported, self.n_known, self.n_unfinished, tuple(self.refused), tuple(notes))

    def _record(self, batch: Sequence[Past | Refused]) -> None:
        """The lock is held."""
        space, directions = space_of(self._study), self._study.state().directions
        self._read_present(space)
        made = [record for each in batch if (record := self._made(each, space, directions)) is not None]
        if made and not all(self._study.journal.append(made)):
            raise NotFoundError(f"study {self._study.name!r} was deleted")
        self.n_imported += len(made)

    def _read_present(self, space: Space) -> None:
        """Count what the study has by now; each trial is looked at once."""
        finished = self._study.state().finished
        if finished is not self._finished:
            self._finished, self._n_read, self._present = finished, 0, {}
        for row, (_, code, shape, values) in enumerate(finished.rows(self._n_read), self._n_read):
            internal = dict(zip([name for name, _ in shape], values, strict=True))
            key = _key(code & STATE_MASK, space.canonical(internal), finished.row_values(row))
            self._present[key] = self._present.get(key, 0) + 1
        self._n_read = len(finished)

    def _made(self, past: Past | Refused, space: Space, directions: Sequence[int]) -> dict[str, Any] | None:
        """The record for a trial that is to be recorded."""
        if isinstance(past, Refused):
            self.refused.append(past.line)
            return None
        if past.state is None:
            self.n_unfinished += 1
            return None
        try:
            internal = space.canonical(_internal(space, past.params))
            past = _sound(past, directions)
            record = self._as_record(past, internal)
        except (JournaltuneError, ValueError, TypeError, OverflowError) as error:
            self.refused.append(f"{past.label}: {error}")
            return None
        key = _key(int(past.state or 0), internal, past.values)
        self._brought[key] = self._brought.get(key, 0) + 1
        if self._brought[key] <= self._present.get(key, 0):
            self.n_known += 1
            return None
        return record

    def _as_record(self, past: Past, internal: dict[str, float]) -> dict[str, Any]:
        known, names = self._study.stored_distributions, tuple(internal)
        if names not in self._distributions:  # one object for all trials with these parameters: see ``records._head``
            self._distributions[names] = known if names == tuple(known) else {name: known[name] for name in names}
        state = int(past.state or 0)
        record = records.create_trial(self._study.study_id, self._distributions[names], internal, state)
        now = record["datetime_start"]
        record["datetime_complete"] = _moment(past.ended) or _moment(past.began) or now
        record["datetime_start"] = _moment(past.began) or record["datetime_complete"]
        if past.values is not None:
            record["values"] = past.values
        fields: dict[str, Any] = {}
        if past.attrs:
            fields["user_attrs"] = checks.attrs(past.attrs)
        if past.constraints:
            fields["system_attrs"] = as_attrs(checks.constraints(past.constraints))
        if past.intermediate:
            fields["intermediate_values"] = {str(step): value for step, value in past.intermediate.items()}
        if not fields:
            return record
        record = with_attrs(record, fields)
        if past.intermediate:  # stock readers take no NaN there; what is exact stands in ``jt``
            record["intermediate_values"] = {step: each for step, each in record["intermediate_values"].items() if each != "NaN"}
        return record


def _internal(space: Space, params: Mapping[str, Any]) -> dict[str, float]:
    """The columns of parameters, which may be given as columns themselves. SpaceError for what the space does not have."""
    if all(name in space.parameters for name in params):
        return space.encode(params)
    unknown = [name for name in params if name not in space.distributions and name not in space.parameters]
    if unknown:
        return space.encode(dict.fromkeys(unknown))  # which says what there is
    internal = space.encode_columns(params)
    if not space.is_whole(internal):
        raise SpaceError("its columns are not those of a configuration that the space allows")
    return internal


def _key(state: int, internal: dict[str, float], values: Sequence[float] | None) -> Key:
    return state, tuple(sorted(internal.items())), tuple(values or ())


def _sound(past: Past, directions: Sequence[int]) -> Past:
    """The trial as `tell` would have recorded it: what can't be a result is a failure, and a failure has no value."""
    if past.values is not None and len(past.values) != len(directions):
        raise UsageError(f"it has {len(past.values)} values, and the study {len(directions)} objectives")
    if past.values is not None and not checks.are_results(past.values, directions):
        return past.but(state=FAIL, values=None, attrs={"fail_reason": "nan", **past.attrs})
    return past.but(values=None) if past.state == FAIL else past


def _moment(text: str | None) -> str | None:
    """A time in UTC as Optuna writes it. UsageError for a text that is none."""
    if text is None:
        return None
    try:
        microseconds = to_microseconds(text)
    except (ValueError, TypeError, OverflowError):
        raise UsageError(f"{text[:60]!r} is no time as in ISO 8601") from None
    moment = to_moment(microseconds) if microseconds != NO_TIME else None
    return None if moment is None else moment.isoformat(timespec="microseconds")
