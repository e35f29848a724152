"""White space behind records, as editors and conversions of line ends leave it: it must not switch the checksums off."""

from __future__ import annotations

from pathlib import Path

import pytest
from lines import lines_of, put, results

from journaltune import JournalDamagedError, create_study, load_study
from journaltune.journal.upkeep.check import check
from journaltune.journal.upkeep.repair import repair


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "study.journal"
    study = create_study(found, params={"x": "float(0, 1)"}, seed=1)
    for number in range(4):
        study.tell(study.ask(), number / 4)
    return found


@pytest.mark.parametrize("behind", [b"\r", b"\t", b" ", b" \t\r"])
def test_white_space_behind_every_record_is_found_and_moved(path: Path, behind: bytes) -> None:
    before, lines = results(path), lines_of(path)
    put(path, [line + behind for line in lines])
    found = check(str(path))
    assert found.n_findings == len(lines)
    assert {one.what for one in found.findings} == {"white space behind a record, which hides its checksums"}
    with pytest.raises(JournalDamagedError):
        load_study(path)
    (mended,) = repair(str(path))
    assert mended.done == "9 records kept; the white space behind them stands before them now"
    assert results(path) == before
    found = check(str(path))
    assert (found.findings, found.n_foreign) == ([], 0)
    assert repair(str(path)) == []


def test_a_result_that_was_changed_along_with_the_line_ends_is_not_believed(path: Path) -> None:
    lines = [line + b"\r" for line in lines_of(path)]
    assert b'"values":[0.5]' in lines[6]
    lines[6] = lines[6].replace(b'"values":[0.5]', b'"values":[9.5]').replace(b'"state":1', b'"state":2')
    put(path, lines)
    repair(str(path))
    assert [values for _, values in results(path)] == [[0.0], [0.25], None, [0.75]]
    assert check(str(path)).findings == []


def test_a_last_record_with_white_space_behind_it_keeps_its_checksums(path: Path) -> None:
    lines = lines_of(path)
    put(path, [*lines[:-1], lines[-1] + b"\r"])
    assert check(str(path)).n_findings == 1
    repair(str(path))
    assert lines_of(path)[-1] == b" " + lines[-1]


def test_a_record_of_another_program_may_be_followed_by_white_space(path: Path) -> None:
    put(path, [*lines_of(path), b'{"op_code":2,"worker_id":"w","study_id":0,"user_attr":{"k":1}}\r'])
    assert check(str(path)).findings == []


def test_two_records_with_a_comma_instead_of_a_newline_are_both_saved(path: Path) -> None:
    before, lines = results(path), lines_of(path)
    put(path, [*lines[:4], lines[4] + b"," + lines[5], *lines[6:]])
    assert "2 records in it saved" in repair(str(path))[0].done
    assert results(path) == before
    assert check(str(path)).findings == []


def test_garbage_behind_a_record_of_ours_does_not_cost_its_checksums(path: Path) -> None:
    lines = lines_of(path)
    put(path, [*lines[:4], lines[4] + b"\0\0\0", *lines[5:]])
    repair(str(path))
    assert check(str(path)).n_foreign == 0
    assert lines_of(path)[4] == b"   " + lines[4]
