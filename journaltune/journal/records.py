"""Records: the lines of a journal, their checksums, and how both are read and written.

A record of ours is Optuna's record with two more top-level keys, which stock readers ignore. ``jt`` is metadata for journaltune
only. ``crc`` is the seal, always last: 8 hex digits over the record itself, 8 over everything written since our previous record.
"""

from __future__ import annotations

from binascii import crc32
from time import time_ns

from journaltune.base import UTC, WAITING, array, bisect_left, datetime
from journaltune.base.jsontext import dumps, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

CREATE_STUDY, DELETE_STUDY, SET_STUDY_USER_ATTR, SET_STUDY_SYSTEM_ATTR, CREATE_TRIAL = range(5)
SET_TRIAL_PARAM, SET_TRIAL_STATE_VALUES, SET_TRIAL_INTERMEDIATE, SET_TRIAL_USER_ATTR, SET_TRIAL_SYSTEM_ATTR = range(5, 10)
DISCARD_TRIALS = 10  # Rustuna's; stock Optuna 5 skips it, older readers abort, so it is never written

WORKER_ID = "journaltune"
CONFIG_ATTR = "journaltune:config"
NAN_STEP_ATTR = "journaltune:nan_step"
WITHDRAWN = "journaltune:withdrawn:"  # system attribute of a study, with a trial's number: why its result counts no more
SEAL = b',"crc":"'
SEAL_LENGTH = len(SEAL) + 16 + 2
END_BYTES = 80  # so near to a record's end stands its batch mark: a place of 20 digits at most and the checksums follow it
_BATCH_MARK = b',"from":'
BLANKS = b" \t\r"  # what JSON allows around a record in one line
_HEX = b"0123456789abcdef"
_N_HEADS = 8
_HEAD_FIELDS = ("op_code", "worker_id", "study_id", "state", "distributions")


_last_second = (-1, "")  # since 1970, and its date and time


def now_iso() -> str:
    """The time as Optuna writes it into its journal: UTC, microseconds."""
    global _last_second
    seconds, nanoseconds = divmod(time_ns(), 1_000_000_000)
    known, text = _last_second
    if seconds != known:
        text = datetime.fromtimestamp(seconds, UTC).isoformat()[:19]
        _last_second = (seconds, text)
    return f"{text}.{nanoseconds // 1000:06}+00:00"


def create_study(name: str, directions: Sequence[int], config: Mapping[str, Any] | None) -> dict[str, Any]:
    record: dict[str, Any] = {"op_code": CREATE_STUDY, "worker_id": WORKER_ID, "study_name": name, "directions": list(directions)}
    if config is not None:
        record["jt"] = {"config": config}
    return record


def create_trial(study_id: int, distributions: Mapping[str, str], params: Mapping[str, float], state: int) -> dict[str, Any]:
    """A whole trial in one record. What all asks of a study share comes first: see ``RecordReader``.

    ``distributions`` may have more than ``params``; the record has just those of the parameters, or nobody could read it.
    """
    if len(distributions) != len(params):
        distributions = {name: distributions[name] for name in params}
    return {
        "op_code": CREATE_TRIAL,
        "worker_id": WORKER_ID,
        "study_id": study_id,
        "state": state,
        "distributions": distributions,
        "params": params,
        "datetime_start": None if state == WAITING else now_iso(),
    }


def trial_record(op_code: int, trial_id: int, **fields: object) -> dict[str, Any]:
    return {"op_code": op_code, "worker_id": WORKER_ID, "trial_id": trial_id, **fields}


def study_record(op_code: int, study_id: int, **fields: object) -> dict[str, Any]:
    return {"op_code": op_code, "worker_id": WORKER_ID, "study_id": study_id, **fields}


def finish_trial(trial_id: int, state: int, values: Sequence[float] | None) -> dict[str, Any]:
    return trial_record(
        SET_TRIAL_STATE_VALUES,
        trial_id,
        state=state,
        values=None if values is None else list(values),
        datetime_complete=now_iso(),
    )


def requested(record: dict[str, Any], request_id: str | None) -> dict[str, Any]:
    """The same record for a request that its caller may repeat."""
    return record if request_id is None else {**record, "jt": {**record.get("jt", {}), "id": request_id}}


def finishing(
    trial_id: int,
    state: int,
    values: list[float] | None,
    attrs: Mapping[str, Any],
    constraints: Mapping[str, float],
    request_id: str | None = None,
) -> list[dict[str, Any]]:
    """The records that finish a trial. Attributes first: no reader changes a finished trial."""
    batch = attr_records(SET_TRIAL_USER_ATTR, attrs, trial_id=trial_id) if attrs else []
    if constraints:
        from journaltune.base.constraints import as_attrs  # most tells have none

        constraints = as_attrs(constraints)
    for key, value in constraints.items():
        batch.append(trial_record(SET_TRIAL_SYSTEM_ATTR, trial_id, system_attr={key: value}))
    return [*batch, requested(finish_trial(trial_id, state, values), request_id)]


def attr_records(op_code: int, attrs: Mapping[str, Any], **of: int) -> list[dict[str, Any]]:
    """One record for each attribute of a trial or a study (``of``)."""
    from journaltune.journal.exact import with_attrs  # most tells have none

    field = "user_attr" if op_code in (SET_TRIAL_USER_ATTR, SET_STUDY_USER_ATTR) else "system_attr"
    return [with_attrs({"op_code": op_code, "worker_id": WORKER_ID, **of}, {field: {k: v}}) for k, v in attrs.items()]


def placed(record: Mapping[str, Any], at: int, **metadata: int) -> dict[str, Any]:
    """The record for offset ``at``, where it is about to be written."""
    return {**record, "jt": {"at": at, **record.get("jt", {}), **metadata}}


def seal(record: Mapping[str, Any], link: int | None) -> bytes:
    """One line, without its newline, for a record that was ``placed``."""
    head, rest = b"{", record
    if _has_head(record):
        head, rest = _head(record), {name: value for name, value in record.items() if name not in _HEAD_FIELDS}
    body = head + dumps(rest)[1:-1].encode()
    return b'%s%s%08x%08x"}' % (body, SEAL, crc32(body), link or 0)


def seal_all(batch: Sequence[Mapping[str, Any]], start: int, link: int | None) -> tuple[list[bytes], list[dict[str, Any]]]:
    """The lines of records that are to be written together at ``start``, and the records as a replay of these lines has them."""
    lines: list[bytes] = []
    records: list[dict[str, Any]] = []
    at = start
    for left, record in enumerate(batch, 1 - len(batch)):
        records.append(placed(record, at, **({"from": start} if left else {})))
        lines.append(seal(records[-1], sum_of(lines[-1]) if lines else link))
        at += len(lines[-1]) + 1
    return lines, records


def _has_head(record: Mapping[str, Any]) -> bool:
    """Whether it is an ask, or another record that creates a trial with parameters: what these share comes first."""
    return bool(record.get("distributions")) and "state" in record


def _encode_head(record: Mapping[str, Any]) -> bytes:
    return dumps({name: record.get(name) for name in _HEAD_FIELDS})[:-1].encode() + b","


_last_head: tuple[object, object, object, bytes] = (None, None, None, b"")


def _head(record: Mapping[str, Any]) -> bytes:
    """How every ask of a study begins, up to its distributions; encoded once, as long as these are the same object."""
    global _last_head
    distributions, study_id, state = record["distributions"], record["study_id"], record["state"]
    last, last_id, last_state, head = _last_head
    if last is not distributions or last_id != study_id or last_state != state:
        head = _encode_head(record)
        _last_head = (distributions, study_id, state, head)
    return head


def is_sealed(text: bytes) -> bool:
    return text[-SEAL_LENGTH : -SEAL_LENGTH + len(SEAL)] == SEAL and text.endswith(b'"}')


def is_unsettled(end: bytes) -> bool:
    """Whether the last ``END_BYTES`` before some place say that the record there is not the last of its batch, or was blanked."""
    return end[-1:] == b" " or _BATCH_MARK in end


def is_trailed(text: bytes) -> bool:
    """Whether white space follows the checksums of a record: an editor or a conversion of line ends put it there."""
    return text[-1:] in (b"\r", b"\t", b" ") and is_sealed(text.rstrip(BLANKS))


def is_misspelt(text: bytes) -> bool:
    """Whether a record's checksum of itself is right, but its seal is not spelled as it was written."""
    if text[-2:] != b'"}' or text[-SEAL_LENGTH : 1 - SEAL_LENGTH] != b",":
        return False
    if is_sealed(text) and not text[-18:-2].strip(_HEX):
        return False
    return text[-18:-10].lower() == b"%08x" % own_sum(text)


def sealed_sums(text: bytes) -> tuple[int, int]:
    """The checksums in a seal: of the record itself, and of what came before it. ValueError for digits that we don't write."""
    digits = text[-18:-2]
    if digits.strip(_HEX):
        raise ValueError("checksums that were changed")
    both = int(digits, 16)
    return both >> 32, both & 0xFFFFFFFF


def sealed_sum(line: bytes) -> int:
    """What the seal of a line that was just made says of the record itself."""
    return int(line[-18:-10], 16)


def sum_of(line: bytes) -> int:
    """What the next record of ours says of this one."""
    return crc32(line)


def unsealed(line: bytes) -> bytes:
    """The same record without its seal, as long as it was: the blanks behind it say that something was mended here."""
    return line[:-SEAL_LENGTH] + b"}" + b" " * (SEAL_LENGTH - 1)


def own_sum(text: bytes) -> int:
    return crc32(text[:-SEAL_LENGTH])


def is_as_written(text: bytes) -> bool:
    """Whether a record of ours is whole, whatever it says of what came before it.

    A valid checksum over something that is not JSON doesn't count.
    """
    try:
        return is_sealed(text) and sealed_sums(text)[0] == own_sum(text) and written_at(text) >= 0
    except (ValueError, KeyError, TypeError, RecursionError):
        return False


def written_at(line: bytes) -> int:
    """The offset for which a record of ours was written."""
    return int(RecordReader().decode(line.lstrip(b" "))["jt"]["at"])


class Chain:
    """The running checksum that ties each of our records to all bytes since the previous one.

    ``value`` is None where it can't be known: after blanks, which mending leaves behind. Stock writers don't know our lock, so
    records of theirs may stand between the place that a record of ours was written for and the place where it landed: the chain
    remembers its value at the beginning of each of theirs. Nothing is known of the bytes before ``floor``.
    """

    __slots__ = ("_after", "_offsets", "_values", "floor", "value")

    def __init__(self, value: int | None = 0, floor: int = 0) -> None:
        self.value = value
        self.floor = floor
        self._after = (-1, 0)  # the place that the next record of the same batch was written for, and the link that it has
        self._offsets = array("q")
        self._values = array("q")

    def pass_foreign(self, line: bytes, start: int) -> None:
        """A foreign record that begins at ``start``."""
        self._mark(start)
        if self.value is not None:
            self.value = crc32(line, self.value)

    def pass_own(self, line: bytes, at: int, own: int) -> None:
        """A record of ours with checksum ``own``, written for ``at``: the next of its batch was written for its end."""
        self.value = crc32(line[-SEAL_LENGTH:], own)
        self._after = (at + len(line) + 1, self.value)
        if self._offsets:
            del self._offsets[:], self._values[:]

    def pass_blanks(self, start: int, end: int) -> None:
        """Blanks, which mending left: nothing is known of the bytes that stood there."""
        self._mark(start)
        self.lose(end)

    def lose(self, end: int) -> None:
        """From here on nothing is known of what came before ``end``."""
        self.value, self.floor = None, end

    def _mark(self, offset: int) -> None:
        if self.value is not None:
            self._offsets.append(offset)
            self._values.append(self.value)

    def allows(self, link: int, at: int, start: int) -> bool:
        """Whether a record that begins at ``start`` and was written for offset ``at`` may say ``link`` of what came before."""
        if at >= start or link == self.value:
            return at <= start and (self.value is None or link == self.value)
        if at == self._after[0]:
            return link == self._after[1]
        place = bisect_left(self._offsets, at)
        if place < len(self._offsets) and self._offsets[place] == at:
            return self._values[place] == link
        return self.value is None or at < self.floor


def _loads(text: str) -> dict[str, Any]:
    record = loads(text)
    if not isinstance(record, dict):
        raise ValueError("a record is a JSON object")
    return record


class RecordReader:
    """Decodes lines, and recognises the asks of one search space by their head.

    The distributions are nine tenths of an ask's bytes and the same in every ask of a study. They stand first in our
    records, so a line that begins with a known head, byte for byte, needs only its remainder parsed.
    """

    __slots__ = ("heads",)

    def __init__(self) -> None:
        self.heads: list[tuple[bytes, dict[str, Any]]] = []

    def decode(self, text: bytes) -> dict[str, Any]:
        """The record of a line. ValueError (also UnicodeDecodeError) or RecursionError for a line that holds something else."""
        for head, fields in self.heads:
            if text.startswith(head):
                return fields | _loads("{" + text[len(head) :].decode())
        record = _loads(text.decode())
        if record.get("op_code") == CREATE_TRIAL and record.get("worker_id") == WORKER_ID and record.get("params"):
            self._learn(text, record)
        return record

    def _learn(self, text: bytes, record: dict[str, Any]) -> None:
        head = _encode_head(record)
        if text.startswith(head):
            self._keep(head, record)

    def learn_own(self, record: Mapping[str, Any]) -> None:
        """Recognise the asks that begin as a record of this process does."""
        if _has_head(record):
            head = _head(record)
            if all(known != head for known, _ in self.heads):
                self._keep(head, record)

    def _keep(self, head: bytes, record: Mapping[str, Any]) -> None:
        self.heads.insert(0, (head, {name: record[name] for name in _HEAD_FIELDS}))
        del self.heads[_N_HEADS:]


def depth_of(text: bytes) -> int:
    """How deeply a record nests, or more where brackets stand in its texts."""
    depth = deepest = 0
    for byte in text:
        if byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"]}":
            depth -= 1
    return deepest


def what_is_wrong(text: bytes, error: Exception) -> str:
    if not text:
        return "an empty line"
    if isinstance(error, KeyError):
        return f"a record without its field {error.args[0]!r}"
    shown = " ".join(str(error).split())[:80]
    return f"a line that is no record ({shown})"
