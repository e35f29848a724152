"""Bytes of a journal that changed after they were written: found, with the offset, or without any effect.

What can't be found, by construction:

- a change of the records of others after our last record, if they still are records: theirs have no checksums, and the next
  record of ours covers them;
- the loss of the journal's very last newline: that is what a writer who was killed leaves, so the record counts as never written;
- a sound record of others that somebody put between two records of ours: it may have slipped in when those were written.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from journaltune.base.errors import JournalDamagedError
from journaltune.engine.ask import ask
from journaltune.engine.create import create
from journaltune.engine.enqueue import enqueue
from journaltune.engine.tell import tell
from journaltune.journal import records
from journaltune.journal.journal import Journal
from journaltune.journal.upkeep.check import check
from journaltune.journal.upkeep.repair import repair
from journaltune.space import space_from_params
from journaltune.study.trials import trials_of

FLIPS = (0x01, 0x04, 0x10, 0x20, 0x80)
FLOAT = json.dumps({"name": "FloatDistribution", "attributes": {"low": 0.0, "high": 1.0, "log": False}})


def stock_line(op_code: int, **fields: Any) -> bytes:
    return json.dumps({"op_code": op_code, "worker_id": "stock", **fields}).encode() + b"\n"


STOCK = [
    stock_line(4, study_id=0, datetime_start="2024-01-01T00:00:00+00:00"),
    stock_line(5, trial_id=1, param_name="x", param_value_internal=0.25, distribution=FLOAT),
    stock_line(6, trial_id=1, state=1, values=[0.5], datetime_complete="2024-01-01T00:00:00+00:00"),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Records of ours, of others, of ours again: an ask, a stock trial, blanks, a tell."""
    path = tmp_path / "s.journal"
    study = create(path, name="s", space=space_from_params({"x": "float(0, 1)"}), seed=1, sampler="random")
    ask(study)
    with path.open("ab") as file:
        file.writelines([*STOCK, b"       "])
    tell(study, 0, 0.125, attrs={"k": "ü"})
    ask(study)
    return path


def view(path: Path) -> list[Any]:
    """All that an answer could depend on."""
    state = Journal(str(path)).state
    return [
        (s.study_id, s.name, s.directions, s.user_attrs, s.system_attrs, s.config, repr(trials_of(s, set(range(5)))))
        for s in state.studies.values()
    ] + [[trial.metadata for trial in state.live.values()], state.n_trials]


def changed(data: bytes, at: int, mask: int) -> bytes:
    return data[:at] + bytes([data[at] ^ mask]) + data[at + 1 :]


def start_of_line(data: bytes, at: int) -> int:
    return data.rfind(b"\n", 0, at) + 1


def outcome(path: Path, data: bytes) -> JournalDamagedError | list[Any]:
    path.write_bytes(data)
    try:
        return view(path)
    except JournalDamagedError as error:
        return error


@pytest.mark.parametrize("turn", [0, 3])
def test_a_flipped_bit_before_our_last_record_ends_is_found_or_has_no_effect(path: Path, turn: int) -> None:
    """In every third byte; `scripts/torture flips` has each bit."""
    data, sound = path.read_bytes(), view(path)
    missed = []
    for at in range(turn, len(data) - 1, 6):
        seen = outcome(path, changed(data, at, FLIPS[(at + turn) % len(FLIPS)]))
        if isinstance(seen, JournalDamagedError):
            # At the line itself, or (a stock record has no checksum) at the next record of ours.
            assert start_of_line(data, at) <= seen.offset <= len(data)
            own = re.compile(rb'\{"op_code":\d').search(data, at)  # stock lines here have a space before the digit
            assert seen.offset <= (own.start() if own else at)
        elif seen != sound:
            missed.append((at, data[max(0, at - 20) : at + 20]))
    assert missed == []


def test_a_flipped_bit_in_a_record_of_ours_is_named_with_that_record(path: Path) -> None:
    data, sound = path.read_bytes(), view(path)
    start = data.index(b'"values":[0.125]') - 60
    start = data.rfind(b'{"op_code":6', 0, start + 60)
    end = data.index(b"\n", start)
    for at in range(start, end):
        seen = outcome(path, changed(data, at, 0x01))
        assert isinstance(seen, JournalDamagedError), data[at - 10 : at + 10]
        assert start <= seen.offset <= at, data[at - 10 : at + 10]
    assert outcome(path, data) == sound


def test_a_flipped_bit_in_the_very_last_record_of_ours_is_named_with_it(path: Path) -> None:
    """Also in its checksums: nothing is needed that was written after it."""
    data = path.read_bytes()
    start = start_of_line(data, len(data) - 1)
    for bit in range(8):
        for at in [*range(start, len(data) - 1 - records.SEAL_LENGTH, 17), *range(len(data) - 30, len(data) - 1)]:
            seen = outcome(path, changed(data, at, 1 << bit))
            assert isinstance(seen, JournalDamagedError), (bit, data[at - 10 : at + 10])
            assert start <= seen.offset <= len(data)
            assert [one.offset for one in check(path).findings] == [seen.offset]


def test_a_flipped_bit_in_checksums_is_put_right_by_repair(path: Path) -> None:
    data = path.read_bytes()
    ends = [match.end() for match in re.finditer(rb'"crc":"[0-9a-f]{16}"\}\n', data)]
    for bit in range(8):
        for at in (end - back for end in (ends[1], ends[-2], ends[-1]) for back in (22, 20, 17, 12, 11, 5)):
            outcome(path, changed(data, at, 1 << bit))
            assert repair(path)
            assert view(path) == outcome(path, data), (bit, at)


def test_of_the_last_stock_records_only_what_is_no_record_any_more_is_found(path: Path) -> None:
    """The known limit: nothing of ours covers them yet. And the next record of ours does not bless what it was written after."""
    data = path.read_bytes()
    tail = stock_line(2, study_id=0, user_attr={"k": 0.5})
    place = len(data) + tail.index(b"0.5")
    wrong = changed(data + tail, place, 0x01)
    assert not isinstance(outcome(path, wrong), JournalDamagedError)
    assert isinstance(outcome(path, changed(data + tail, len(data) + 1, 0x01)), JournalDamagedError)
    path.write_bytes(data + tail)
    journal = Journal(str(path))
    with journal.locked():
        journal.append([records.study_record(records.SET_STUDY_USER_ATTR, 0, user_attr={"covers": 1})])
    found = outcome(path, changed(path.read_bytes(), place, 0x01))
    assert isinstance(found, JournalDamagedError)
    assert found.offset == len(data + tail)


def test_a_flipped_bit_in_the_last_stock_records_is_never_anything_but_damage_or_another_record(path: Path) -> None:
    data = path.read_bytes()
    tail = b"".join(STOCK).replace(b'"trial_id": 1', b'"trial_id": 3')
    for at in range(len(data), len(data + tail)):
        outcome(path, changed(data + tail, at, FLIPS[at % len(FLIPS)]))  # no other exception


def lines_of(data: bytes) -> list[bytes]:
    return data.splitlines(keepends=True)


@pytest.mark.parametrize("gone", [1, 2, 3, 4, 5])
def test_a_line_that_was_taken_out_is_noticed(path: Path, gone: int) -> None:
    """By hand, with `sed`: what stands after it was not written after what stands before it."""
    lines = lines_of(path.read_bytes())
    assert len(lines) == 8
    seen = outcome(path, b"".join(lines[:gone] + lines[gone + 1 :]))
    assert isinstance(seen, JournalDamagedError)


def test_a_line_that_was_taken_out_before_mended_bytes_is_noticed(tmp_path: Path) -> None:
    """What follows blanks carries no checksum that could be compared; but it says where it was written."""
    path = tmp_path / "s.journal"
    study = create(path, name="s", space=space_from_params({"x": "float(0, 1)"}), seed=1)
    with path.open("ab") as file:
        file.writelines([STOCK[0], b"    " + STOCK[0]])
    enqueue(study, {"x": 0.5})
    lines = lines_of(path.read_bytes())
    assert not isinstance(outcome(path, b"".join(lines)), JournalDamagedError)
    assert isinstance(outcome(path, b"".join(lines[:1] + lines[2:])), JournalDamagedError)


@pytest.mark.parametrize("first", [1, 2, 3, 5, 6])
def test_lines_that_changed_places_are_noticed(path: Path, first: int) -> None:
    lines = lines_of(path.read_bytes())
    lines[first : first + 2] = lines[first + 1], lines[first]
    assert isinstance(outcome(path, b"".join(lines)), JournalDamagedError)


BAD_LINES = {
    "an empty line": (b"", 0),
    "a blank line": (b"    ", 4),
    "no JSON": (b"garbage", 0),
    "no JSON after blanks": (b"  garbage", 2),
    "half a record": (STOCK[0][:30], 0),
    "two records on a line": (STOCK[0][:-1] + STOCK[1][:-1], 0),
    "no object": (b"[1]", 0),
    "null": (b"null", 0),
    "bytes that are no UTF-8": (b'{"op_code":2,"x":"\xff"}', 18),
    "UTF-16": ('{"op_code":2}'.encode("utf-16"), 0),
    "a byte order mark": (b"\xef\xbb\xbf" + STOCK[0][:-1], 0),
    "zeros": (bytes(64), 0),
    "deep nesting": (stock_line(2, study_id=0, user_attr={"k": 1}).replace(b"1}", b"[" * 50_000 + b"]" * 50_000 + b"}"), 0),
    "an integer of 5,000 digits": (stock_line(2, study_id=0, user_attr={"k": 1})[:-4] + b"1" * 5000 + b"}}", 0),
    "an unknown op code": (b'{"op_code":11,"worker_id":"w"}', 0),
    "a negative op code": (b'{"op_code":-1,"worker_id":"w"}', 0),
    "an op code that is text": (b'{"op_code":"2","worker_id":"w"}', 0),
    "no op code": (b'{"worker_id":"w"}', 0),
    "a field that is missing": (b'{"op_code":2,"worker_id":"w","study_id":0}', 0),
    "two attributes in one record": (stock_line(2, study_id=0, user_attr={"a": 1, "b": 2})[:-1], 0),
    "a value that is no number": (stock_line(7, trial_id=2, step=1, intermediate_value="x")[:-1], 0),
    "a time before the year 1": (stock_line(4, study_id=0, datetime_start="0001-01-01T00:00:00+14:00")[:-1], 0),
    "a time after the year 9999": (stock_line(4, study_id=0, datetime_start="9999-12-31T23:59:59-14:00")[:-1], 0),
    "a checksum that is none": (b'{"op_code":2,"jt":{"at":0},"crc":"0123456789abcdeg"}', 0),
    "a sealed record without a place": (b'{"op_code":2,"crc":"0123456789abcdef"}', 0),
}


@pytest.mark.parametrize("kind", BAD_LINES)
def test_a_line_that_is_no_record_is_named_with_its_offset(path: Path, kind: str) -> None:
    line, inside = BAD_LINES[kind]
    data = path.read_bytes()
    for after in (b"", STOCK[0]):
        seen = outcome(path, data + line.rstrip(b"\n") + b"\n" + after)
        assert isinstance(seen, JournalDamagedError)
        assert seen.offset == len(data) + inside
        assert seen.exit_code == 6
        message = str(seen)
        assert f"byte {seen.offset}:" in message
        assert "journaltune repair" in message
        assert "\n" not in message
        assert len(message) < 500


@pytest.mark.parametrize("kind", BAD_LINES)
def test_a_damaged_journal_is_refused_by_a_running_reader_and_never_written_to(path: Path, kind: str) -> None:
    running = Journal(str(path))
    with path.open("ab") as file:
        file.write(STOCK[0] + BAD_LINES[kind][0].rstrip(b"\n") + b"\n")
    data = path.read_bytes()
    for _ in range(2):
        with pytest.raises(JournalDamagedError), running.locked():
            running.append([records.study_record(records.SET_STUDY_USER_ATTR, 0, user_attr={"k": 1})])
    assert path.read_bytes() == data


def test_a_mended_journal_is_read_on_without_counting_anything_twice(path: Path) -> None:
    running = Journal(str(path))
    with path.open("ab") as file:
        file.writelines([STOCK[0], b"garbage\n", STOCK[0]])
    for _ in range(3):
        with pytest.raises(JournalDamagedError):
            running.sync()
    path.write_bytes(path.read_bytes().replace(b"garbage\n", b"        "))
    running.sync()
    assert running.state.n_trials == Journal(str(path)).state.n_trials == 5


@pytest.mark.parametrize("ending", [b"\r\n", b" \n", b" \t\n", b" \n    "], ids=repr)
@pytest.mark.parametrize("leading", [b"", b"  "], ids=repr)
def test_white_space_around_a_record_is_read_and_written_behind(path: Path, leading: bytes, ending: bytes) -> None:
    before = Journal(str(path)).state.n_trials
    with path.open("ab") as file:
        file.write(leading + STOCK[0].rstrip(b"\n") + ending)
    running = Journal(str(path))
    for number in range(2):
        with running.locked():
            running.append([records.study_record(records.SET_STUDY_USER_ATTR, 0, user_attr={"k": number})])
    fresh = Journal(str(path))
    assert (fresh.state.n_trials, fresh.state.studies[0].user_attrs) == (before + 1, {"k": 1})
