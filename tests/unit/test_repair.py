"""What `repair` mends, what it keeps, and that every reader opens the journal afterwards."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from journaltune import JournalDamagedError, create_study, load_study
from journaltune.journal.repair import repair


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "study.journal"
    study = create_study(found, params={"x": "float(0, 1)"}, seed=1)
    for number in range(6):
        study.tell(study.ask(), float(number))
    return found


def lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().split(b"\n")[:-1]


def put(path: Path, lines: list[bytes]) -> None:
    path.write_bytes(b"".join(line + b"\n" for line in lines))


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
    assert "stays" in mended.done
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
    assert {mended.done for mended in repair(str(path))} == {"kept, without its checksums"}
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
