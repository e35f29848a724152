"""Lines into a state: decoding, checking and applying them one by one, and naming the first that can't be.

A process that shares a journal replays the records of all others, and never looks at most of them. Where the checksums are
right, a program of ours wrote the record, so decoding can wait until somebody asks for a field. Finished trials become rows of
packed numbers, most of them undecoded.
"""

from __future__ import annotations

import gc
from binascii import crc32
from io import BytesIO
from itertools import chain, islice

from journaltune.base import FAIL, RUNNING
from journaltune.base.errors import JournalDamagedError
from journaltune.base.jsontext import loads, scan
from journaltune.journal import records, replay
from journaltune.journal.state import HAS_EXTRAS, HAS_VALUES, HIDDEN, HIDDEN_REASONS, PACKED_AT_ONCE, LiveTrial, to_microseconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from journaltune.journal.replay import Familiar
    from journaltune.journal.state import Finished, JournalState, PlainRows, StudyState

_TOLD = b'{"op_code":6,"worker_id":"journaltune","trial_id":'
_STATE = b',"state":'
_REQUEST_ID, _REQUEST_IDS = b',"id":"', b'"requests":'
_UNREADABLE = (ValueError, TypeError, KeyError, AttributeError, OverflowError, IndexError)
_DECODED = frozenset(LiveTrial.__slots__) - {"study", "trial_id", "number", "state"}
# The ends of two records that say nothing optional: two fields, metadata, the checksums.
_PLAIN_ASKED, _PLAIN_TOLD = ('"params":', ',"datetime_start":"'), (',"values":', ',"datetime_complete":"')
_UNSAID = '{"state":0'  # how the second begins, as far as nobody looks at it
_METADATA, _TIME_LENGTH = '","jt":', 32
_TOO_DEEP = 250  # nothing of ours is nested half as deeply
_MISPLACED = "a record that was written for an earlier place: lines were moved, doubled or put in by hand"
_UNDO = "undo that, or take a copy of the file from before; `journaltune repair` mends only what disks and crashes do"


class Fold:
    """Applies lines one by one, checks their checksums, and notes what became of the lines that it watches for."""

    __slots__ = ("_at", "_chain", "_own", "_own_end", "_path", "_reader", "_thorough", "effects", "offset", "state", "watch")

    def __init__(
        self, path: str, reader: records.RecordReader, state: JournalState, chain: records.Chain, *, thorough: bool = False
    ) -> None:
        self._path, self._reader, self.state, self._chain = path, reader, state, chain
        self._thorough = thorough  # decode every record at once, also where its checksums are right
        self.watch: list[bytes] = []
        self.effects: list[Any] = []
        self.offset = self._at = self._own = self._own_end = 0

    def feed(self, data: bytes, offset: int) -> None:
        """Apply whole lines that begin at ``offset``; ``self.offset`` is the end of the last line that was applied."""
        self.offset = offset
        collecting = gc.isenabled()
        try:
            gc.disable()  # a long replay makes many objects and no garbage cycles; the collector takes a third of its time
            self._feed(data)
        finally:
            if collecting:
                gc.enable()

    def _feed(self, data: bytes) -> None:
        self._lines(line[:-1] for line in BytesIO(data))  # `split` looks at each byte, and takes as long as the checksums

    def line(self, line: bytes) -> None:
        """Apply the line at ``self.offset``, without its newline. JournalDamagedError leaves the offset before it."""
        self._lines([line])

    def _lines(self, lines: Iterable[bytes]) -> None:
        """Apply lines. Nearly all are records of ours whose checksums are right: they need neither be decoded nor looked at."""
        state, reader, path = self.state, self._reader, self._path
        chain, seal, slow = self._chain, records.SEAL, self._thorough or bool(self.watch)
        link, offset, last = chain.value, self.offset, None
        try:
            for line in lines:
                if not slow and link is not None and line[-26:-18] == seal:
                    own = crc32(line[:-26])
                    if line[-18:] == b'%08x%08x"}' % (own, link):
                        if defer(state, reader, line, (path, offset)) is None:
                            self._apply(line, offset, sealed=False, ours=True)
                        link, last = crc32(line[-26:], own), (line, offset, own)
                        offset += len(line) + 1
                        continue
                if last is not None:
                    chain.pass_own(*last)
                self.offset, last = offset, None
                self._line(line)
                link, offset = chain.value, self.offset
        finally:
            if last is not None:
                chain.pass_own(*last)
            self.offset = offset

    def _line(self, line: bytes) -> None:
        end, text = self.offset + len(line) + 1, line
        if line[:1] == b" ":
            text = line.lstrip(b" ")
            self._chain.pass_blanks(self.offset, end - 1 - len(text))
        sealed = records.is_sealed(text)
        if records.is_misspelt(text):
            what = "a record whose checksums were changed after it was written"
            raise JournalDamagedError(self._path, end - 1 - len(text), what)
        if records.is_trailed(text):
            raise JournalDamagedError(self._path, end - 1 - len(text), "white space behind a record, which hides its checksums")
        tied = self._chain.value is not None and text[-10:-2] == b"%08x" % self._chain.value
        effect = self._apply(text, end - 1 - len(text), sealed=sealed)
        place = end - 1 - len(text) if tied else self._at  # like the fast path, which ignores `at`
        if self.watch and text in self.watch:
            self.effects.append(effect)
        if sealed:
            self._chain.pass_own(text, place, self._own)
            self.pass_own(self._at, text)
        else:
            self._chain.pass_foreign(text, self.offset)
            if text[-1:] == b" ":  # `repair` removed these checksums because earlier bytes changed
                self._chain.lose(end)
        self.offset = end

    def _apply(self, text: bytes, start: int, *, sealed: bool, ours: bool = False) -> LiveTrial | bool:
        """Decode a record and apply it, after checking its checksums where it is ``sealed``. With ``ours`` they are right."""
        try:
            record = self._reader.decode(text)
            if sealed:
                self._check(text, record, start)
            trial = None
            if ours and replay.foresee(self.state, record):  # the reader knows its head by now
                trial = defer(self.state, self._reader, text, (self._path, start))
            return trial or replay.apply(self.state, record)
        except JournalDamagedError:
            raise
        except UnicodeDecodeError as error:
            raise JournalDamagedError(self._path, start + error.start, "bytes that are not UTF-8") from error
        except RecursionError as error:
            if records.depth_of(text) < _TOO_DEEP:  # the record is whole: the caller was near the limit of recursion
                raise
            raise JournalDamagedError(self._path, start, "a record that is nested too deeply") from error
        except _UNREADABLE as error:
            raise JournalDamagedError(self._path, start, records.what_is_wrong(text, error)) from error

    def _check(self, text: bytes, record: Mapping[str, Any], start: int) -> None:
        self._at = record["jt"]["at"]
        own, link = records.sealed_sums(text)
        self._own = own
        if own != records.own_sum(text):
            raise JournalDamagedError(self._path, start, "a record whose checksum is wrong: it was changed after it was written")
        if link != self._chain.value:
            self.refuse_misplaced(self._at, start)
        if not self._chain.allows(link, self._at, start):
            what = "something before this record was changed after it was written: the checksum of what came before is wrong"
            raise JournalDamagedError(self._path, start, what)

    def refuse_misplaced(self, at: int, start: int) -> None:
        """JournalDamagedError where a record of ours that was written for ``at`` stands behind a later one, at ``start``."""
        if at < self._own_end:
            raise JournalDamagedError(self._path, start, _MISPLACED, _UNDO)

    def pass_own(self, at: int, text: bytes) -> None:
        """Note a record of ours: whatever bytes are lost, later ones were written for its end, or for a place behind."""
        self._own_end = max(self._own_end, at + len(text) + 1)


class DeferredTrial(LiveTrial):
    """A live trial that decodes its records when a field is read: Python calls ``__getattr__`` for a slot that is not set."""

    __slots__ = ("_asked", "_familiar", "_told", "_where")

    def __init__(
        self, study: StudyState, trial_id: int, number: int, familiar: Familiar, asked: bytes, where: tuple[str, int]
    ) -> None:
        self.study = study
        self.trial_id = trial_id
        self.number = number
        self.state = RUNNING
        self._familiar = familiar
        self._asked: bytes | None = asked
        self._told: tuple[bytes, tuple[str, int]] | None = None
        self._where = where

    def __getattr__(self, name: str) -> Any:
        if name not in _DECODED or self._asked is None:
            raise AttributeError(name)
        self.decode()
        return getattr(self, name)

    def tell(self, state: int, told: bytes, where: tuple[str, int]) -> bool:
        """Note the record that finishes the trial, from behind its state on; False when the trial is decoded already, so that the
        record has to be, too."""
        if self._asked is None:
            return False
        self.state, self._told = state, (told, where)
        return True

    def may_have_owner(self) -> bool:
        """From the bytes of its record: most processes only ask this of the trials of others."""
        if self._asked is None:
            return super().may_have_owner()
        return b'"owner":' in self._asked or b'"ttl_s":' in self._asked

    def plain_rows(self, trials: Sequence[LiveTrial], n_objectives: int) -> PlainRows | None:
        """See ``LiveTrial``. From the bytes of their records, if all say no more than most do; else None: they are decoded."""
        familiar = self._familiar
        try:
            several = [trial._plain(familiar) for trial in trials]  # type: ignore[attr-defined]  # caught below
            values = [own for _, _, own, _ in several]
            if any([type(value) for value in own] != [float] * n_objectives for own in values if own is not None):
                return None
            flat = familiar.covered([params for params, _, _, _ in several])
            began = [to_microseconds(moment) for _, moment, _, _ in several]
            ended = [to_microseconds(moment) for _, _, _, moment in several]
            return None if flat is None else (familiar, flat, values, began, ended)
        except Exception:  # decoding says what is wrong, and where
            return None

    def _plain(self, familiar: Familiar) -> tuple[dict[str, float], str, list[float] | None, str]:
        """Parameters, begin, values and end of a finished trial with these distributions whose records say nothing else beside
        metadata. Errors of any kind for other trials."""
        if self._familiar is not familiar or self._asked is None or self._told is None:
            raise ValueError(self.number)
        return *_two_fields(self._asked.decode(), *_PLAIN_ASKED), *_two_fields(self._told[0].decode(), *_PLAIN_TOLD)

    def decode(self) -> None:
        asked, where, state = self._asked, self._where, self.state
        if asked is None:
            return
        try:
            super().__init__(self.study, self.trial_id, self.number)
            record = loads("{" + asked.decode())
            record["distributions"] = self._familiar.distributions
            replay.fill(self, record)
            self.odd = self._familiar.oddness(self.params)
            if self._told is not None:
                told, where = self._told
                replay.finish(self, loads(_UNSAID + told.decode()))
        except BaseException as error:
            for name in _DECODED:
                try:
                    delattr(self, name)  # so that the next read of a field raises, too
                except AttributeError:  # not set yet: Ctrl-C and RecursionError may come anywhere
                    continue
            if isinstance(error, _UNREADABLE):
                raise JournalDamagedError(*where, f"a trial whose records can't be read ({error})") from error
            raise
        finally:
            self.state = state
        self._asked = self._told = None


def _two_fields(text: str, first: str, second: str) -> tuple[Any, str]:
    """The value that follows ``first`` and the time that follows ``second``, where nothing else but metadata and checksums comes
    behind. ValueError for a text that says more, or something else."""
    value, end = scan(text, len(first))
    time = end + len(second)
    behind = time + _TIME_LENGTH + len(_METADATA)
    if not text.startswith(first) or text[end:time] != second or text[time + _TIME_LENGTH : behind] != _METADATA:
        raise ValueError(text)
    if scan(text, behind)[1] + records.SEAL_LENGTH != len(text):
        raise ValueError(text)
    return value, text[time : time + _TIME_LENGTH]


def defer(state: JournalState, reader: records.RecordReader, line: bytes, where: tuple[str, int]) -> LiveTrial | bool | None:
    """Apply a line whose checksums are right as ``replay.apply`` would, undecoded; None when the line has to be decoded."""
    if line.startswith(_TOLD):
        return _defer_told(state, line, where)
    for head, fields in reader.heads:
        if line.startswith(head):
            return _defer_asked(state, fields, line[len(head) :], where)
    return None


def apply_own(
    state: JournalState, reader: records.RecordReader, line: bytes, record: Mapping[str, Any], path: str
) -> LiveTrial | bool:
    """Apply a record that was just written, undecoded like those of other processes."""
    effect = defer(state, reader, line, (path, record["jt"]["at"]))
    if effect is None:
        effect = replay.apply(state, record)
        reader.learn_own(record)
    return effect


def _defer_asked(state: JournalState, fields: dict[str, Any], rest: bytes, where: tuple[str, int]) -> LiveTrial | None:
    study = state.studies.get(fields["study_id"])
    if study is None or study.familiar is None or fields["state"] != RUNNING:
        return None
    if not study.familiar.has(fields["distributions"]) or _REQUEST_IDS in rest:
        return None
    trial = DeferredTrial(study, state.n_trials, study.n_trials, study.familiar, rest, where)
    study.enrol(trial.trial_id)
    state.n_trials += 1
    study.live[trial.number] = state.live[trial.trial_id] = trial
    state.n_records += 1
    return trial


def _defer_told(state: JournalState, line: bytes, where: tuple[str, int]) -> bool | None:
    end = line.find(_STATE, len(_TOLD))
    trial_id = line[len(_TOLD) : end]
    trial = state.live.get(int(trial_id)) if trial_id.isdigit() else None
    end += len(_STATE)
    code = line[end] - 48
    if type(trial) is not DeferredTrial or _REQUEST_ID in line or not 0 < code <= FAIL:
        return None
    if not trial.tell(code, line[end + 1 :], where):
        return None
    replay.leave(state, trial)
    state.n_records += 1
    return True


class Packer:
    """Packs the trials of one study; the next one nearly always has the shape of the last."""

    __slots__ = ("_familiar", "_finished", "_last_shape", "_no_values")

    def __init__(self, finished: Finished) -> None:
        self._finished = finished
        self._no_values = [0.0] * finished.n_objectives
        self._familiar: tuple[Familiar | None, int] = (None, 0)
        self._last_shape: tuple[dict[str, str], list[str], int] | None = None

    def pack(self, pending: deque[LiveTrial], n_rows: int) -> None:
        """Take the first trials out of those that wait, and append their rows: some dozens together, if nobody decoded them."""
        for left in range(n_rows, 0, -PACKED_AT_ONCE):
            some = list(islice(pending, min(left, PACKED_AT_ONCE)))
            plain = self._pack_plain(some)
            for trial in some:
                if not plain and not self._pack_plain([trial]):
                    self._pack_decoded(trial)  # raises for one that can't be read, which stays
                pending.popleft()

    def _pack_plain(self, trials: Sequence[LiveTrial]) -> bool:
        """Append the rows of several trials that nobody decoded; False, and no row, where one of them says more than most do."""
        plain = trials[0].plain_rows(trials, self._finished.n_objectives)
        if plain is None:
            return False
        familiar, params, values, began, ended = plain
        if familiar is not self._familiar[0]:
            self._familiar = familiar, self._finished.id_of(tuple(familiar.distributions.items()))
        self._finished.append(
            [trial.number for trial in trials],
            [trial.state | HAS_VALUES if own else trial.state for trial, own in zip(trials, values, strict=True)],
            [self._familiar[1]] * len(trials),
            params,
            chain.from_iterable([own or self._no_values for own in values]),
            began,
            ended,
        )
        return True

    def _pack_decoded(self, trial: LiveTrial) -> None:
        extras = _extras(trial)
        values = _regular(trial.values, self._finished.n_objectives)
        if trial.values is not None and values is None:
            extras["values"] = trial.values
        code = trial.state | trial.odd | (HAS_VALUES if values is not None else 0) | (HAS_EXTRAS if extras else 0)
        if trial.state == FAIL and trial.user_attrs.get("fail_reason") in HIDDEN_REASONS:
            code |= HIDDEN
        if extras:
            self._finished.note_extras(trial.number, extras)
            if trial.intermediate or trial.system_attrs:
                from journaltune.journal.steps import note  # for trials that reported

                note(self._finished, trial)
        row = [trial.number], [code], [self._shape_id(trial)], trial.params.values(), values or self._no_values
        self._finished.append(*row, [trial.began], [trial.ended])

    def _shape_id(self, trial: LiveTrial) -> int:
        last = self._last_shape
        if last is not None and last[0] is trial.distributions and last[1] == list(trial.params):
            return last[2]
        shape_id = self._finished.id_of(tuple([(name, trial.distributions[name]) for name in trial.params]))
        self._last_shape = (trial.distributions, list(trial.params), shape_id)
        return shape_id


def _extras(trial: LiveTrial) -> dict[str, Any]:
    extras: dict[str, Any] = {}
    if trial.user_attrs:
        extras["user_attrs"] = trial.user_attrs
    if trial.system_attrs:
        extras["system_attrs"] = trial.system_attrs
    if trial.intermediate:
        extras["intermediate"] = trial.intermediate
    if len(trial.distributions) != len(trial.params):
        extras["distributions"] = {k: v for k, v in trial.distributions.items() if k not in trial.params}
    return extras


def _regular(values: list[float] | None, n_objectives: int) -> list[float] | None:
    if values is None or len(values) != n_objectives:
        return None
    return values if all(type(value) is float or (type(value) is int and abs(value) <= 2**53) for value in values) else None
