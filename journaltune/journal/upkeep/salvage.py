"""What can be saved of a line that is no record: the records in it, and a record of which one bit flipped."""

from __future__ import annotations

import json
import re
from binascii import crc32

from journaltune.base.jsontext import loads
from journaltune.journal import records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_BITS_TRIED = 1 << 17
HEAD = re.compile(rb'\{"op_code":(\d+),"worker_id":"[^"]*"(?:,"(study|trial)_id":(\d+))?')
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
        part = text[end : end + 1] in (",", "}", "]") and not records.is_sealed(piece.text)  # of a bigger value
        if _is_record(value) and not part and is_unchanged(piece.text):
            found.append(piece)
        at = end
    return found


def _is_record(value: dict[str, Any]) -> bool:
    return type(value.get("op_code")) is int and 0 <= value["op_code"] <= records.DISCARD_TRIALS and "worker_id" in value


def is_unchanged(text: bytes) -> bool:
    """Whether the checksum of a record is right, where it has one."""
    try:
        return not records.is_sealed(text) or records.sealed_sums(text)[0] == records.own_sum(text)
    except ValueError:
        return False


def decoded(text: bytes) -> dict[str, Any] | None:
    """The record that a line holds, or None when it holds none."""
    try:
        value = loads(text.decode())
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and _is_record(value) else None


def is_part(line: bytes) -> bool:
    """Whether a bad line can be a part of one: a byte in it may have become a newline, or garbage may hold some."""
    text = line.strip(records.BLANKS)
    return not (text.startswith(b'{"op_code"') and text.endswith(b"}")) and not whole_records(line)


def without_flipped_bit(line: bytes) -> Iterator[bytes]:
    """The records of ours that this line may have been before one bit of it flipped; the first that can be read is the one.

    A wrong one would need another record, one bit away, with the same checksum of 32 bits.
    """
    body, seal = line[: -records.SEAL_LENGTH], line[-records.SEAL_LENGTH :]
    for made in _flipped(seal):
        if records.is_sealed(body + made) and is_unchanged(body + made):
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
    found = HEAD.search(text)
    words = _WORDS.get(int(found[1])) if found and len(found[1]) < 3 else None
    if found is None or words is None:
        return "what stood there"
    return words.format(found[3].decode() if found[3] else "?")
