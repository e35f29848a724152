"""Records that are whole but stand in a wrong place: `repair` lets no result go to another trial for it."""

from __future__ import annotations

import json
from binascii import crc32
from pathlib import Path

import pytest
from lines import lines_of, put, results

from journaltune import create_study
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


@pytest.mark.parametrize("n_lines", [1, 2, 4])
@pytest.mark.parametrize("place", range(13))
def test_lines_that_stand_there_twice_count_once(path: Path, place: int, n_lines: int) -> None:
    before, lines = results(path), lines_of(path)
    put(path, lines[: place + n_lines] + lines[place : place + n_lines] + lines[place + n_lines :])
    mended = repair(str(path))
    assert results(path) == before
    assert check(str(path)).findings == []
    assert repair(str(path)) == []
    assert any(Path(one.copy).read_bytes().startswith(lines[place]) for one in mended)


def test_a_copy_is_named(path: Path) -> None:
    lines = lines_of(path)
    put(path, [*lines[:2], lines[1], *lines[2:]])
    (mended,) = repair(str(path))
    assert mended.done == "blanked; it stands in another place, too, or its trial was noted already"


@pytest.mark.parametrize("place", range(12))
def test_two_lines_that_changed_places_change_them_back(path: Path, place: int) -> None:
    whole, lines = path.read_bytes(), lines_of(path)
    put(path, [*lines[:place], lines[place + 1], lines[place], *lines[place + 2 :]])
    (mended,) = repair(str(path))
    assert mended.done == "2 records put back into their order"
    assert path.read_bytes() == whole


@pytest.mark.parametrize("to", [0, 3, 11])
def test_a_line_that_was_moved_goes_back(path: Path, to: int) -> None:
    whole, lines = path.read_bytes(), lines_of(path)
    moved = lines.pop(7)
    put(path, [*lines[:to], moved, *lines[to:]])
    repair(str(path))
    assert path.read_bytes() == whole


def test_an_ask_that_was_moved_past_others_records_takes_no_second_number(path: Path) -> None:
    """Its own place can't be told any more; its trial is lost, and the results of all others are not."""
    before, lines = results(path), lines_of(path)
    stock = b'{"op_code":2,"worker_id":"w","study_id":0,"user_attr":{"k":%d}}'
    moved = lines.pop(3)
    put(path, [*lines[:8], *(stock % number for number in range(3)), moved, *lines[8:]])
    repair(str(path))
    assert results(path) == [before[0], ({}, None), *before[2:]]


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
def test_lines_of_another_journal_are_taken_out_again(path: Path, foreign: list[bytes], place: int, n_lines: int) -> None:
    before, lines = results(path), lines_of(path)
    put(path, [*lines[:place], *foreign[:n_lines], *lines[place:]])
    (mended,) = repair(str(path))
    assert "shows that it was put in" in mended.done
    assert results(path) == before
    assert check(str(path)).findings == []


def test_it_is_said_when_a_trial_is_not_the_one_that_it_was_made_for(path: Path) -> None:
    """Another program's trial overtook an ask; what stood before both was changed afterwards."""
    lines, other = lines_of(path)[:4], b'{"op_code":2,"worker_id":"w","study_id":0,"user_attr":{"k":1}}'
    overtaking = b'{"op_code":4,"worker_id":"w","study_id":0,"datetime_start":null}'
    ask = {key: value for key, value in json.loads(lines.pop()).items() if key != "crc"}
    ask["jt"]["at"] = sum(len(line) + 1 for line in [*lines, other])
    ask_line = records.seal(ask, ask["jt"]["at"], crc32(other, records.sum_of(lines[-1])))
    put(path, [*lines, other, overtaking, ask_line])
    assert check(str(path)).findings == []
    put(path, [*lines, other.replace(b'"k":1', b'"k":2'), overtaking, ask_line])
    assert "made for trial 1 and is trial 2 now, so later trials may have results of others" in repair(str(path))[0].done
