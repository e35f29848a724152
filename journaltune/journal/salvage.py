"""What can be saved of a line that is no record: the records in it, a flipped bit, and the places of trials that were lost."""

from __future__ import annotations

import json
import re
from binascii import crc32

from journaltune.journal import records
from journaltune.jsontext import dumps, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from journaltune.journal.state import JournalState

_LOOK_AHEAD = 10_000  # records; more than any number of processes writes between two asks of a study
_BITS_TRIED = 1 << 17
_HEAD = re.compile(rb'\{"op_code":(\d+),"worker_id":"[^"]*"(?:,"(study|trial)_id":(\d+))?')
_NAME = re.compile(rb'"study_name":("(?:[^"\\]|\\.)*")')
_DIRECTIONS = re.compile(rb'"directions":(\[[012](?:, ?[012])*\])')
_WORDS = {
    records.CREATE_STUDY: "a study",
    records.DELETE_STUDY: "that study {} was deleted",
    records.SET_STUDY_USER_ATTR: "an attribute of study {}",
    records.SET_STUDY_SYSTEM_ATTR: "an attribute of study {}",
    records.CREATE_TRIAL: "what was asked for a trial of study {}",
    records.SET_TRIAL_PARAM: "a parameter of the trial with id {}",
    records.SET_TRIAL_STATE_VALUES: "the start or the result of the trial with id {}",
    records.SET_TRIAL_INTERMEDIATE: "an intermediate value of the trial with id {}",
    records.SET_TRIAL_USER_ATTR: "an attribute of the trial with id {}",
    records.SET_TRIAL_SYSTEM_ATTR: "an attribute of the trial with id {}",
}


class Piece:
    """A record inside of a line: where it begins and ends there, and its bytes."""

    __slots__ = ("begin", "end", "text")

    def __init__(self, begin: int, end: int, text: bytes) -> None:
        self.begin, self.end, self.text = begin, end, text


def whole_records(line: bytes) -> list[Piece]:
    """The records that stand in one line, with garbage between them or nothing at all."""
    found, at, text = [], 0, line.decode("latin-1")  # one character for each byte
    decoder = json.JSONDecoder()
    while (begin := text.find('{"', at)) >= 0:
        try:
            value, end = decoder.raw_decode(text, begin)
        except (ValueError, RecursionError):
            at = begin + 1
            continue
        piece = Piece(begin, end, line[begin:end])
        if _is_record(value) and text[end : end + 1] not in (",", "}", "]") and _is_unchanged(piece.text):
            found.append(piece)
        at = end
    return found


def _is_record(value: dict[str, Any]) -> bool:
    return type(value.get("op_code")) is int and 0 <= value["op_code"] <= records.DISCARD_TRIALS and "worker_id" in value


def _is_unchanged(text: bytes) -> bool:
    try:
        return not records.is_sealed(text) or records.sealed_sums(text)[0] == records.own_sum(text)
    except ValueError:
        return False


def is_part(line: bytes) -> bool:
    """Whether a bad line can be a part of one: a byte in it may have become a newline, or garbage may hold some."""
    return not (line.lstrip(b" ").startswith(b'{"op_code"') and line.endswith(b"}")) and not whole_records(line)


def without_flipped_bit(line: bytes) -> Iterator[bytes]:
    """The records of ours that this line may have been before one bit of it flipped; the first that can be read is the one.

    A wrong one would need another record, one bit away, with the same checksum of 32 bits.
    """
    body, seal = line[: -records.SEAL_LENGTH], line[-records.SEAL_LENGTH :]
    for made in _flipped(seal):
        if records.is_sealed(body + made) and _is_unchanged(body + made):
            yield body + made
    if records.is_sealed(line) and len(body) * 8 <= _BITS_TRIED:
        try:
            yield from (made + seal for made in _unflipped(body, records.sealed_sums(line)[0]))
        except ValueError:
            return


def _flipped(data: bytes) -> Iterator[bytes]:
    for place, byte in enumerate(data):
        for bit in range(8):
            yield data[:place] + bytes((byte ^ 1 << bit,)) + data[place + 1 :]


def _unflipped(body: bytes, stored: int) -> Iterator[bytes]:
    """What has this checksum, one bit away."""
    ahead = 0
    for place, byte in enumerate(body):
        rest = memoryview(body)[place + 1 :]
        for bit in range(8):
            if crc32(rest, crc32(bytes((byte ^ 1 << bit,)), ahead)) == stored:
                yield body[:place] + bytes((byte ^ 1 << bit,)) + bytes(rest)
        ahead = crc32(bytes((byte,)), ahead)


def shortened(text: bytes) -> bytes | None:
    """The same record in at least one byte less, so that a newline can follow; None when nothing can be spared.

    A record of ours loses its checksums. Of others' the name of the worker loses a letter: it matters to that worker only, as
    long as it runs, and it can't have gone on after a line that no reader can read.
    """
    if records.is_sealed(text):
        return records.unsealed(text)[:-1]
    found = re.match(rb'\{"op_code":\d+,"worker_id":"[\w-]*([\w-])"', text)
    return text[: found.start(1)] + text[found.end(1) :] if found else None


def described(text: bytes) -> str:
    """What a broken record would have said, as far as its beginning tells."""
    found = _HEAD.search(text)
    words = _WORDS.get(int(found[1])) if found and len(found[1]) < 3 else None
    if found is None or words is None:
        return "what stood there"
    return words.format(found[3].decode() if found[3] else "?")


class Lost:
    """What has to stand in a gap for the ids and numbers after it to be right: study names, and study ids of trials."""

    __slots__ = ("studies", "trials")

    def __init__(self) -> None:
        self.studies: list[bytes] = []
        self.trials: list[int] = []

    def records(self, room: int) -> list[bytes]:
        """Records for what was lost, in at most ``room`` bytes with a newline between each two; without reasons if need be."""
        for reason in (b',"user_attrs":{"fail_reason":"damaged"}', b""):
            made = [
                *self.studies,
                *(
                    b'{"op_code":4,"worker_id":"","study_id":%d,"datetime_start":null,"state":3%s}' % (i, reason)
                    for i in self.trials
                ),
            ]
            if sum(map(len, made)) + len(made) - 1 <= room:
                return made
        return []


def lost(state: JournalState, gap: bytes, pieces: Iterable[Piece], following: Iterable[bytes]) -> Lost:
    """What the lines after a gap show to have stood in it.

    Our asks say which number they are for, and no record is written for a trial or study that is not there. Where nothing
    after the gap tells, its own bytes do.
    """
    count = _Count(state)
    for piece in pieces:
        count.add(_decoded(piece.text) or {}, believable=False)
    for number, line in enumerate(following):
        record = _decoded(line.strip(b" "))
        if record is None or number > _LOOK_AHEAD or count.is_sure():
            break
        count.add(record, believable=_is_unchanged(line.strip(b" ")))
    return count.lost(gap)


def _decoded(text: bytes) -> dict[str, Any] | None:
    try:
        value = loads(text.decode())
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and _is_record(value) else None


class _Count:
    """Counts trials and studies on from a state, and by how many the records say that there were more."""

    __slots__ = ("_missing", "_missing_studies", "_missing_trials", "_n_studies", "_n_trials", "_next", "_numbers", "_sure")

    def __init__(self, state: JournalState) -> None:
        self._n_studies, self._n_trials = state.n_studies, state.n_trials
        self._numbers = {study_id: study.n_trials for study_id, study in state.studies.items()}
        self._missing: dict[int, int] = {}
        self._missing_trials = self._missing_studies = 0
        self._next: int | None = None  # the study of the next trial
        self._sure: set[int] = set()

    def is_sure(self) -> bool:
        return bool(self._sure) and self._sure.issuperset(self._numbers)

    def add(self, record: Mapping[str, Any], *, believable: bool) -> None:
        op_code, study_id, trial_id = record.get("op_code"), record.get("study_id"), record.get("trial_id")
        if op_code == records.CREATE_STUDY:
            self._numbers[self._n_studies + self._missing_studies] = 0
            self._n_studies += 1
        elif type(study_id) is int:
            self._missing_studies = max(self._missing_studies, min(study_id + 1 - self._n_studies, 100))
            if op_code == records.CREATE_TRIAL:
                self._add_trial(study_id, record, believable)
        elif type(trial_id) is int and op_code != records.DISCARD_TRIALS:
            self._missing_trials = max(self._missing_trials, trial_id + 1 - self._n_trials)

    def _add_trial(self, study_id: int, record: Mapping[str, Any], believable: bool) -> None:
        meant = (record.get("jt") or {}).get("n") if believable else None
        number = self._numbers.setdefault(study_id, 0)
        if type(meant) is int and study_id not in self._sure:
            self._sure.add(study_id)
            if meant > number:
                self._missing[study_id] = meant - number
        if self._next is None:
            self._next = study_id
        self._numbers[study_id] += 1
        self._n_trials += 1

    def lost(self, gap: bytes) -> Lost:
        found = Lost()
        for place in range(self._missing_studies):
            found.studies.append(_study_record(gap, self._n_studies + place))
        head = _HEAD.search(gap)
        op_code = int(head[1]) if head and len(head[1]) < 3 else -1
        if not found.studies and op_code == records.CREATE_STUDY and not self._numbers:
            found.studies.append(_study_record(gap, self._n_studies))
        for study_id, missing in self._missing.items():
            found.trials += [study_id] * missing
        home = self._home()
        if op_code == records.CREATE_TRIAL and head and head[3]:
            home = int(head[3])
            if not found.trials and home not in self._sure and gap.rstrip(b"\n").endswith(b"}"):
                self._missing_trials = max(self._missing_trials, 1)
        found.trials += [home] * (self._missing_trials - len(found.trials))
        return found

    def _home(self) -> int:
        """The study that a trial belonged to of which only the id is known to be missing: not one whose numbers are right."""
        unsure = [study_id for study_id in self._numbers if study_id not in self._sure]
        if self._next is not None and (self._next in unsure or not unsure):
            return self._next
        return max(unsure or self._numbers, default=0)


def _study_record(gap: bytes, study_id: int) -> bytes:
    name, directions = _NAME.search(gap), _DIRECTIONS.search(gap)
    text = name[1] if name else dumps(f"recovered-{study_id}").encode()
    return b'{"op_code":0,"worker_id":"","study_name":%s,"directions":%s}' % (text, directions[1] if directions else b"[1]")
