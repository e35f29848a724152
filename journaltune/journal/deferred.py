"""Trials whose records are checked but not yet decoded.

A process that shares a journal replays the records of all others, and never looks at most of them. Where the checksums are
right, a program of ours wrote the record, so decoding can wait until somebody asks for a field.
"""

from __future__ import annotations

from journaltune.base.codes import FAIL, RUNNING
from journaltune.base.errors import JournalDamagedError
from journaltune.base.jsontext import loads
from journaltune.journal import records, replay
from journaltune.journal.state import LiveTrial

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from journaltune.journal.replay import Familiar
    from journaltune.journal.state import JournalState, StudyState

_TOLD = b'{"op_code":6,"worker_id":"journaltune","trial_id":'
_STATE = b',"state":'
_REQUEST_ID = b',"id":"'
_UNREADABLE = (ValueError, TypeError, KeyError, AttributeError, OverflowError, IndexError)
_DECODED = frozenset(LiveTrial.__slots__) - {"study", "trial_id", "number", "state"}


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
        """Note the record that finishes the trial; False when the trial is decoded already, so that the record has to be, too."""
        if self._asked is None:
            return False
        self.state, self._told = state, (told, where)
        return True

    def may_have_owner(self) -> bool:
        """From the bytes of its record: most processes only ask this of the trials of others."""
        if self._asked is None:
            return super().may_have_owner()
        return b'"owner":' in self._asked or b'"ttl_s":' in self._asked

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
                replay.finish(self, loads(told.decode()))
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


def defer(state: JournalState, reader: records.RecordReader, line: bytes, where: tuple[str, int]) -> LiveTrial | bool | None:
    """Apply a line whose checksums are right as ``replay.apply`` would, undecoded; None when the line has to be decoded."""
    if line.startswith(_TOLD):
        return _defer_told(state, line, where)
    for head, fields in reader.heads:
        if line.startswith(head):
            return _defer_asked(state, fields, line[len(head) :], where)
    return None


def _defer_asked(state: JournalState, fields: dict[str, Any], rest: bytes, where: tuple[str, int]) -> LiveTrial | None:
    study = state.studies.get(fields["study_id"])
    if study is None or study.familiar is None or fields["state"] != RUNNING:
        return None
    if study.familiar.distributions is not fields["distributions"]:
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
    code = line[end + len(_STATE)] - 48
    if type(trial) is not DeferredTrial or _REQUEST_ID in line or not 0 < code <= FAIL or not trial.tell(code, line, where):
        return None
    replay.leave(state, trial)
    state.n_records += 1
    return True
