"""An equivalent, shorter journal under a new name. The live one is never touched: programs that use it go on with it.

Each trial becomes one record where Optuna can express it so, and records that had no effect are left out. Ids and numbers of
studies and trials stay, also those of deleted studies, of which nothing else is kept. The finished trials stay in the order in
which they finished, so the next suggestion is the one that the original journal would have got.

What an ask saw of the journal is an offset of the original, so it can't be carried over: the asks of trials say
``"compacted": true`` instead, and can't be verified any more. What identifies requests stays, as repeated ones may still come.
"""

from __future__ import annotations

import errno
import gc
import os
from array import array

from journaltune.base.codes import FINISHED
from journaltune.base.errors import ConflictError, MachineError, UsageError
from journaltune.base.frozen import Frozen
from journaltune.journal import file as files
from journaltune.journal import records, system
from journaltune.journal.fold import Fold
from journaltune.journal.state import JournalState, LiveTrial
from journaltune.journal.upkeep import compare
from journaltune.journal.upkeep.merge import Merged, merge

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

_CHUNK_BYTES = 8 * 1024 * 1024
_WRITE_BYTES = 1024 * 1024
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK)


class Compacted(Frozen):
    """What was written: how many studies and trials there are, and both sizes."""

    n_studies: int
    n_trials: int
    bytes_before: int
    bytes_after: int


def compact(path: str | os.PathLike[str], dest: str | os.PathLike[str], *, allow_network_fs: bool = False) -> Compacted:
    """Write what the journal at ``path`` says now to ``dest``, which must not exist. Nothing is locked.

    What was written is replayed and compared with the original before it gets its name, and the name appears at once: a kill
    leaves no half file under it. What others append to ``path`` meanwhile is not in it.

    Raises ConflictError when ``dest`` exists, JournalDamagedError when ``path`` can't be read, MachineError.
    """
    path, dest = os.path.abspath(os.fspath(path)), os.path.abspath(os.fspath(dest))
    fd = files.open_journal(path, readable=True, allow_network_fs=allow_network_fs)
    collecting = gc.isenabled()
    try:
        gc.disable()  # as in ``Fold.feed``
        _check_free(dest)
        survey = _Survey(path, fd)
        own = f"{dest}.{os.getpid()}.tmp"
        try:
            size = _write(own, dest, _Writer(fd, survey).lines())
            _compare(own, survey.state, allow_network_fs=allow_network_fs)
            _name(own, dest)
        finally:
            _remove(own)
        files.sync_folder(dest)
        return Compacted(len(survey.state.studies), survey.n_kept(), survey.offset, size)
    finally:
        if collecting:
            gc.enable()
        os.close(fd)


def _check_free(dest: str) -> None:
    for name in (dest, os.path.dirname(dest)):
        journal, ending = os.path.splitext(name)
        if ending in (".lock", ".d") and os.path.isfile(journal):
            raise UsageError(f"{name} belongs to the journal {journal}; name another file")
    if os.path.lexists(dest):
        raise ConflictError(f"{dest} exists; name a file that does not")
    if not os.path.isdir(os.path.dirname(dest)):
        raise UsageError(f"there is no folder {os.path.dirname(dest)}; make it first")


def _write(own: str, dest: str, lines: Iterator[bytes]) -> int:
    size, parts, waiting = 0, [], 0
    try:
        fd = system.create(own, os.O_WRONLY | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0))
        try:
            for line in lines:
                parts.append(line)
                waiting += len(line)
                if waiting >= _WRITE_BYTES:
                    files.write_all(fd, b"".join(parts))
                    size, parts, waiting = size + waiting, [], 0
            files.write_all(fd, b"".join(parts))
            system.fsync(fd)
        finally:
            os.close(fd)
    except FileNotFoundError as error:  # a folder that takes no files, such as /proc
        raise MachineError(f"cannot write {dest}: {error.strerror}") from error
    except OSError as error:
        files.refuse(error, dest, "write")
    return size + waiting


def _compare(own: str, state: JournalState, *, allow_network_fs: bool) -> None:
    """Read back what was written. Nothing but a bug or a bad disk makes a difference."""
    fd = files.open_journal(own, readable=True, allow_network_fs=allow_network_fs)
    try:
        fold = Fold(own, records.RecordReader(), JournalState(), records.Chain(), thorough=True)
        while data := files.read_from(fd, fold.offset, _CHUNK_BYTES):
            fold.feed(data, fold.offset)
    finally:
        os.close(fd)
    found = compare.difference(state, fold.state, places=False)
    if found is not None:
        raise RuntimeError(f"the compacted journal would differ from the original: {found}; it was not written")


def _name(own: str, dest: str) -> None:
    """Give the file its name, unless another took that name meanwhile."""
    try:
        try:
            system.link(own, dest)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            _check_free(dest)  # a file system without links: between this and the next line another may take the name
            system.rename(own, dest)
    except FileExistsError:
        _check_free(dest)
        raise
    except OSError as error:
        files.refuse(error, dest, "write")


def _remove(own: str) -> None:
    """An error that comes of this must not hide the one that says what the machine refused."""
    try:
        files.remove(own)
    except OSError:
        pass


class _Reader(records.RecordReader):
    """Remembers the record that it decoded last."""

    __slots__ = ("last",)

    def decode(self, text: bytes) -> dict[str, Any]:
        self.last = super().decode(text)
        return self.last


class _Noting(Fold):
    """Remembers what became of the last line."""

    __slots__ = ("effect",)

    def _apply(self, text: bytes, start: int, *, sealed: bool) -> LiveTrial | bool:
        self.effect = super()._apply(text, start, sealed=sealed)
        return self.effect


class _Survey:
    """One replay that notes where the records stand that took effect: each trial's as a chain, the last one first."""

    __slots__ = (
        "_before",
        "_last",
        "_starts",
        "attrs",
        "discards",
        "events",
        "finish_order",
        "offset",
        "state",
        "study_of",
    )

    def __init__(self, path: str, fd: int) -> None:
        self._starts, self._before = array("q"), array("q")
        self._last = array("q")  # of each trial, by its id
        self.study_of = array("q")
        self.attrs: dict[int, dict[tuple[int, str], int]] = {}  # by study: operation and key, where its last record begins
        self.events: list[tuple[int, int, int]] = []  # trials before it, study, where the record begins
        self.discards: list[int] = []
        self.finish_order: dict[int, array[int]] = {}
        reader = _Reader()
        fold = _Noting(path, reader, JournalState(), records.Chain(), thorough=True)
        self.state, size = fold.state, os.fstat(fd).st_size
        while fold.offset < size and (data := files.read_from(fd, fold.offset, _CHUNK_BYTES)):
            for line in data.split(b"\n")[:-1]:
                start = fold.offset
                fold.line(line)
                self._note(reader.last, fold.effect, start)
        self.offset = fold.offset

    def _note(self, record: Mapping[str, Any], effect: LiveTrial | bool, start: int) -> None:
        op_code = record["op_code"]
        if op_code == records.DISCARD_TRIALS:
            self.discards.append(start)
        elif effect is False:
            return
        elif op_code in (records.CREATE_STUDY, records.DELETE_STUDY):
            study_id = self.state.n_studies - 1 if op_code == records.CREATE_STUDY else int(record["study_id"])
            self.events.append((self.state.n_trials, study_id, start))
        elif op_code in (records.SET_STUDY_USER_ATTR, records.SET_STUDY_SYSTEM_ATTR):
            (key,) = record["user_attr" if op_code == records.SET_STUDY_USER_ATTR else "system_attr"]
            self.attrs.setdefault(int(record["study_id"]), {})[op_code, key] = start
        else:
            self._note_trial(record, effect, start)

    def _note_trial(self, record: Mapping[str, Any], effect: LiveTrial | bool, start: int) -> None:
        if isinstance(effect, LiveTrial):
            trial_id, before = effect.trial_id, -1
            self._last.append(0)
            self.study_of.append(effect.study.study_id)
            ends = effect.state in FINISHED
        else:
            trial_id = int(record["trial_id"])
            before = self._last[trial_id]
            ends = record["op_code"] == records.SET_TRIAL_STATE_VALUES and record["state"] in FINISHED
        self._last[trial_id] = len(self._starts)
        self._starts.append(start)
        self._before.append(before)
        if ends:
            self.finish_order.setdefault(self.study_of[trial_id], array("q")).append(trial_id)

    def records_of(self, trial_id: int) -> list[int]:
        """Where the records of a trial begin, in their order."""
        found, at = [], self._last[trial_id]
        while at >= 0:
            found.append(self._starts[at])
            at = self._before[at]
        return found[::-1]

    def n_kept(self) -> int:
        return sum(study.n_trials for study in self.state.studies.values())


class _Writer:
    """The lines of the new journal."""

    __slots__ = ("_at", "_fd", "_finished", "_link", "_reader", "_single", "_survey")

    def __init__(self, fd: int, survey: _Survey) -> None:
        self._fd, self._survey = fd, survey
        self._reader = records.RecordReader()
        self._at, self._link = 0, 0
        self._single = _may_be_single(survey)
        self._finished = dict.fromkeys(survey.finish_order, 0)  # how many of each study stand in the new journal as finished

    def lines(self) -> Iterator[bytes]:
        for record in self._records():
            line = records.seal(record, self._at, self._link)
            self._at, self._link = self._at + len(line) + 1, records.sum_of(line)
            yield line + b"\n"

    def _records(self) -> Iterator[dict[str, Any]]:
        survey, events = self._survey, iter([*self._survey.events, (-1, 0, 0)])
        place, study_id, start = next(events)
        for trial_id in range(survey.state.n_trials + 1):
            while place == trial_id:
                yield from self._study(study_id, start)
                place, study_id, start = next(events)
            if trial_id < survey.state.n_trials:
                yield from self._trial(trial_id, survey.study_of[trial_id])
        for study_id, order in survey.finish_order.items():
            if study_id in survey.state.studies:
                yield from self._finish(study_id, len(order))
        for start in survey.discards:
            yield _carried(self._read(start))

    def _study(self, study_id: int, start: int) -> Iterator[dict[str, Any]]:
        record = _carried(self._read(start))
        if study_id not in self._survey.state.studies:
            record.pop("jt", None)
            yield record
        else:
            yield record
            for place in self._survey.attrs.get(study_id, {}).values():
                yield _carried(self._read(place))

    def _trial(self, trial_id: int, study_id: int) -> Iterator[dict[str, Any]]:
        if study_id not in self._survey.state.studies:
            yield placeholder(study_id)
            return
        own = [_carried(self._read(start)) for start in self._survey.records_of(trial_id)]
        merged: Merged | None = None
        if self._single[trial_id]:
            merged = merge(own)
            if merged.rest:
                self._single[trial_id] = 0
            else:
                yield from self._finish(study_id, self._survey.finish_order[study_id].index(trial_id, self._finished[study_id]))
                self._finished[study_id] += 1
                yield merged.record
                return
        ends = _ends(own)
        merged = merge(own[:-1] if ends and len(own) > 1 else own)
        yield merged.record
        yield from merged.rest

    def _finish(self, study_id: int, end: int) -> Iterator[dict[str, Any]]:
        """The records that finish trials of a study up to place ``end`` of the order in which they finished."""
        order = self._survey.finish_order[study_id]
        for place in range(self._finished[study_id], end):
            if not self._single[order[place]]:
                own = self._survey.records_of(order[place])
                yield _carried(self._read(own[-1]))
        self._finished[study_id] = end

    def _read(self, start: int) -> dict[str, Any]:
        length = 4096
        while (end := (data := files.pread(self._fd, length, start)).find(b"\n")) < 0:
            length *= 8
        return self._reader.decode(data[:end].strip(b" "))


def _ends(own: list[dict[str, Any]]) -> bool:
    last = own[-1]
    return last["op_code"] == records.SET_TRIAL_STATE_VALUES and last["state"] in FINISHED


def _may_be_single(survey: _Survey) -> array[int]:
    """By trial id, whether a finished trial may be created finished: none with a higher number finished before it."""
    single = array("b", bytes(survey.state.n_trials))
    for order in survey.finish_order.values():
        highest = -1
        for trial_id in order:
            single[trial_id] = trial_id > highest
            highest = max(highest, trial_id)
    return single


def placeholder(study_id: int) -> dict[str, Any]:
    """A trial of which nothing is known but that there was one, so that those after it keep their ids."""
    return {"op_code": records.CREATE_TRIAL, "worker_id": "", "study_id": study_id, "datetime_start": None, "state": 3}


def _carried(record: dict[str, Any]) -> dict[str, Any]:
    """A record as ours, without its seal and without what refers to places in the old journal."""
    fields = {key: value for key, value in record.items() if key not in ("op_code", "worker_id", "crc", "jt")}
    carried = {"op_code": record["op_code"], "worker_id": records.WORKER_ID, **fields}
    jt = {key: value for key, value in (record.get("jt") or {}).items() if key not in ("at", "from", "saw")}
    if "saw" in (record.get("jt") or {}):
        jt["compacted"] = True
    if jt:
        carried["jt"] = jt
    return carried
