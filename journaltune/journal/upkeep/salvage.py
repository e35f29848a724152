"""What can be saved of a line that is no record: the records in it, or the record that it was before one bit flipped."""

from __future__ import annotations

import json
import re
from binascii import crc32

from journaltune.base.frozen import Frozen
from journaltune.base.jsontext import loads
from journaltune.journal import records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_BITS_TRIED = 1 << 17
HEAD = re.compile(rb'\{"op_code":(\d+),"worker_id":"[^"]*"(?:,"(study|trial)_id":(\d+))?')
_SHORTER = re.compile(rb'\{"op_code":\d+,"worker_id":"[\w-]*([\w-])"')
_WORDS = (  # by operation
    "a study",
    "that study {} was deleted",
    "an attribute of study {}",
    "an attribute of study {}",
    "what was asked for a trial of study {}",
    "a parameter of the trial with id {}",
    "the start or the result of the trial with id {}",
    "an intermediate value of the trial with id {}",
    "an attribute of the trial with id {}",
    "an attribute of the trial with id {}",
)


class Piece(Frozen):
    """A record inside of a line: where it begins and ends there, and its bytes."""

    begin: int
    end: int
    text: bytes


def whole_records(line: bytes) -> list[Piece]:
    """The records that stand in one line, with garbage between them or nothing at all."""
    pieces, at, text = [], 0, line.decode("latin-1")  # one character for each byte
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
            pieces.append(piece)
        at = end
    return pieces


def _is_record(value: dict[str, Any]) -> bool:
    return type(value.get("op_code")) is int and 0 <= value["op_code"] <= records.DISCARD_TRIALS and "worker_id" in value


def is_unchanged(text: bytes) -> bool:
    """Whether the checksum of a record is right, where it has one."""
    try:
        return not records.is_sealed(text) or records.sealed_sums(text)[0] == records.own_sum(text)
    except ValueError:
        return False


def decoded(text: bytes) -> dict[str, Any] | None:
    """The record that a line holds, or None when the line holds something else."""
    try:
        value = loads(text.decode())
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and _is_record(value) else None


def is_part(line: bytes) -> bool:
    """Whether a bad line may be a part of one: a byte in that may have become a newline, or its garbage may hold some."""
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
    """The texts one bit away that have this checksum."""
    ahead = 0
    for place, byte in enumerate(body):
        rest = memoryview(body)[place + 1 :]
        for bit in range(8):
            if crc32(rest, crc32(bytes((byte ^ 1 << bit,)), ahead)) == stored:
                yield body[:place] + bytes((byte ^ 1 << bit,)) + bytes(rest)
        ahead = crc32(bytes((byte,)), ahead)


def shortened(text: bytes) -> bytes | None:
    """The same record in at least one byte less, so that a newline can follow; None when nothing can be spared.

    A record of ours loses its checksums. Of another program's record the worker's name loses a letter: the name matters only to
    that worker while it runs, and it can't have gone on after a line that no reader can read.
    """
    if records.is_sealed(text):
        return records.unsealed(text)[:-1]
    letter = _SHORTER.match(text)
    return text[: letter.start(1)] + text[letter.end(1) :] if letter else None


def described(text: bytes) -> str:
    """What a broken record would have said, as far as its beginning tells."""
    head = HEAD.search(text)
    if head is None or len(head[1]) > 1:
        return "what stood there"
    return _WORDS[int(head[1])].format(head[3].decode() if head[3] else "?")
