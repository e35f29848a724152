"""Records that are whole but stand in a wrong place: `repair` names them, and changes nothing."""

from __future__ import annotations

import json
import os
from binascii import crc32
from pathlib import Path

import pytest
from lines import lines_of, put, results

from journaltune import JournalDamagedError, create_study
from journaltune.journal import records
from journaltune.journal.upkeep.check import check
from journaltune.journal.upkeep.repair import repair


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Each value is what was suggested. An enqueued trial is in it too, which says no number."""
    found = tmp_path / "study.journal"
    study = create_study(found, params={"x": "float(0, 1)"}, seed=1)
    for number in range(6):
        if number == 3:
            study.enqueue({"x": 0.5})
        trial = study.ask()
        study.tell(trial, trial.params["x"])
    return found


def refused(path: Path, lines: list[bytes]) -> int:
    """Put the lines into the journal: ``repair`` changes nothing, and ``check`` names the same place. Which line that is."""
    put(path, lines)
    snapshot, journal = Path(f"{path}.d/snapshot"), path.read_bytes()
    snapshot.parent.mkdir(exist_ok=True)
    snapshot.write_bytes(b"of the journal as it was")
    with pytest.raises(JournalDamagedError) as caught:
        repair(str(path))
    assert path.read_bytes() == journal
    assert os.listdir(snapshot.parent) == ["snapshot"]
    assert not os.path.lexists(f"{path}.lock")
    message = str(caught.value)
    assert "lines were moved, doubled or put in by hand; undo that" in message
    assert "mends it" not in message
    assert "\n" not in message
    named = [(one.what, one.mend) for one in check(str(path)).findings if one.offset == caught.value.offset]
    assert named == [(caught.value.what, caught.value.way_out)] or b"\0" in journal, "a line that is no record comes first"
    return journal[: caught.value.offset].count(b"\n")


@pytest.mark.parametrize("n_lines", [1, 2, 4])
@pytest.mark.parametrize("place", range(13))
def test_lines_that_stand_there_twice_are_not_mended(path: Path, place: int, n_lines: int) -> None:
    lines = lines_of(path)
    twice = lines[place : place + n_lines]
    assert refused(path, lines[: place + n_lines] + twice + lines[place + n_lines :]) == place + len(twice)


@pytest.mark.parametrize("place", range(12))
def test_two_lines_that_changed_places_are_not_mended(path: Path, place: int) -> None:
    lines = lines_of(path)
    assert refused(path, [*lines[:place], lines[place + 1], lines[place], *lines[place + 2 :]]) == place + 1


@pytest.mark.parametrize(("to", "named"), [(0, 1), (3, 4), (11, 11)])
def test_a_line_that_was_moved_is_not_mended(path: Path, to: int, named: int) -> None:
    lines = lines_of(path)
    moved = lines.pop(7)
    assert refused(path, [*lines[:to], moved, *lines[to:]]) == named


def test_an_ask_that_was_moved_past_others_records_is_not_mended(path: Path) -> None:
    lines = lines_of(path)
    stock = b'{"op_code":2,"worker_id":"w","study_id":0,"user_attr":{"k":%d}}'
    moved = lines.pop(3)
    assert refused(path, [*lines[:8], *(stock % number for number in range(3)), moved, *lines[8:]]) == 11


def test_a_line_that_stands_there_twice_is_not_mended_where_a_disk_lost_the_newline_behind_it(path: Path) -> None:
    lines = lines_of(path)
    assert refused(path, [*lines[:5], lines[4] + b"\0" + lines[5], *lines[6:]]) == 5


def test_a_misplaced_line_keeps_other_damage_from_being_mended(path: Path) -> None:
    """What stands before it could be mended, but whoever undoes the edit wants the file as it was."""
    lines = lines_of(path)
    assert refused(path, [lines[0], b"garbage", *lines[1:9], lines[3], *lines[9:]]) == 10


def test_when_the_edit_is_undone_repair_mends_what_a_disk_did(path: Path) -> None:
    before, lines = results(path), lines_of(path)
    refused(path, [lines[0], b"garbage", *lines[1:9], lines[3], *lines[9:]])
    put(path, [lines[0], b"garbage", *lines[1:]])
    repair(str(path))
    assert results(path) == before


@pytest.fixture
def foreign(tmp_path: Path) -> list[bytes]:
    """An ask and a tell out of another journal."""
    path = tmp_path / "other.journal"
    other = create_study(path, params={"x": "float(0, 1)"}, seed=2)
    for _ in range(9):
        other.tell(other.ask(), 1.0)
    return lines_of(path)[-2:]


@pytest.mark.parametrize("n_lines", [1, 2])
@pytest.mark.parametrize("place", [1, 3, 8])
def test_lines_of_another_journal_are_not_taken_for_its_own(path: Path, foreign: list[bytes], place: int, n_lines: int) -> None:
    lines = lines_of(path)
    assert refused(path, [*lines[:place], *foreign[:n_lines], *lines[place:]]) in range(place, place + n_lines + 1)


def test_a_line_of_another_journal_that_would_fit_is_not_taken_for_its_own(path: Path, tmp_path: Path) -> None:
    """The same study under the same name in another folder: their records have the same lengths."""
    other, lines = tmp_path / "else" / "study.journal", lines_of(path)
    other.parent.mkdir()
    copied = create_study(other, params={"x": "float(0, 1)"}, seed=2)
    for _ in range(3):
        copied.tell(copied.ask(), 1.0)
    for place in range(1, 6):
        refused(path, [*lines[:place], lines_of(other)[place], *lines[place:]])


def test_it_is_said_when_a_trial_is_not_the_one_that_it_was_made_for(path: Path) -> None:
    """Another program's trial overtook an ask; what stood before both was changed afterwards."""
    lines, other = lines_of(path)[:4], b'{"op_code":2,"worker_id":"w","study_id":0,"user_attr":{"k":1}}'
    overtaking = b'{"op_code":4,"worker_id":"w","study_id":0,"datetime_start":null}'
    ask = {key: value for key, value in json.loads(lines.pop()).items() if key != "crc"}
    ask["jt"]["at"] = sum(len(line) + 1 for line in [*lines, other])
    ask_line = records.seal(ask, crc32(other, records.sum_of(lines[-1])))
    put(path, [*lines, other, overtaking, ask_line])
    assert check(str(path)).findings == []
    put(path, [*lines, other.replace(b'"k":1', b'"k":2'), overtaking, ask_line])
    assert "made for trial 1 and is trial 2 now, so later trials may have results of others" in repair(str(path))[0].done
