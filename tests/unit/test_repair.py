"""What `repair` mends, what it keeps, and that every reader opens the journal afterwards."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from lines import lines_of, put
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from journaltune import JournalDamagedError, NotFoundError, create_study, load_study
from journaltune.journal import snapshot
from journaltune.journal.journal import Journal
from journaltune.journal.upkeep.check import check
from journaltune.journal.upkeep.repair import repair


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "study.journal"
    study = create_study(found, params={"x": "float(0, 1)"}, seed=1)
    for number in range(6):
        study.tell(study.ask(), float(number))
    return found


def told(path: Path) -> dict[int, Any]:
    """Values by number, on which ours and stock Optuna's reader agree; ask and tell go on working."""
    study = load_study(path)
    ours = {trial.number: trial.values for trial in study.trials}
    storage = JournalStorage(JournalFileBackend(str(path)))
    assert {trial.number: trial.values for trial in storage.get_all_trials(0)} == ours
    study.tell(study.ask(), 9.0)
    assert load_study(path).counts()["complete"] == sum(value is not None for value in ours.values()) + 1
    return ours


def test_a_whole_journal_is_left_alone(path: Path) -> None:
    before = path.read_bytes()
    assert repair(str(path)) == []
    assert path.read_bytes() == before
    assert not os.path.lexists(f"{path}.lock")


@pytest.mark.parametrize(
    "garbage", [b"garbage", b"", b"   ", b"\0" * 50, b"\xff\xfe", b"{", b'{"op_code":99,"worker_id":"x"}', b"[" * 5000], ids=len
)
@pytest.mark.parametrize("place", [0, 1, 5, 13])
def test_a_garbage_line_is_blanked_and_kept(path: Path, garbage: bytes, place: int) -> None:
    lines = lines_of(path)
    put(path, [*lines[:place], garbage, *lines[place:]])
    size = path.stat().st_size
    with pytest.raises(JournalDamagedError):
        load_study(path)
    mended = repair(str(path))
    assert path.stat().st_size == size
    assert mended[0].offset == sum(len(line) + 1 for line in lines[:place])
    assert Path(mended[0].copy).read_bytes().rstrip(b"\n") == garbage
    assert repair(str(path)) == []
    assert told(path) == {number: [float(number)] for number in range(6)}


def test_a_record_that_a_stock_writer_glued_behind_a_torn_one_stays(path: Path) -> None:
    lines = lines_of(path)
    stock = {
        "op_code": 6,
        "worker_id": "w",
        "trial_id": 1,
        "state": 1,
        "values": [7.5],
        "datetime_complete": "2024-01-01T00:00:00Z",
    }
    put(path, [*lines[:4], lines[5][:40] + json.dumps(stock).encode().replace(b" ", b"")])
    (mended,) = repair(str(path))
    assert "1 record in it saved" in mended.done
    assert Path(mended.copy).read_bytes() == lines[5][:40]
    assert told(path) == {0: [0.0], 1: [7.5]}


@pytest.mark.parametrize("place", range(1, 13))
def test_a_changed_record_of_ours_costs_that_record_only(path: Path, place: int) -> None:
    lines = lines_of(path)
    changed = bytearray(lines[place])
    changed[-40] ^= 1
    put(path, [*lines[:place], bytes(changed), *lines[place + 1 :]])
    assert len(repair(str(path))) == 1
    assert repair(str(path)) == []
    told(path)


@pytest.mark.parametrize("place", range(1, 12))
def test_after_a_line_was_taken_out_the_rest_is_read(path: Path, place: int) -> None:
    lines = lines_of(path)
    put(path, lines[:place] + lines[place + 1 :])
    assert all("without their checksums" in mended.done or "without its checksums" in mended.done for mended in repair(str(path)))
    assert repair(str(path)) == []
    told(path)


def test_a_torn_tail_is_mended(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b'{"op_code":6,')
    (mended,) = repair(str(path))
    assert mended.size_bytes == 13
    assert told(path) == {number: [float(number)] for number in range(6)}


def test_a_running_study_goes_on_after_the_repair(path: Path) -> None:
    study = load_study(path)
    with path.open("ab") as file:
        file.write(b"garbage\n")
    with pytest.raises(JournalDamagedError):
        study.ask()
    repair(str(path))
    assert study.ask().number == 6
    assert len(load_study(path).trials) == 7


@pytest.mark.parametrize("place", range(13))
def test_a_flipped_bit_of_a_record_of_ours_is_found_and_set_right(path: Path, place: int) -> None:
    lines = lines_of(path)
    for at in range(0, len(lines[place]) - 26, 41):
        damaged = bytearray(lines[place])
        damaged[at] ^= 1 << at % 7
        put(path, [*lines[:place], bytes(damaged), *lines[place + 1 :]])
        assert [mended.done for mended in repair(str(path))] == ["one bit was wrong; it is right again"]
        assert lines_of(path) == lines


def test_a_trial_whose_record_is_gone_keeps_its_number_and_has_failed(path: Path) -> None:
    lines = lines_of(path)
    assert json.loads(lines[7])["jt"]["n"] == 3
    put(path, [*lines[:7], bytes(len(lines[7])), *lines[8:]])
    (mended,) = repair(str(path))
    assert "1 trial that stood there" in mended.done
    trials = load_study(path).trials
    assert [trial.values for trial in trials] == [[0.0], [1.0], [2.0], None, [4.0], [5.0]]
    assert trials[3].user_attrs == {"fail_reason": "damaged"}
    assert trials[3].params == {}


def test_a_torn_record_takes_nobodys_number(path: Path) -> None:
    """Nobody ever counted it: the asks after it say so."""
    lines = lines_of(path)
    put(path, [*lines[:7], lines[7][:-9], *lines[7:]])
    repair(str(path))
    assert told(path) == {number: [float(number)] for number in range(6)}


@pytest.mark.parametrize("kept", [0, 60, 200])
def test_a_study_whose_record_is_gone_keeps_its_trials(path: Path, kept: int) -> None:
    lines = lines_of(path)
    put(path, [lines[0][:kept] + bytes(len(lines[0]) - kept), *lines[1:]])
    (mended,) = repair(str(path))
    assert "1 study" in mended.done
    assert "create --exist-ok" in mended.done
    study = load_study(path)
    assert study.study_name == ("study" if kept >= 60 else "recovered-0")
    assert [trial.values for trial in study.trials] == [[float(number)] for number in range(6)]


def test_a_trial_that_was_taken_out_is_noted_in_the_room_of_checksums(path: Path) -> None:
    lines = lines_of(path)
    put(path, lines[:3] + lines[4:])
    noted, *_ = repair(str(path))
    assert "1 trial noted that were taken out before it" in noted.done
    trials = load_study(path).trials
    assert [trial.values for trial in trials] == [[0.0], None, [2.0], [3.0], [4.0], [5.0]]


def test_where_there_is_no_room_it_says_that_numbers_changed(path: Path) -> None:
    lines = lines_of(path)
    put(path, lines[:9] + lines[10:])
    mended = repair(str(path))
    assert "later trials have lower numbers" in mended[0].done
    assert check(str(path)).findings == []


def test_two_records_without_a_newline_between_them_are_both_saved(path: Path) -> None:
    lines = lines_of(path)
    for made in (lines, [*lines[:4], *map(_as_stock, lines[4:8]), *lines[8:]]):
        for place in (3, 4, 5, 6):
            put(path, [*made[:place], made[place] + made[place + 1], *made[place + 2 :]])
            assert "records in it saved" in repair(str(path))[0].done
            assert check(str(path)).findings == []
            assert [trial.values for trial in load_study(path).trials] == [[float(number)] for number in range(6)]


def _as_stock(line: bytes) -> bytes:
    record = json.loads(line)
    del record["crc"], record["jt"]
    return json.dumps({**record, "worker_id": "w-1"}, separators=(",", ":")).encode()


def test_after_a_change_in_place_only_the_next_record_loses_its_checksum(path: Path) -> None:
    lines = lines_of(path)
    put(path, [*lines[:4], lines[4].replace(b'"state":1', b'"state":2')[: len(lines[4])].replace(b"crc", b"crd"), *lines[5:]])
    (mended,) = repair(str(path))
    assert mended.done == "kept, without its checksums"
    assert check(str(path)).n_foreign == 1


def test_many_records_that_lose_their_checksums_share_one_copy(path: Path) -> None:
    lines = lines_of(path)
    put(path, lines[:2] + lines[3:])
    mended = repair(str(path))
    assert [one.done for one in mended] == ["10 records kept, without their checksums"]
    assert len(os.listdir(f"{path}.d/quarantine")) == 1


def test_a_snapshot_that_is_wrong_is_deleted(path: Path) -> None:
    journal = Journal(str(path))
    journal.save_snapshot()
    place = Path(snapshot.path_of(str(path)))
    assert repair(str(path)) == []
    assert place.exists()
    place.write_bytes(place.read_bytes()[:-1] + b"?")
    (mended,) = repair(str(path))
    assert (mended.offset, mended.done) == (None, "deleted")
    assert not place.exists()
    assert repair(str(path)) == []


def test_the_snapshot_of_a_damaged_journal_is_set_aside(path: Path) -> None:
    Journal(str(path)).save_snapshot()
    lines = lines_of(path)
    put(path, [*lines[:7], bytes(len(lines[7])), *lines[8:]])
    repair(str(path))
    assert not os.path.exists(snapshot.path_of(str(path)))
    assert [name for name in os.listdir(f"{path}.d/quarantine") if name.startswith("snapshot")]


def test_a_file_that_is_no_journal_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear Sir,\nI have the honour to be\n")
    with pytest.raises(NotFoundError, match="is no journal"):
        repair(str(path))
    assert path.read_text() == "Dear Sir,\nI have the honour to be\n"
    assert os.listdir(tmp_path) == ["letter.txt"]


def test_who_went_on_while_it_was_repaired_saves_no_snapshot_of_what_was_there_before(path: Path) -> None:
    journal = Journal(str(path))
    lines = lines_of(path)
    assert json.loads(lines[4])["op_code"] == 6
    with path.open("r+b") as file:
        file.seek(sum(len(line) + 1 for line in lines[:4]) + 40)
        file.write(bytes(20))
    repair(str(path))
    journal.save_snapshot()
    assert check(str(path)).snapshot == "none"
    journal.sync()
    assert journal.state.studies[0].live.keys() == {1}, "it goes on with what the journal says now"
    journal.save_snapshot()
    found = check(str(path))
    assert found.findings == []
    assert found.snapshot.startswith("says what the journal says")


def test_a_folder_in_the_place_of_the_snapshot_is_set_aside(path: Path) -> None:
    place = Path(snapshot.path_of(str(path)))
    place.mkdir(parents=True)
    (place / "mine").write_text("kept")
    assert check(str(path)).n_findings == 1
    (mended,) = repair(str(path))
    assert (mended.offset, mended.done) == (None, "set aside")
    assert (Path(mended.copy) / "mine").read_text() == "kept"
    assert check(str(path)).findings == []
    Journal(str(path)).save_snapshot()
    assert place.is_file()
